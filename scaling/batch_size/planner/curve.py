"""The curve S(B) = a + b/B that plans are made on, from a fit of steps or from a law of the critical batch size."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import replicate_interval
from scaling.batch_size.critical import without_bounds
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.formatting import format_number
from scaling.inputs import check_level
from scaling.verdicts import NOT_IDENTIFIED, OK

if TYPE_CHECKING:
    from scaling.batch_size.law_result import CriticalLaw
    from scaling.batch_size.steps import StepsFit
    from scaling.results import Fit

Array = NDArray[np.float64]

_FORM = "steps_to_target"


@dataclass(frozen=True)
class StepsCurve:
    """Steps to a target over batch size, ``S(B) = a + b/B`` (arXiv:1812.06162).

    Parameters
    ----------
    a : float
        Fewest steps, at any batch size.
    b : float
        Fewest samples, in `unit`, at a small batch.
    replicates : ndarray (R, 2)
        Bootstrap replicates of the two; empty where there are none, and every interval is then unknown.
    unit : str
        Of the batch: ``samples``, ``sequences`` or ``tokens``.
    verdict : str
        Of the fit that the curve comes from.
    reasons : tuple of str
        Behind the verdict, and whatever else was assumed on the way to the curve.
    source : str
        Where the curve comes from.
    tried : tuple of float
        Smallest and largest batch size that it was fitted to, in `unit`; everything where it was not fitted.
    """

    a: float
    b: float
    replicates: Array = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    unit: str = "samples"
    verdict: str = OK
    reasons: tuple[str, ...] = ()
    source: str = "given"
    tried: tuple[float, float] = (0.0, math.inf)

    def __post_init__(self) -> None:
        for value, what in ((self.a, "fewest steps a"), (self.b, "fewest samples b")):
            if not (np.isfinite(value) and value > 0):
                raise InputDataError(
                    f"a plan needs {what} above 0, not {format_number(value)}",
                    hint="Steps that fall in proportion to the batch as far as it was tried have no trade-off to plan.",
                )

    @property
    def critical(self) -> float:
        """The critical batch size b/a, in `unit`."""
        return self.b / self.a

    @property
    def draws(self) -> Array:
        """The estimates, and below them the replicates: (1 + R, 2)."""
        return np.concatenate([[[self.a, self.b]], self.replicates])

    def steps(self, batch: ArrayLike) -> Array:
        """Steps at batch sizes in `unit`."""
        return np.asarray(self.a + self.b / np.asarray(batch, float))

    def interval(self, values: ArrayLike, level: float) -> tuple[Array, Array]:
        """Percentiles of what the replicates lead to.

        Parameters
        ----------
        values : array_like (R, m)
            One row a replicate.
        level : float
            Nominal coverage.

        Returns
        -------
        low, high : ndarray (m,)
            NaN without replicates.
        """
        check_level(level)
        return replicate_interval(np.asarray(values, float), level)


def curve_of(steps: StepsFit | Fit | StepsCurve, force: bool = False) -> StepsCurve:
    """Take the curve from a fit of steps over batch size.

    Parameters
    ----------
    steps : StepsFit, Fit or StepsCurve
        Of the law ``steps_to_target``; a curve is returned as it is.
    force : bool, default False
        Take it even where the fit is ``not identified``.

    Returns
    -------
    StepsCurve

    Raises
    ------
    UsageError
        For another law: with a free exponent, or a free corner, there is no such trade-off in closed form.
    VerdictError
        For a fit that is not identified.
    """
    if isinstance(steps, StepsCurve):
        return steps
    fit: Fit = steps.fit if hasattr(steps, "fit") else steps
    if fit.law.name != _FORM:
        raise UsageError(
            f"plans are made on the law a + b/B, and this is a fit of '{fit.law.name}'",
            hint=f"Fit with form='{_FORM}', and see whether the others differ with scaling.batch_size.compare_forms.",
        )
    if fit.verdict == NOT_IDENTIFIED and not force:
        raise VerdictError(
            "the steps over batch size are not identified, so there is no plan: " + " ".join(fit.diagnostics.reasons),
            hint="Run more batch sizes, small and large; or ask with force.",
        )
    draws = without_bounds(fit, np.array(fit.replicates, float).reshape(-1, 2))
    unit = str(fit.settings.get(_FORM, {}).get("unit", "samples"))
    return StepsCurve(
        fit.estimates["a"], fit.estimates["b"], draws, unit, fit.verdict, fit.diagnostics.reasons,
        f"steps to a target, {fit.n_obs} batch sizes", fit.support["B"],
    )  # fmt: skip


def curve_from_law(
    law: CriticalLaw, n_tokens: float, n_params: float | None = None, loss: float | None = None, force: bool = False
) -> StepsCurve:
    """Work the curve out for a run that was never swept, from a law of the critical batch size.

    Parameters
    ----------
    law : CriticalLaw
        Of the batch in tokens. A law of the batch at an overhead is turned into b/a by that convention's own rule.
    n_tokens : float
        Tokens that the run takes at a small batch: b.
    n_params, loss : float, optional
        What else the law needs.
    force : bool, default False
        Forecast even where the law is ``not identified``.

    Returns
    -------
    StepsCurve
        In tokens.

    Raises
    ------
    UsageError
        Where an input of the law is missing, or its batch is not in tokens.
    VerdictError
        Where the law is not identified.
    InputDataError
        Where the law's batch lies below what its convention allows.

    Notes
    -----
    With overhead d and anchor A the critical batch is ``d*b/a + (1 + d)*A`` (arXiv:2410.21676), so b/a is
    ``(B* - (1 + d)*A)/d``. The replicates hold the error of the law's curve; that b is `n_tokens` is taken as exact.
    """
    if not (np.isfinite(n_tokens) and n_tokens > 0):
        raise UsageError(f"the tokens of a run are a number above 0, not {n_tokens:g}")
    said = law.predict(n_params, n_tokens, loss, unit="tokens", force=force)
    fit, record = law.fit, law.record
    given = {"N": n_params, "D": n_tokens, "L": loss}
    at: dict[str, ArrayLike] = {name: np.array([given[name]], float) for name in fit.law.inputs}
    values = np.array([float(np.squeeze(said.estimate))])
    if len(fit.replicates):
        drawn = fit.evaluate(at, fit.replicates)[:, 0] * law.factor("tokens")
        values = np.concatenate([values, drawn])
    if record.get("overhead") is not None:
        # The anchor is in the unit that the points came in.
        anchor = float(record.get("anchor") or 0.0) * law.factor("tokens") / law.factor()
        values = (values - (1 + record["overhead"]) * anchor) / record["overhead"]
    if not values[0] > 0:
        raise InputDataError(
            f"the law puts the critical batch at {format_number(float(np.squeeze(said.estimate)))} tokens, below what "
            "linear scaling from its own anchor reaches",
            hint="Fit the law to b/a, without an overhead.",
        )
    steps = n_tokens / np.where(values > 0, values, np.nan)
    draws = np.stack([steps[1:], np.full(len(steps) - 1, float(n_tokens))], axis=1)
    reasons = (
        *law.reasons, *said.notes,
        f"The curve was not measured: the critical batch is the law's, and {format_number(n_tokens)} tokens are taken "
        "as those of a small batch.",
    )  # fmt: skip
    return StepsCurve(
        float(steps[0]), float(n_tokens), draws, "tokens", said.verdict, reasons,
        f"the law {law.written('tokens', 1.0)}",
    )  # fmt: skip
