"""A fitted law of the critical batch size: what it says, in which unit, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.law_design import LOSS, NEEDS, WORDS, Design
from scaling.batch_size.law_forecast import CriticalForecast, HeldOut
from scaling.errors import UsageError
from scaling.formatting import format_factor, format_interval, format_number, format_plural

if TYPE_CHECKING:
    from scaling.batch_size.law_points import Points
    from scaling.results import Fit

Array = NDArray[np.float64]

RECORD = "critical_batch"  # the entry of a fit's settings that says what its law is of


@dataclass(frozen=True)
class CriticalLaw:
    """A law of the critical batch size; see `scaling.batch_size.law.fit_critical_law`.

    Parameters
    ----------
    fit : Fit
        Of ``critical_batch``, ``critical_batch_params``, ``critical_batch_joint`` or ``critical_batch_loss``, in tokens
        a step wherever the length of a sample is known. Its ``settings["critical_batch"]`` says what it is of.
    points : Points, optional
        What it was fitted to, in the unit of the fit; missing where the law was put together from a fit alone.
    inputs : dict of str to ndarray (m,)
        ``N``, ``D`` and ``L`` of each point, those that are known.
    groups : ndarray (m,), optional
        Cluster of each point, where it was given.
    """

    fit: Fit
    points: Points | None = field(default=None, repr=False)
    inputs: dict[str, Array] = field(default_factory=dict, repr=False)
    groups: NDArray[Any] | None = field(default=None, repr=False)

    @property
    def record(self) -> dict[str, Any]:
        """What the law is of, as plain data."""
        out: dict[str, Any] = self.fit.settings[RECORD]
        return out

    @property
    def design(self) -> Design:
        """How size and tokens vary over the points."""
        from scaling.serial import number

        table = dict(self.record["design"])
        for name in ("inflation", "condition", "slope"):
            table[name] = number(table[name])
        low, high = table.pop("tokens_per_param")
        return Design(**table, tokens_per_param=(number(low), number(high)))

    @property
    def estimates(self) -> dict[str, float]:
        """Parameters of the law, in the unit of the fit."""
        return self.fit.estimates

    @property
    def unit(self) -> str:
        """The unit that the critical batches came in, and that forecasts are given in."""
        return str(self.record["unit"])

    @property
    def convention(self) -> str:
        """What counts as critical, in words."""
        return str(self.record["convention"])

    @property
    def interval_holds(self) -> str:
        """What the intervals hold, and what they do not."""
        return str(self.record["interval_holds"])

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; `reasons` says why."""
        return self.fit.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return self.fit.diagnostics.reasons

    def factor(self, unit: str | None = None) -> float:
        """Batch in a unit over batch in the unit of the fit.

        Parameters
        ----------
        unit : str, optional
            ``tokens``, ``sequences`` or ``samples``; that of the points where missing.

        Returns
        -------
        float

        Raises
        ------
        UsageError
            Where the length of a sample is needed and not known.
        """
        from scaling.batch_size.units import check_unit

        wanted = check_unit(unit or self.unit)
        have, length = self.record["fit_unit"], self.record["tokens_per_sample"]
        if (wanted == "tokens") == (have == "tokens"):
            return 1.0
        if length is None:
            raise UsageError(
                f"the law is in {have} a step, and how many tokens a sample has is not known",
                hint="Fit it with the context length (tokens_per_sample; --context-length 2048).",
            )
        return float(length) if wanted == "tokens" else 1 / float(length)

    def coefficient(self, unit: str | None = None, scale: float = 1.0) -> float:
        """Return the constant of the law for other units, such as sequences and millions of parameters.

        Parameters
        ----------
        unit : str, optional
            Of the batch; that of the points where missing.
        scale : float, default 1
            Parameters and tokens are counted in this many; 1e6 for millions. The loss is not.

        Returns
        -------
        float
        """
        theta = self.estimates
        constant = theta["B_0"] if self.fit.law.name == LOSS else theta["k"]
        power = sum(theta.get(name, 0.0) for name in ("p", "q"))
        return float(constant * scale**power * self.factor(unit))

    def predict(
        self,
        n_params: ArrayLike | None = None,
        n_tokens: ArrayLike | None = None,
        loss: ArrayLike | None = None,
        *,
        level: float = 0.9,
        unit: str | None = None,
        kind: str = "curve",
        force: bool = False,
    ) -> CriticalForecast:
        """Forecast the critical batch size.

        Parameters
        ----------
        n_params, n_tokens, loss : float or array_like, optional
            Where; what the law does not take is checked against the points and said in the notes.
        level : float, default 0.9
            Nominal coverage of the interval.
        unit : str, optional
            Of the answer; that of the points where missing.
        kind : {'curve', 'run'}, default 'curve'
            ``run`` adds the scatter of the points around the law: where another measured critical batch will lie.
        force : bool, default False
            Answer even where the law is ``not identified``.

        Returns
        -------
        CriticalForecast

        Raises
        ------
        UsageError
            Where an input of the law is missing, or the unit cannot be had.
        VerdictError
            Where the law is not identified and `force` is not set.
        """
        given = {k: v for k, v in (("N", n_params), ("D", n_tokens), ("L", loss)) if v is not None}
        needs = NEEDS[self.fit.law.name]
        for name in needs:
            if name not in given:
                raise UsageError(f"this law forecasts from the {WORDS[name]}, which is missing here")
        factor = self.factor(unit)
        said = self.fit.predict({name: given[name] for name in needs}, level, kind, force)
        return CriticalForecast(
            said.mean * factor, said.low * factor, said.high * factor, level, unit or self.unit, self.convention,
            said.extrapolation_factor, said.verdict, f"{said.method}; {self.interval_holds}",
            self._beside(given, needs),
        )  # fmt: skip

    def held_out_largest(self, level: float = 0.9) -> HeldOut:
        """Forecast the largest point from the others.

        Parameters
        ----------
        level : float, default 0.9
            Nominal coverage of the forecast.

        Returns
        -------
        HeldOut

        Raises
        ------
        UsageError
            Where the points are not at hand.
        InputDataError
            Where too few are left.
        """
        from scaling.batch_size.law import refit_without

        if self.points is None:
            raise UsageError("the points of this law are not at hand", hint="Fit it again from its critical batches.")
        needs = NEEDS[self.fit.law.name]
        reach = np.sum([np.log(self.inputs[name]) * (-1 if name == "L" else 1) for name in needs], axis=0)
        row = int(np.argmax(reach))
        left = refit_without(self, row)
        at = {name: float(self.inputs[name][row]) for name in needs}
        forecast = left.predict(at.get("N"), at.get("D"), at.get("L"), level=level, force=True)
        measured = float(self.points.critical[row]) * self.factor()
        return HeldOut(forecast, measured, forecast.estimate / measured - 1, len(self.points.critical) - 1)

    def written(self, unit: str | None = None, scale: float = 1e6) -> str:
        """Write the law as one reads it in papers, such as ``93.2*(N/1e6)^0.468 sequences a step``."""
        theta, constant = self.estimates, format_number(self.coefficient(unit, scale))
        over = "" if scale == 1 else f"/{scale:.0e}".replace("e+0", "e")
        powers = [
            f"({letter}{over})^{format_number(theta[name], 3)}"
            for letter, name in (("N", "p"), ("D", "q"))
            if name in theta
        ]
        if self.fit.law.name == LOSS:
            powers = [f"L^{format_number(-1 / theta['alpha_B'], 3)}"]
        return f"{'*'.join([constant, *powers])} {unit or self.unit} a step"

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Return what a command prints as plain data; the whole fit is in `fit`."""
        from scaling.serial import plain

        names = self.fit.law.parameter_names
        out: dict[str, Any] = plain(
            {
                "law": self.fit.law.name,
                "formula": self.fit.law.formula,
                "written": self.written(),
                "estimates": self.estimates,
                "intervals": {name: self.fit.interval(name, level) for name in names},
                "level": level,
                "interval_method": self.fit.interval_method,
                "n_obs": self.fit.n_obs,
                "seed": self.fit.seed,
                "verdict": self.verdict,
                "reasons": self.reasons,
                **self.record,
            }
        )
        return out

    def __repr__(self) -> str:
        lines = [f"Critical batch size: {self.written()}", f"  critical: {self.convention}"]
        for name in self.fit.law.parameter_names:
            if name in ("p", "q", "alpha_B"):
                low, high = self.fit.interval(name, 0.9)
                value, ends = format_number(self.estimates[name]), format_interval(low, high)
                lines.append(f"  {name} = {value}, 90 % interval {ends}")
        points = format_plural(self.fit.n_obs, "critical batch size")
        lines += [f"  {points}; {self.fit.interval_method}", f"  {self.interval_holds}", f"  {self.design.words}"]
        return "\n".join([*lines, f"  verdict: {self.verdict}", *(f"    {reason}" for reason in self.reasons)])

    def _beside(self, given: dict[str, Any], needs: tuple[str, ...]) -> tuple[str, ...]:
        """Say what a forecast leaves out of what was given."""
        notes = []
        design = self.design
        if {"N", "D"} <= set(given) and design.kind == "coupled":
            ratio = np.atleast_1d(np.asarray(given["D"], float) / np.asarray(given["N"], float))
            low, high = design.tokens_per_param
            off = np.maximum(ratio / high, low / ratio)
            if np.max(off) > 1.1:
                worst = float(ratio[np.argmax(off)])
                notes.append(
                    f"At {format_number(worst, 3)} tokens a parameter, {format_factor(float(np.max(off)))} off those "
                    f"of the points, it is not known whether the critical batch follows the {WORDS[needs[0]]}."
                )
            return tuple(notes)
        left_out = [WORDS[name] for name in given if name not in needs]
        return tuple(f"The law leaves the {word} out." for word in left_out)
