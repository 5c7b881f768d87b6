"""Fit the steps that a target loss takes as a function of the batch size: S(B) = a + b/B."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.conventions import FORMS
from scaling.batch_size.critical import RECORD, CriticalBatch, critical_batch_of
from scaling.batch_size.units import in_one_unit
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import whole
from scaling.formatting import format_number, format_plural
from scaling.inputs import as_number
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.fitting.newton import Progress
    from scaling.prediction import Prediction
    from scaling.results import Fit

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class StepsFit:
    """A fitted curve of steps to a target over batch size.

    Parameters
    ----------
    fit : Fit
        Of a law of `scaling.batch_size.conventions.FORMS`, by squared residuals of logarithms; its settings say the
        unit and which rows were censored.
    batch : ndarray (n,)
        Batch sizes, in `unit`.
    steps : ndarray (n,)
        Steps to the target; the last step trained where a row is censored.
    censored : ndarray of bool (n,)
        Rows that did not reach the target.
    """

    fit: Fit
    batch: Array
    steps: Array
    censored: Mask

    @property
    def unit(self) -> str:
        """Of the batch: ``samples``, ``sequences`` or ``tokens``."""
        return str(self.fit.settings[RECORD]["unit"])

    @property
    def form(self) -> str:
        """Name of the law."""
        return self.fit.law.name

    @property
    def estimates(self) -> dict[str, float]:
        """``a``, the fewest steps, and ``b``, the fewest samples in `unit`; ``alpha`` or ``k`` of the other forms."""
        return self.fit.estimates

    @property
    def sigma(self) -> float:
        """Scatter of the logarithms of steps around the curve, degrees of freedom taken out."""
        return float(self.fit.settings[RECORD]["sigma"])

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; `reasons` says why."""
        return self.fit.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return self.fit.diagnostics.reasons

    def interval(self, name: str, level: float = 0.95, method: str | None = None) -> tuple[float, float]:
        """Return the interval of a parameter; see `scaling.results.Fit.interval`."""
        return self.fit.interval(name, level, method)

    def critical_batch(
        self,
        overhead: float | None = None,
        anchor: float | None = None,
        level: float = 0.9,
        method: str | None = None,
    ) -> CriticalBatch:
        """Return the critical batch size; see `scaling.batch_size.critical.critical_batch_of`.

        Parameters
        ----------
        overhead : float, optional
            Share by which samples may exceed those of linear scaling, such as 0.2; b/a where missing.
        anchor : float, optional
            Batch size that linear scaling starts from, in `unit`; perfect scaling where missing.
        level : float, default 0.9
            Nominal coverage.
        method : {'fieller', 'delta', 'bootstrap'}, optional
            How the interval is made.

        Returns
        -------
        CriticalBatch
        """
        return critical_batch_of(self.fit, overhead, anchor, level, method)

    def predict(self, batch: ArrayLike, level: float = 0.9, kind: str = "run", force: bool = False) -> Prediction:
        """Forecast the steps at batch sizes in `unit`; see `scaling.results.Fit.predict`."""
        return self.fit.predict({"B": batch}, level, kind, force)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON: rows, estimates, verdict and the critical batch size b/a.

        Keys: ``form``, ``unit``, ``estimates``, ``sigma``, ``rows`` (``batch``, ``steps``, ``censored``),
        ``critical_batch``, ``verdict``, ``reasons``.
        """
        rows = [
            {"batch": b, "steps": s, "censored": c}
            for b, s, c in zip(self.batch.tolist(), self.steps.tolist(), self.censored.tolist(), strict=True)
        ]
        out: dict[str, Any] = plain(
            {
                "form": self.form,
                "unit": self.unit,
                "estimates": self.estimates,
                "sigma": self.sigma,
                "rows": rows,
                "critical_batch": self.critical_batch().to_dict(),
                "verdict": self.verdict,
                "reasons": list(self.reasons),
            }
        )
        return out

    def summary(self, level: float = 0.9) -> str:
        """Return the curve and its critical batch size as a report in plain text."""
        lines = [self.fit.summary(level), f"B in {self.unit}"]
        if count := int(self.censored.sum()):
            at = ", ".join(format_number(b) for b in np.unique(self.batch[self.censored]))
            lines.append(f"{format_plural(count, 'row')} did not reach the target and counted as censored: B = {at}")
        found = self.critical_batch(level=level)
        lines.append(
            f"critical batch size: {format_number(found.estimate)} {self.unit} ({found.interval}), {found.definition}"
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()


def fit_steps(
    batch: ArrayLike,
    steps: ArrayLike,
    censored: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    *,
    form: str = "steps_to_target",
    unit: str | Sequence[str] = "samples",
    context_length: float | None = None,
    progress: Progress | None = None,
) -> StepsFit:
    """Fit S(B) = a + b/B, by squared residuals of logarithms.

    Parameters
    ----------
    batch : array_like (n,)
        Batch sizes; at least three different ones.
    steps : array_like (n,)
        Steps to the target, or the last step trained where the target was not reached.
    censored : array_like of bool (n,), optional
        Rows that did not reach the target.
    bootstrap : int, default 1000
        Replicates: of residuals, or drawn from the fitted normal scatter where rows are censored; 0 for none.
    seed : int, default 0
        Of the replicates; recorded.
    form : {'steps_to_target', 'steps_to_target_power', 'steps_to_target_sharp'}
        The law; see `scaling.batch_size.forms` for which one.
    unit : str or sequence of str, default 'samples'
        ``sequences`` or ``tokens``, of all batch sizes or of each. Recorded, and printed with every number.
    context_length : float, optional
        Tokens a sequence; needed where units differ.
    progress : callable, optional
        Told how many replicates are done, and of how many.

    Returns
    -------
    StepsFit

    Raises
    ------
    InputDataError
        For data that cannot be fitted: fewer than three batch sizes (that reached the target), units that are mixed,
        numbers that are not finite and above 0, lengths that differ.
    UsageError
        For settings that make no sense.

    Notes
    -----
    Each row should be the best run of its batch size, over learning rate and all else; see
    `scaling.batch_size.cells.steps_to_target`. The law is that of arXiv:1812.06162. Censored rows enter by their
    likelihood; see `scaling.batch_size.censoring`. Without them the fit is `scaling.fit` with residual replicates.

    Examples
    --------
    >>> b = [64, 128, 256, 512, 1024, 2048, 4096, 8192]
    >>> s = fit_steps(b, [1000 + 5e6 / x for x in b], bootstrap=0, unit="sequences")
    >>> round(s.estimates["a"], 3), round(float(s.critical_batch(overhead=0.2, anchor=256)), 3)
    (1000.0, 1307.2)
    """
    if form not in FORMS:
        raise UsageError(f"there is no curve of steps '{form}'", hint=did_you_mean(str(form), FORMS))
    values, unit = in_one_unit(batch, unit, context_length)
    counts, mask = _check_steps(steps, censored, len(values))
    _check_enough(values, mask, form)
    bootstrap, seed = whole(bootstrap, "the number of bootstrap replicates"), whole(seed, "the seed")
    if bootstrap == 1:
        raise UsageError("one bootstrap replicate has no spread", hint="Ask for some hundreds, or for 0.")
    if mask.any():
        from scaling.batch_size.censored_fit import fit_censored

        found = fit_censored(form, values, counts, mask, bootstrap, seed, progress)
    else:
        from scaling.fitting.fit import fit as fit_law

        found = fit_law(
            form, {"B": values}, counts, objective="squared", resample="residual", bootstrap=bootstrap, seed=seed,
            progress=progress,
        )  # fmt: skip
        free = found.n_obs - len(found.law.parameters)
        sigma = float(np.sqrt(np.sum(found.residuals**2) / free)) if free else float("nan")
        found = replace(found, settings={**found.settings, RECORD: {"sigma": sigma, "censored": []}})
    record = {
        "unit": unit,
        **found.settings[RECORD],
        "covariance": _covariance_of_asymptotes(found, values).tolist(),
    }
    return StepsFit(replace(found, settings={**found.settings, RECORD: record}), values, counts, mask)


def _covariance_of_asymptotes(fit: Fit, batch: Array) -> Array:
    """Covariance (2, 2) of a and b in natural units, also where a bound holds one of them."""
    a, b = fit.theta[:2]
    inner = np.outer([a, b], [a, b]) * fit.covariance[:2, :2]
    if np.all(np.isfinite(inner)) or fit.law.name != FORMS[0]:
        return np.asarray(inner)
    # At a bound the engine gives no error, while that of a itself is needed to say how far from 0 it may be.
    curve = a + b / batch
    slopes = np.column_stack([1 / curve, 1 / (batch * curve)])
    scale = np.linalg.norm(slopes, axis=0)
    square = float(np.sum(fit.residuals**2)) / max(len(batch) - 2, 1)
    return np.asarray(square * np.linalg.inv((slopes / scale).T @ (slopes / scale)) / np.outer(scale, scale))


def _check_steps(steps: ArrayLike, censored: ArrayLike | None, n: int) -> tuple[Array, Mask]:
    try:
        counts = np.atleast_1d(np.asarray(steps, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a number of steps is not a number: {error}") from error
    if counts.shape != (n,):
        raise InputDataError(f"the steps have shape {counts.shape}, but there are {n} batch sizes")
    wrong = np.flatnonzero(~(np.isfinite(counts) & (counts > 0)))
    if wrong.size:
        raise InputDataError(
            f"the steps are {counts[wrong[0]]:g} in row {wrong[0]}",
            hint="A run that did not reach the target has its last step here, and is marked as censored.",
        )
    if censored is None:
        return counts, np.zeros(n, bool)
    marks = np.asarray(censored)
    if marks.shape != (n,):
        raise InputDataError(f"'censored' has shape {marks.shape}, but there are {n} batch sizes")
    if marks.dtype == bool:
        return counts, marks
    if not all(as_number(mark) in (0, 1) for mark in marks.tolist()):
        raise InputDataError("'censored' says yes or no, row by row", hint="Give booleans, or 0 and 1.")
    return counts, marks.astype(bool)


def _check_enough(batch: Array, censored: Mask, form: str) -> None:
    tried, reached = len(np.unique(batch)), len(np.unique(batch[~censored]))
    if not reached:
        raise InputDataError(
            f"none of the {format_plural(len(batch), 'row')} reached the target, so nothing says how many steps it "
            "takes",
            hint="Take a higher target loss, or train longer.",
        )
    need = 3 if form == FORMS[0] else 4
    if tried == 1:
        raise InputDataError(
            f"all rows have one batch size ({format_number(float(batch[0]))}), so how steps depend on it cannot be "
            "seen",
            hint=f"Add runs at other batch sizes, {need} or more in all.",
        )
    if reached < need:
        which = "different batch sizes" if reached == tried else f"of {tried} batch sizes reached the target"
        raise InputDataError(
            f"{reached} {which}, and a curve of {need - 1} parameters through {reached} of them has no error"
            if reached == need - 1
            else f"{reached} {which}, and a curve of {need - 1} parameters needs {need}",
            hint="Add batch sizes." if reached == tried else "Train longer, take a higher target, or add batch sizes.",
        )
