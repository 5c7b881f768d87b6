"""Logs of sweeps over learning rate and batch whose optimum is known: quadratic bowls that known laws move."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

CONTEXT = 2048
K, P, Q, KB, QB = 20.0, -0.7, 0.2, 0.5, 0.57
KT, QT = 3.0, -0.5  # timescale of AdamW's average over tokens a parameter
SIZES, RATIOS = (1e8, 2e8, 4e8), (20, 60, 200)
RATES, BATCHES = range(-12, -5), range(5, 12)


def best(n: float, d: float) -> tuple[float, float]:
    """Best learning rate, and best batch in tokens a step."""
    return K * n**P * d**Q, KB * d**QB


def log_text(
    sizes: Iterable[float] = SIZES, ratios: Iterable[float] = RATIOS, *, batches: Iterable[int] = BATCHES,
    column: str = "batch_seqs", scale: float = 1.0, noise: float = 0.0, bend: float = 1.0, shift: float = 0.0,
    apart: bool = False, diverged: str = "6.9", decays: Iterable[float] = (),
) -> str:  # fmt: skip
    """Write a sweep: a run a learning rate and batch of a cell, those at four times the best learning rate diverged.

    With `apart` the larger half of the batches has learning rates of its own; `bend` is the sign of the bowl; `shift`
    moves the learning rates tried, in octaves; `decays` are timescales in units of the best one.
    """
    random = np.random.default_rng(5)
    tails = list(decays)
    lines = [f"run_id,N,D,lr,{column},loss" + (",weight_decay" if tails else "")]
    for n in sizes:
        for ratio in ratios:
            d = n * ratio
            lr0, b0 = best(n, d)
            floor = 1.7 + 400 / n**0.34 + 400 / d**0.28
            for k in batches:
                for i in RATES:
                    lr, b = 2.0 ** (i + shift + (9 if apart and k > 7 else 0)), CONTEXT * 2.0**k
                    u, v = math.log(lr / lr0), math.log(b / b0)
                    bowl = bend * (0.005 * u * u - 0.004 * u * v + 0.006 * v * v) + noise * random.standard_normal()
                    loss = f"{floor * math.exp(bowl):.12g}" if bend < 0 or apart or lr < 4 * lr0 else diverged
                    name = f"{n:g}-{ratio}-{i}-{k}"
                    for t in tails or (1.0,):
                        tau = KT * ratio**QT * t
                        more = f"-{t:g}" if tails else ""
                        own = loss if loss == diverged else f"{float(loss) * math.exp(0.004 * math.log(t) ** 2):.12g}"
                        decay = f",{b / (lr * d * tau):.12g}" if tails else ""
                        lines.append(f"{name}{more},{n:g},{d:g},{lr:.12g},{2.0**k * scale:g},{own}{decay}")
    return "\n".join(lines) + "\n"
