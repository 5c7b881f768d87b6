"""Critical batch sizes from runs of several lengths, each decayed to its end: tokens at one loss, over the batch.

Runs whose learning rate was decayed have one loss each, at their end, and none on the way. So the tokens that a batch
needs for a loss are read across runs of several lengths (the inversion of arXiv:2505.13738), and the law of the steps
to a target is fitted to them in tokens, D = D_min (1 + B/B_crit).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.tuned import TunedRuns, tune_runs
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_count, format_plural
from scaling.inputs import as_number
from scaling.verdicts import WEAK

if TYPE_CHECKING:
    from scaling.batch_size.law_result import CriticalLaw

Array = NDArray[np.float64]

BETWEEN = ("interpolated", "power")
_FEWEST_LENGTHS = 3  # of one size and batch, for its losses to be read between
_FEWEST_BATCHES = 3  # at one target, from the one of the fewest tokens on
_EDGE = 1e-12  # relative: the ends of what all batches reach are ends of the readings themselves


@dataclass(frozen=True)
class IsoPoint:
    """The critical batch size of one model size at one loss.

    Parameters
    ----------
    n_params : float
        Parameters.
    target : float
        The loss, nats/token.
    fewest_tokens : float
        D_min, at a small batch.
    critical_batch : float
        b/a, tokens a step: twice the fewest tokens and steps.
    rms : float
        Of ln D around the law.
    batches : int
        Batch sizes that were fitted, from the one of the fewest tokens on.
    smallest_batch, largest_batch : float
        Of these, tokens a step.
    """

    n_params: float
    target: float
    fewest_tokens: float
    critical_batch: float
    rms: float
    batches: int
    smallest_batch: float
    largest_batch: float

    @property
    def beyond(self) -> bool:
        """Whether it lies beyond the largest batch tried, and rests on the form of the law."""
        return self.critical_batch > self.largest_batch


@dataclass(frozen=True)
class IsoLoss:
    """Critical batch sizes at several losses of several model sizes; see `critical_at_losses`.

    Parameters
    ----------
    points : tuple of IsoPoint
        By size, then by falling loss.
    runs : TunedRuns
        What they were read from.
    between : str
        How losses were read between lengths.
    notes : tuple of str
        What was left out, and why.
    """

    points: tuple[IsoPoint, ...]
    runs: TunedRuns
    between: str
    notes: tuple[str, ...]

    def law(self, bootstrap: int = 1000, seed: int = 0, law: str = "critical_batch") -> CriticalLaw:
        """Fit a law of the critical batch size to the points.

        Parameters
        ----------
        bootstrap : int, default 1000
            Replicates, in which model sizes are drawn whole: all points of one share their runs.
        seed : int, default 0
            Recorded.
        law : str, default 'critical_batch'
            Of `scaling.batch_size.law_design.NEEDS`; its tokens are D_min.

        Returns
        -------
        CriticalLaw
        """
        from scaling.batch_size.law import fit_critical_law

        size = np.array([p.n_params for p in self.points])
        several = len(np.unique(size)) > 1
        made = fit_critical_law(
            [p.critical_batch for p in self.points], n_params=size, loss=[p.target for p in self.points],
            n_tokens=[p.fewest_tokens for p in self.points], law=law, unit="tokens", bootstrap=bootstrap, seed=seed,
            groups=size if several else None,
        )  # fmt: skip
        fit = made.fit
        said = "b/a at one loss, twice the fewest tokens and steps; read across runs of several lengths"
        record = {**made.record, "convention": said, "between": self.between}
        if not several:
            word = "All points come from the runs of one model size and share them, so they are no independent draws."
            known = replace(fit.diagnostics, concerns=((WEAK, word), *fit.diagnostics.concerns))
            fit = replace(fit, diagnostics=known)
        return replace(made, fit=replace(fit, settings={**fit.settings, "critical_batch": record}))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        points = [{**asdict(p), "beyond": p.beyond} for p in self.points]
        out: dict[str, Any] = plain({"points": points, "between": self.between, "notes": self.notes})
        return out


def critical_at_losses(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    batch: ArrayLike,
    loss: ArrayLike,
    lr: ArrayLike | None = None,
    *,
    targets: int | Sequence[float] = 6,
    between: str = "interpolated",
    keep_untuned: bool = False,
) -> IsoLoss:
    """Find critical batch sizes from runs of several lengths, each decayed to its end.

    Parameters
    ----------
    n_params, n_tokens, batch, loss : array_like (n,)
        Of each run: parameters, training tokens, tokens a step, final loss (nats/token).
    lr : array_like (n,), optional
        Peak learning rate; the best one is taken, see `scaling.batch_size.tuned.tune_runs`.
    targets : int or sequence of float, default 6
        Losses, or how many for each model size: evenly spaced over the losses that all its batches reach, ends
        included.
    between : {'interpolated', 'power'}, default 'interpolated'
        How tokens at a loss are read between lengths: on lines of ln loss over ln tokens, or on the law E + A/D**alpha
        fitted to each size and batch. Lines lie above a curve that bends, by a few percent of the tokens where lengths
        lie a factor of two to five apart.
    keep_untuned : bool, default False
        Whether cells stay in whose best run lies at an end of the learning rates: their losses are too high.

    Returns
    -------
    IsoLoss

    Raises
    ------
    InputDataError
        For columns that cannot be used, and where no size has three batches with three lengths each that share a loss.
    UsageError
        For another way of reading, or targets that are none.

    Notes
    -----
    D = D_min (1 + B/B_crit) is fitted by squares of log residuals to the batches from the one of the fewest tokens on:
    below it a small batch loses for reasons that the law does not have.
    """
    if between not in BETWEEN:
        raise UsageError(f"losses cannot be read '{between}'", hint=did_you_mean(between, BETWEEN))
    wanted = _targets(targets)
    tuned = tune_runs(n_params, n_tokens, batch, loss, lr)
    notes = list(tuned.notes)
    runs = tuned if keep_untuned else tuned.only_bracketed()
    if runs.n < tuned.n:
        notes.append("They are left out.")
    points: list[IsoPoint] = []
    for size in np.unique(runs.n_params):
        curves = _curves(runs, float(size))
        named = f"{format_count(float(size))} parameters"
        if len(curves) < _FEWEST_BATCHES:
            notes.append(f"{named}: {format_plural(len(curves), 'batch size')} with three lengths or more; too few.")
            continue
        readers = [(b, _reader(tokens, losses, between), losses) for b, tokens, losses in curves]
        found = [p for t in _losses_of(wanted, curves) if (p := _point(float(size), t, readers)) is not None]
        if not found:
            notes.append(f"{named}: no loss is reached by enough batch sizes.")
        points += found
    if not points:
        raise InputDataError(
            "no critical batch size can be read from these runs. " + " ".join(notes),
            hint="Three lengths for each of three batch sizes of a model are needed, that share losses.",
        )
    return IsoLoss(tuple(points), runs, between, tuple(notes))


def _targets(targets: int | Sequence[float]) -> int | tuple[float, ...]:
    if isinstance(targets, int | np.integer):
        if targets < 1:
            raise UsageError(f"{targets} targets are none", hint="Ask for 6, or give losses.")
        return int(targets)
    losses = tuple(as_number(t) for t in np.atleast_1d(np.asarray(targets, object)))
    if not losses or not all(0 < t < math.inf for t in losses):
        raise UsageError("targets are losses, positive and finite", hint="Such as targets=[2.6, 2.5], in nats a token.")
    return losses


def _curves(runs: TunedRuns, size: float) -> list[tuple[float, Array, Array]]:
    """Batch, tokens and losses of the batches of a size that have lengths enough, longer runs always better."""
    out = []
    mine = runs.n_params == size
    for batch in np.unique(runs.batch[mine]):
        at = np.flatnonzero(mine & (runs.batch == batch))
        at = at[np.argsort(runs.n_tokens[at])]
        tokens, losses = runs.n_tokens[at], runs.loss[at]
        lower = losses < np.concatenate([[np.inf], np.minimum.accumulate(losses)[:-1]])
        if lower.sum() >= _FEWEST_LENGTHS:
            out.append((float(batch), tokens[lower], losses[lower]))
    return out


def _losses_of(wanted: int | tuple[float, ...], curves: Sequence[tuple[float, Array, Array]]) -> list[float]:
    if not isinstance(wanted, int):
        return sorted(wanted, reverse=True)
    high, low = min(float(v.max()) for _, _, v in curves), max(float(v.min()) for _, _, v in curves)
    return np.linspace(high, low, wanted).tolist() if high > low else []


def _reader(tokens: Array, losses: Array, between: str) -> Any:
    """Return the function from a loss to the tokens that reach it."""
    if between == "interpolated":
        x, y = np.log(losses)[::-1], np.log(tokens)[::-1]
        return lambda target: math.exp(float(np.interp(math.log(target), x, y)))
    from scaling.fitting.fit import fit

    law = fit("power_floor", {"x": tokens}, losses, objective="squared", bootstrap=0).estimates

    def read(target: float) -> float:
        above = target - law["E"]
        return float((law["A"] / above) ** (1 / law["alpha"])) if above > 0 else math.inf

    return read


def _point(size: float, target: float, readers: Sequence[tuple[float, Any, Array]]) -> IsoPoint | None:
    """Fit the law of the tokens to the batches that reach a loss; None where they are too few."""
    from scaling.fitting.fit import fit

    pairs = [
        (batch, read(target))
        for batch, read, losses in readers
        if losses.min() * (1 - _EDGE) <= target <= losses.max() * (1 + _EDGE)
    ]
    pairs = [pair for pair in pairs if math.isfinite(pair[1])]
    if not pairs:
        return None
    pairs = pairs[int(np.argmin([tokens for _, tokens in pairs])) :]
    if len(pairs) < _FEWEST_BATCHES:
        return None
    batch, tokens = np.array(pairs).T
    found = fit("tokens_to_target", {"B": batch}, tokens, objective="squared", bootstrap=0)
    if "B_crit" in found.diagnostics.at_bound:
        return None
    rms = found.diagnostics.residual_rms
    values = found.estimates
    return IsoPoint(size, target, values["D_min"], values["B_crit"], rms, len(pairs), float(batch[0]), float(batch[-1]))
