"""The critical batch size at moments of one training run, from branches of its checkpoints (arXiv:2505.23971).

At a checkpoint runs are forked that differ in their batch, with a learning rate that goes with it, and trained for the
same tokens. The local critical batch is the largest batch whose loss at the end of that window is within a tolerance of
those of all smaller ones. Window and tolerance are conventions as overhead and anchor are, so nothing has a default.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_count, format_number, format_plural
from scaling.inputs import as_number
from scaling.verdicts import WEAK

if TYPE_CHECKING:
    from scaling.batch_size.law_result import CriticalLaw

Array = NDArray[np.float64]

REACHED, CENSORED, NONE = "reached", "censored", "none"
_SHORT = (
    0.98  # share of the window that a branch must have trained; its last evaluation may lie a little before the end
)
_FEWEST_ANCHORS = 3


@dataclass(frozen=True)
class LocalBatch:
    """The critical batch size at one checkpoint.

    Parameters
    ----------
    anchor : float
        Tokens (or steps) trained before the branches.
    status : {'reached', 'censored', 'none'}
        ``censored``: the largest batch tried is still within the tolerance, and the critical batch at least that.
        ``none``: already the second smallest is not, and the critical batch lies below it.
    critical : float
        The largest batch within the tolerance, in the unit of the batches; NaN where there is none.
    above : float
        The next larger batch that was tried, which is not; infinite where it is censored.
    batch : ndarray (k,)
        Batches tried, from the smallest on.
    loss : ndarray (k,)
        Smoothed loss of each at the end of the window.
    gap : ndarray (k,)
        How far that lies above the lowest of all smaller batches; NaN for the smallest.
    uneven : bool
        Whether a batch below the critical one is outside the tolerance, so that noise or a poor learning rate decides.
    """

    anchor: float
    status: str
    critical: float
    above: float
    batch: Array
    loss: Array
    gap: Array
    uneven: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        out: dict[str, Any] = plain(asdict(self))
        return out


@dataclass(frozen=True)
class Branched:
    """Critical batch sizes along one training run; see `branched_batches`.

    Parameters
    ----------
    anchors : tuple of LocalBatch
        In the order of training.
    tolerance : float
        nats/token.
    window, smoothing : float
        Tokens since the branch at which losses are compared, and over how many before that they are averaged.
    unit : str
        Of the batches.
    notes : tuple of str
        What was left out, in sentences.
    """

    anchors: tuple[LocalBatch, ...]
    tolerance: float
    window: float
    smoothing: float
    unit: str
    notes: tuple[str, ...]

    @property
    def convention(self) -> str:
        """What counts as critical, in words."""
        return (
            f"largest batch whose loss {format_count(self.window)} tokens after a branch, averaged over the last "
            f"{format_count(self.smoothing)}, is within {format_number(self.tolerance)} of all smaller ones"
        )

    def law(self, bootstrap: int = 1000, seed: int = 0, tokens_per_sample: float | None = None) -> CriticalLaw:
        """Fit how the critical batch grows along the run, as a power of the tokens trained.

        Parameters
        ----------
        bootstrap : int, default 1000
            Replicates.
        seed : int, default 0
            Recorded.
        tokens_per_sample : float, optional
            Context length, for a law in tokens of batches in sequences.

        Returns
        -------
        CriticalLaw
            Of the anchors whose critical batch was reached, at a middle (of logarithms) between it and the next batch
            tried; weak at best, because others are left out and because the growth levels off in published runs.

        Raises
        ------
        InputDataError
            For fewer than three such anchors.
        """
        from scaling.batch_size.law import fit_critical_law

        told = [a for a in self.anchors if a.status == REACHED and a.anchor > 0]
        if len(told) < _FEWEST_ANCHORS:
            raise InputDataError(
                f"{format_plural(len(told), 'anchor')} with a critical batch inside the batches tried show no growth; "
                f"{_FEWEST_ANCHORS} do",
                hint="Branch at more checkpoints, or into smaller and larger batches.",
            )
        made = fit_critical_law(
            [math.sqrt(a.critical * a.above) for a in told], n_tokens=[a.anchor for a in told], unit=self.unit,
            tokens_per_sample=tokens_per_sample, bootstrap=bootstrap, seed=seed,
        )  # fmt: skip
        words = ["One run is no sample of runs, and in published runs the growth levels off: read the law inside it."]
        if left := len(self.anchors) - len(told):
            words.append(f"Left out: {format_plural(left, 'anchor')} whose critical batch is not inside those tried.")
        fit = made.fit
        known = replace(fit.diagnostics, concerns=(*((WEAK, word) for word in words), *fit.diagnostics.concerns))
        settings = {**fit.settings, "critical_batch": {**made.record, "convention": self.convention}}
        return replace(made, fit=replace(fit, diagnostics=known, settings=settings))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        table = {name: getattr(self, name) for name in ("tolerance", "window", "smoothing", "unit", "notes")}
        anchors = [a.to_dict() for a in self.anchors]
        out: dict[str, Any] = plain({"anchors": anchors, "convention": self.convention, **table})
        return out


def branched_batches(
    anchor: ArrayLike,
    batch: ArrayLike,
    tokens_since: ArrayLike,
    loss: ArrayLike,
    *,
    tolerance: float,
    window: float,
    smoothing: float,
    unit: str = "samples",
) -> Branched:
    """Find the critical batch size at each checkpoint that runs were branched from.

    Parameters
    ----------
    anchor : array_like (n,)
        Tokens (or steps) trained before the branch, of each evaluation.
    batch : array_like (n,)
        Batch of the branch, in `unit`.
    tokens_since : array_like (n,)
        Tokens since the branch.
    loss : array_like (n,)
        nats/token; rows without a number are left out.
    tolerance : float
        nats/token by which a loss may lie above that of a smaller batch.
    window : float
        Tokens since the branch at which losses are compared.
    smoothing : float
        Tokens, up to the end of the window, over which the loss is averaged.
    unit : {'samples', 'sequences', 'tokens'}, default 'samples'
        Of the batches.

    Returns
    -------
    Branched

    Raises
    ------
    InputDataError
        For columns that cannot be used, and where no anchor has two branches as long as the window.
    UsageError
        For a tolerance, window or smoothing that is none.

    Notes
    -----
    Losses are averaged over tokens, along lines between evaluations, because large batches are evaluated more rarely.
    The tolerance should be larger than what two branches of one batch differ by, which no branch tells of itself.
    """
    from scaling.batch_size.units import check_unit

    check_unit(unit)
    if not (0 <= as_number(tolerance) < math.inf and 0 < as_number(smoothing) <= as_number(window) < math.inf):
        raise UsageError(
            f"tolerance {tolerance}, window {window} and smoothing {smoothing} are no such numbers",
            hint="The tolerance is in nats and not negative; the smoothing is a part of the window, in tokens.",
        )
    at, size, since, value = _columns(anchor, batch, tokens_since, loss)
    notes: list[str] = []
    found = []
    for start in np.unique(at):
        rows = at == start
        branches, short = [], 0
        for b in np.unique(size[rows]):
            mine = rows & (size == b)
            smooth = _smoothed(since[mine], value[mine], window, smoothing)
            if smooth is None:
                short += 1
            else:
                branches.append((float(b), smooth))
        named = f"After {format_count(float(start))}"
        if short:
            notes.append(f"{named}: {format_plural(short, 'batch size')} without a branch as long as the window.")
        if len(branches) < 2:
            notes.append(f"{named}: fewer than two batches were trained for the window.")
            continue
        sizes, losses = np.array(branches).T
        found.append(_local(float(start), sizes, losses, tolerance))
    if not found:
        raise InputDataError(
            f"no checkpoint has two branches of {format_count(window)} tokens. " + " ".join(notes),
            hint="Take a shorter window, or train branches for longer.",
        )
    return Branched(tuple(found), tolerance, window, smoothing, unit, tuple(notes))


def _local(anchor: float, batch: Array, loss: Array, tolerance: float) -> LocalBatch:
    lowest = np.minimum.accumulate(loss)[:-1]
    gap = np.concatenate([[math.nan], loss[1:] - lowest])
    within = gap[1:] <= tolerance
    if not within.any():
        return LocalBatch(anchor, NONE, math.nan, float(batch[1]), batch, loss, gap, False)
    last = int(np.flatnonzero(within)[-1]) + 1
    uneven = not bool(within[:last].all())
    if last == len(batch) - 1:
        return LocalBatch(anchor, CENSORED, float(batch[last]), math.inf, batch, loss, gap, uneven)
    return LocalBatch(anchor, REACHED, float(batch[last]), float(batch[last + 1]), batch, loss, gap, uneven)


def _smoothed(since: Array, loss: Array, window: float, smoothing: float) -> float | None:
    """Mean loss over the last tokens of the window; None where the branch does not reach its end."""
    order = np.argsort(since, kind="stable")
    x, y = since[order], loss[order]
    if len(x) == 0 or x[-1] < _SHORT * window:
        return None
    start = max(window - smoothing, float(x[0]))
    end = min(window, float(x[-1]))
    if not end > start:
        return float(np.interp(end, x, y))
    inside = (x > start) & (x < end)
    at = np.concatenate([[start], x[inside], [end]])
    return float(np.trapezoid(np.interp(at, x, y), at) / (end - start))


def _columns(anchor: ArrayLike, batch: ArrayLike, since: ArrayLike, loss: ArrayLike) -> list[Array]:
    columns = []
    for name, values in (("anchor", anchor), ("batch", batch), ("tokens_since", since), ("loss", loss)):
        try:
            column = np.atleast_1d(np.asarray(values, float))
        except (TypeError, ValueError) as error:
            raise InputDataError(f"'{name}' holds something that is not a number: {error}") from error
        columns.append(column)
    if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1 or not len(columns[0]):
        raise InputDataError("anchor, batch, tokens_since and loss must be columns of one length")
    known = np.isfinite(columns[3])
    columns = [column[known] for column in columns]
    good = np.isfinite(columns[0]) & (columns[0] >= 0) & (columns[1] > 0) & (columns[2] >= 0)
    good &= np.isfinite(columns[1]) & np.isfinite(columns[2])
    if not np.all(good):
        raise InputDataError(
            "an anchor, a batch or the tokens since a branch is negative, or no number",
            hint="Anchors and tokens since the branch count from 0; a batch is above 0.",
        )
    return columns
