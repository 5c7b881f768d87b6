"""Three forms of the curve of steps, held against each other where it counts: at batches larger than those fitted.

a + b/B has one shape for all curves; the others free the exponent or the corner. Inside the data they hardly differ, so
the choice is made by leaving the largest batch sizes out, and what each says of twice and four times the largest stands
beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.censored_fit import censored_problem
from scaling.batch_size.censoring import log_likelihood, solve_censored
from scaling.batch_size.conventions import FORMS
from scaling.batch_size.critical import CriticalBatch
from scaling.batch_size.steps import StepsFit, fit_steps
from scaling.errors import ScalingError
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.inputs import check_level
from scaling.selection.scores import ROUNDING, Errors, compare, scatter, tied
from scaling.serial import plain

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_BEYOND = (2.0, 4.0)  # times the largest batch size, where each form is asked for the steps
_LEAST_LEFT = 5  # batch sizes that reached the target: two more than parameters of the larger forms
_LEAST_CUTS = 3  # that a form must share with a + b/B to be chosen before it


@dataclass(frozen=True)
class Form:
    """One form of the curve.

    Parameters
    ----------
    name : str
        Of the law.
    steps : StepsFit
        Fitted to all rows.
    aicc : float
        Akaike's criterion corrected for few rows, of logarithms of steps; the smaller the better. NaN where there are
        too few rows for it.
    cuts : int
        How often the largest batch sizes were held out.
    held : int
        Forecasts that were made of them.
    rms : float
        Root mean square of what those missed by, of logarithms; NaN without any.
    bias : float
        Mean of ln(forecast) - ln(steps).
    worse : float
        Logarithm of the ratio of its errors to those of a + b/B, at the batch sizes that both forecast.
    beyond : tuple of (float, float, float, float)
        Batch size, and forecast of its steps with the interval of the curve, at 2 and 4 times the largest.
    critical : CriticalBatch
        Where its asymptotes meet.
    """

    name: str
    steps: StepsFit
    aicc: float
    cuts: int
    held: int
    rms: float
    bias: float
    worse: float
    beyond: tuple[tuple[float, float, float, float], ...]
    critical: CriticalBatch


@dataclass(frozen=True)
class FormComparison:
    """Forms of the curve of steps, compared.

    Parameters
    ----------
    forms : tuple of Form
        The simplest first.
    chosen : str
        Name of the one to use.
    reason : str
        Why, in a sentence.
    level : float
        Nominal coverage of the intervals.
    """

    forms: tuple[Form, ...]
    chosen: str
    reason: str
    level: float

    @property
    def choice(self) -> Form:
        """The one to use."""
        return self[self.chosen]

    @property
    def lowest_aicc(self) -> str:
        """The form with the lowest AICc, which looks inside the data alone."""
        known = [form for form in self.forms if np.isfinite(form.aicc)]
        return min(known, key=lambda form: form.aicc).name if known else ""

    def __getitem__(self, name: str) -> Form:
        return next(form for form in self.forms if form.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        rows = [
            {
                "form": form.name,
                "formula": form.steps.fit.law.formula,
                "estimates": form.steps.estimates,
                "verdict": form.steps.verdict,
                "aicc": form.aicc,
                "cuts": form.cuts,
                "held": form.held,
                "rms": form.rms,
                "bias": form.bias,
                "beyond": [dict(zip(("batch", "steps", "low", "high"), row, strict=True)) for row in form.beyond],
                "critical_batch": form.critical.to_dict(),
            }
            for form in self.forms
        ]
        out: dict[str, Any] = plain(
            {"chosen": self.chosen, "reason": self.reason, "lowest_aicc": self.lowest_aicc, "level": self.level,
             "unit": self.forms[0].steps.unit, "forms": rows}
        )  # fmt: skip
        return out

    def __repr__(self) -> str:
        lines = []
        for form in self.forms:
            missed = "not held out" if np.isnan(form.rms) else f"missed held-out steps by {format_percent(form.rms)}"
            far = ", ".join(
                f"{format_number(steps)} ({format_interval(low, high)}) at {format_number(batch)}"
                for batch, steps, low, high in form.beyond
            )
            lines.append(
                f"{form.steps.fit.law.formula}: {missed}, AICc {format_number(form.aicc, 3)}, "
                f"critical batch size {format_number(form.critical.estimate)}; steps {far}"
            )
        return "\n".join([*lines, f"{self.chosen}: {self.reason}"])


def compare_forms(
    batch: ArrayLike,
    steps: ArrayLike,
    censored: ArrayLike | None = None,
    *,
    unit: str | Sequence[str] = "samples",
    context_length: float | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.9,
) -> FormComparison:
    """Hold the three forms of the curve of steps against each other.

    Parameters
    ----------
    batch, steps, censored, unit, context_length, bootstrap, seed
        As of `scaling.batch_size.fit_steps`.
    level : float, default 0.9
        Nominal coverage of the intervals.

    Returns
    -------
    FormComparison

    Raises
    ------
    InputDataError
        As of `scaling.batch_size.fit_steps`, for the simplest form; others that cannot be fitted are left out.

    Notes
    -----
    The one, two, three ... largest batch sizes are held out as long as five are left that reached the target, and are
    forecast from the rest; a held-out row that is censored counts where a form forecasts fewer steps than it had.
    `scaling.backtest_law` does the same for laws in general, but it knows nothing of censored rows and keeps more of
    them than most sweeps over batch size have to spare. Errors are compared cut by cut as in `scaling.select`: within
    half a standard error, or 2 %, they count as tied, and ties go to the form with fewer parameters.

    In simulated sweeps of 9 batch sizes over 2^6 to 2^14.5 with a scatter of 5 %, this kept a + b/B in 85 % of 60 cases
    where it was true. Where the corner was sharper (k = 1.5), softer (k = 0.75) or the exponent 1.08, forecasts at four
    times the largest batch by the chosen form missed by 13, 12 and 8 %, by a + b/B by 21, 18 and 15 %, and by the form
    of the lowest AICc by 14, 13 and 8 %.
    """
    check_level(level)
    first = fit_steps(
        batch, steps, censored, bootstrap, seed, form=FORMS[0], unit=unit, context_length=context_length
    )  # fmt: skip
    fits = [first]
    for form in FORMS[1:]:
        try:
            fits.append(
                fit_steps(first.batch, first.steps, first.censored, bootstrap, seed, form=form, unit=first.unit)
            )
        except ScalingError:
            continue
    noise = scatter(first.fit.residuals)
    missed = {fit.form: _held_out(fit) for fit in fits}
    errors = {form: _errors(rows, first.batch) for form, rows in missed.items()}
    found, chosen, reason = [], FORMS[0], ""
    best = 0.0
    for fit in fits:
        mine = errors[fit.form]
        difference, error, shared = float("nan"), float("nan"), 0
        if mine is not None and (reference := errors[FORMS[0]]) is not None:
            difference, error, _ = compare(mine, reference, noise)
            shared = len(set(mine.cuts) & set(reference.cuts))
        if shared >= _LEAST_CUTS and difference < best and not tied(-difference, error):
            best, chosen = difference, fit.form
        every = np.concatenate([row for _, row in missed[fit.form]]) if missed[fit.form] else np.empty(0)
        found.append(
            Form(
                fit.form, fit, aicc(fit), len(missed[fit.form]), len(every),
                float(np.sqrt(np.mean(every**2))) if len(every) else float("nan"),
                float(np.mean(every)) if len(every) else float("nan"), difference,
                _beyond(fit, level), fit.critical_batch(level=level),
            )
        )  # fmt: skip
    cuts = len(missed[FORMS[0]])
    times = format_plural(cuts, "time")
    if chosen != FORMS[0]:
        less = format_percent(1 - float(np.exp(best)))
        reason = f"with the largest batch sizes held out {times}, its errors were {less} below those of a + b/B"
    elif cuts >= _LEAST_CUTS:
        reason = (
            f"with the largest batch sizes held out {times}, no other form forecast them better by more than chance"
        )
    else:
        reason = "there are too few batch sizes to hold the largest out, and ties go to the form with fewest parameters"
    return FormComparison(tuple(found), chosen, reason, level)


def aicc(fit: StepsFit) -> float:
    """Work out Akaike's criterion, corrected for few rows.

    Parameters
    ----------
    fit : StepsFit
        The curve.

    Returns
    -------
    float
        -2 ln(likelihood) + 2 k + 2 k (k + 1)/(n - k - 1), k with the scatter, of logarithms of steps at the maximum of
        the likelihood; censored rows by their chance. NaN where n - k - 1 is not above 0.
    """
    problem = censored_problem(fit.form, fit.batch, fit.steps)
    start = np.clip(problem.kernel.to_internal(fit.fit.theta[None]), problem.low, problem.high)
    logs, mask = np.log(fit.steps)[None], fit.censored[None]
    n, k = len(fit.steps), len(fit.fit.law.parameters) + 1
    if n - k - 1 <= 0:
        return float("nan")
    if fit.censored.any():
        found = solve_censored(problem, logs, mask, start, 0)
        start, sigma = found.theta, found.sigma
    else:
        sigma = np.sqrt(np.mean(fit.fit.residuals**2, keepdims=True))
    sigma = np.maximum(sigma, ROUNDING)
    likelihood = float(log_likelihood(problem, logs, mask, start, sigma)[0])
    return -2.0 * likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def _held_out(fit: StepsFit) -> list[tuple[float, Array]]:
    """Hold the largest batch sizes out: the largest that is left, and the errors of the forecasts, of logarithms."""
    sizes, found = np.unique(fit.batch), []
    for edge in sizes[-2::-1]:
        left = fit.batch <= edge
        if len(np.unique(fit.batch[left & ~fit.censored])) < _LEAST_LEFT:
            break
        try:
            # The unit was settled for all rows, and is not to be looked for again in some of them.
            part = fit_steps(fit.batch[left], fit.steps[left], fit.censored[left], 0, form=fit.form, unit="sequences")
        except ScalingError:
            break
        held = ~left
        error = np.log(part.fit.evaluate({"B": fit.batch[held]})[0]) - np.log(fit.steps[held])
        counts = ~fit.censored[held] | (error < 0)  # what is censored is missed only by a forecast below its last step
        if counts.any():
            found.append((float(edge), error[counts]))
    return found


def _errors(missed: list[tuple[float, Array]], batch: Array) -> Errors | None:
    if not missed:
        return None
    edges = [edge for edge, _ in missed]
    order = np.unique(batch)
    return Errors(
        tuple(int(np.searchsorted(order, edge)) for edge in edges),
        np.array([np.mean(error**2) for _, error in missed]),
        np.array([np.mean(error) for _, error in missed]),
        np.array(edges) / batch.max(),
    )


def _beyond(fit: StepsFit, level: float) -> tuple[tuple[float, float, float, float], ...]:
    at = float(fit.batch.max()) * np.array(_BEYOND)
    forecast = fit.predict(at, level, "curve", force=True)
    rows = zip(at, forecast.mean, forecast.low, forecast.high, strict=True)
    return tuple((float(b), float(s), float(low), float(high)) for b, s, low, high in rows)
