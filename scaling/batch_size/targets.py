"""A target loss that follows from the runs: one that every batch size had the samples to come near to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.batch_size.cells import Curve
from scaling.batch_size.crossing import check_curve, loss_at
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number
from scaling.inputs import as_number
from scaling.serial import plain

_SAME = 1e-9  # relative difference of one batch size


@dataclass(frozen=True)
class Target:
    """A target loss, and where it comes from.

    Parameters
    ----------
    loss : float
        The target.
    batch : float
        Batch size of the run that has it.
    samples : float
        Samples after which it has it, in the unit of the batch.
    run_id : str
        That run.
    rule : str
        How it was found, in words.
    """

    loss: float
    batch: float
    samples: float
    run_id: str
    rule: str

    def __float__(self) -> float:
        return self.loss

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain({name: getattr(self, name) for name in self.__dataclass_fields__})
        return out


def derive_target(curves: Iterable[Curve], *, anchor: float | None = None, samples: float | None = None) -> Target:
    """Derive a target loss from the runs.

    Parameters
    ----------
    curves : iterable of Curve
        All runs, their batch sizes in one unit.
    anchor : float, optional
        Batch size whose best run sets the target, as 256 sequences in arXiv:2410.21676; the best of all where missing.
    samples : float, optional
        Samples (batch size times step, in the unit of the batch) after which; the largest number that every batch size
        reached where missing.

    Returns
    -------
    Target
        The lowest loss there, interpolated between evaluations.

    Raises
    ------
    InputDataError
        Where there are no runs at the anchor, or none that has a loss at that many samples.
    UsageError
        For an anchor or a number of samples that is not above 0.
    """
    for value, what in ((anchor, "the anchor"), (samples, "the number of samples")):
        if value is not None and not 0 < as_number(value) < math.inf:
            raise UsageError(f"{what} is a finite number above 0, not {value}")
    known = [(curve, *check_curve(curve.step, curve.loss, f"the run '{curve.run_id}'")) for curve in curves]
    if not known:
        raise InputDataError("there are no loss curves", hint="Each run needs steps and losses.")
    rule = "given"
    if samples is None:
        reached: dict[float, float] = {}
        for curve, step, loss in known:
            last = float(step[np.isfinite(loss)].max(initial=0.0)) * curve.batch
            reached[curve.batch] = max(reached.get(curve.batch, 0.0), last)
        samples, rule = min(reached.values()), "the most that every batch size reached"
        if not samples > 0:
            none = min(reached, key=lambda b: reached[b])
            raise InputDataError(
                f"no run at a batch of {format_number(none)} has a finite loss after its first step, so there is no "
                "number of samples that every batch size reached",
                hint="Leave that batch size out, or say after how many samples.",
            )
    if anchor is not None:
        there = sorted({curve.batch for curve, *_ in known})
        known = [row for row in known if abs(row[0].batch - anchor) <= _SAME * anchor]
        if not known:
            raise InputDataError(
                f"no run has a batch of {format_number(anchor)}",
                hint=f"There are: {', '.join(format_number(b) for b in there)}.",
            )
    losses = [loss_at(step, loss, samples / curve.batch) for curve, step, loss in known]
    if all(math.isnan(loss) for loss in losses):
        most = max(float(step[np.isfinite(loss)].max(initial=0.0)) * curve.batch for curve, step, loss in known)
        raise InputDataError(
            f"no run has a loss at {format_number(samples)} samples; they reach {format_number(most)}",
            hint="Samples are batch size times step, in the unit of the batch.",
        )
    best = int(np.nanargmin(losses))
    curve = known[best][0]
    whose = "the best run of all" if anchor is None else f"the best run at a batch of {format_number(anchor)}"
    return Target(
        losses[best], float(curve.batch), float(samples), str(curve.run_id),
        f"loss of {whose} after {format_number(samples)} samples ({rule})",
    )  # fmt: skip
