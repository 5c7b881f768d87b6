"""Logs of sweeps over batch size whose steps to a target are known: S = a + b/B at the best learning rate."""

from __future__ import annotations

import math
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs" / "batch_size.md"
CONTEXT = 512
TARGET = 3.0
QUICK = ("--bootstrap", 20)


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling batch-size {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


def truth(n_params: float) -> tuple[float, float]:
    """Fewest steps and fewest sequences; tokens are 20 a parameter, and b/a grows as their root."""
    fewest = 20 * n_params / CONTEXT
    return fewest / (1000 * math.sqrt(n_params / 1e8)), fewest


def steps_of(n_params: float, batch: float) -> float:
    """Steps to the target at the best learning rate."""
    a, b = truth(n_params)
    return a + b / batch


def curve_lines(
    sizes: tuple[float, ...] = (4e8,), batches: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048, 4096),
    rates: tuple[float, ...] = (5e-4, 1e-3, 2e-3), column: str = "batch_size_seqs", scale: float = 1.0,
    until: float = 1.3, name: str = "",
) -> list[str]:  # fmt: skip
    """Write curves that are straight lines of logarithms, with 1e-3 as the best learning rate."""
    lines = [f"run_id,N,{column},lr,step,loss"]
    for n in sizes:
        for batch in batches:
            for lr in rates:
                steps = steps_of(n, batch) * (1 + 0.3 * math.log2(lr / 1e-3) ** 2)
                for share in (0.05, 0.2, 0.5, 0.8, 1.1, until):
                    step = max(1, round(share * steps))
                    loss = TARGET * (steps / step) ** 0.1
                    run = f"{name}n{n / 1e6:g}-b{batch}-lr{lr:g}"
                    lines.append(f"{run},{n:g},{batch * scale:g},{lr:g},{step},{loss:.12g}")
    return lines


def text_of(lines: list[str]) -> str:
    """Join the lines of a log."""
    return "\n".join(lines) + "\n"
