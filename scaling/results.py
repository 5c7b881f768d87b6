"""What a fit returns. Frozen, round-trips through JSON, and prints as a finished report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, VerdictError, did_you_mean
from scaling.fitting.diagnostics import Diagnostics
from scaling.fitting.objective import Objective
from scaling.formatting import format_interval, format_number
from scaling.inputs import check_inputs, check_level
from scaling.laws.law import Law
from scaling.prediction import Prediction
from scaling.rivals import Rival
from scaling.serial import array, number, plain
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.fitting.backtest import Backtest

Array = NDArray[np.float64]
JSON_VERSION = 1
INTERVALS = ("percentile", "bca", "t")


@dataclass(frozen=True)
class Fit:
    """A fitted law.

    Parameters
    ----------
    law : Law
        What was fitted.
    objective : Objective
        What was minimised.
    estimates : dict of str to float
        Natural units.
    objective_value : float
        Sum over rows at the optimum.
    n_obs : int
        Rows.
    covariance : ndarray (p, p)
        Of the internal parameters: logarithms where `log_scaled`.
    log_scaled : tuple of bool (p,)
        Which parameters are treated on a logarithmic scale.
    degrees : float
        Degrees of freedom of t intervals.
    replicates : ndarray (B, p)
        Bootstrap estimates, natural units; empty without a bootstrap.
    residuals : ndarray (n,)
        Observed minus predicted (of logarithms, where the objective says so), in the order of the rows.
    support : dict of str to (float, float)
        Smallest and largest value of each input and of the observed quantity; with N and D also of 6*N*D.
    diagnostics : Diagnostics
        The judgement.
    seed : int
        Of the bootstrap.
    settings : dict
        Everything else that was asked for, as plain data.
    version : str
        Of this package.
    backtest : Backtest, optional
        How the law did on its largest runs, held out; see `scaling.backtest_law`.
    rivals : tuple of Rival
        Laws that the back-test cannot tell from this one, with the weight each deserves; see `scaling.select`.
    jackknife : ndarray (m, p)
        Estimates without one row, cluster or block of these each, natural units; empty unless intervals are ``bca``.
    """

    law: Law
    objective: Objective
    estimates: dict[str, float]
    objective_value: float
    n_obs: int
    covariance: Array
    log_scaled: tuple[bool, ...]
    degrees: float
    replicates: Array
    residuals: Array
    support: dict[str, tuple[float, float]]
    diagnostics: Diagnostics
    seed: int
    settings: dict[str, Any]
    version: str
    backtest: Backtest | None = None
    rivals: tuple[Rival, ...] = ()
    jackknife: Array = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; the reasons are in `diagnostics`."""
        return self.diagnostics.verdict

    @property
    def theta(self) -> Array:
        """Estimates in the order of the law's parameters, shape (p,)."""
        return np.array([self.estimates[name] for name in self.law.parameter_names])

    @property
    def fitted_parameters(self) -> int:
        """How many parameters were fitted to the rows of `residuals`: all, but for a law that was translated."""
        return int(self.settings.get("fitted_parameters", len(self.law.parameters)))

    @property
    def interval_kind(self) -> str:
        """How intervals are made unless asked for otherwise: one of `INTERVALS`."""
        return str(self.settings.get("interval", "percentile")) if len(self.replicates) else "t"

    @property
    def interval_method(self) -> str:
        """How intervals of the parameters are made, in words."""
        if (kind := self.interval_kind) == "t":
            clustered = "cluster-robust " if self.diagnostics.groups else ""
            return f"t interval from the {clustered}covariance, {self.degrees:g} degrees of freedom"
        clusters = self.diagnostics.groups > 0
        words = _RESAMPLED[str(self.settings.get("resample", "cluster" if clusters else "iid"))][clusters]
        if self.diagnostics.groups_are_rows:
            words += " (every group is one row)"
        drawn = f"{len(self.replicates)} {words} bootstrap replicates"
        if kind == "bca":
            return f"BCa of {drawn} and {len(self.jackknife)} jackknife refits, seed {self.seed}{self._widened}"
        return f"percentile of {drawn}, seed {self.seed}{self._widened}"

    @property
    def _widened(self) -> str:
        return f", widened for {self.diagnostics.groups} clusters" if self.percentile_level(0.5) > 0.5 else ""

    def percentile_level(self, level: float) -> float:
        """Return the level at which percentiles of the replicates are to be taken for an interval of a level.

        Parameters
        ----------
        level : float
            Nominal coverage.

        Returns
        -------
        float
            The same, but for clusters: few of them tell their own scatter badly, which the t distribution with one
            degree of freedom less than clusters allows for, and drawn whole they spread too little by
            sqrt((G - 1)/G). This is the expanded percentile interval of Hesterberg 2015, arXiv:1411.5279. Clusters of
            one row each are rows.
        """
        from scipy.special import ndtr

        from scaling.fitting.intervals import t_quantile

        groups = self.diagnostics.groups
        if groups < 2 or self.diagnostics.groups_are_rows:
            return level
        drawn_whole = self.settings.get("resample", "cluster") == "cluster"
        spread = np.sqrt(groups / (groups - 1)) if drawn_whole else 1.0
        return float(2 * ndtr(spread * t_quantile(level, groups - 1)) - 1)

    @cached_property
    def standard_errors(self) -> dict[str, float]:
        """Standard error of each estimate, natural units; NaN where it is not known."""
        # A replicate of NaN has no estimates: that of a translation whose source lies at a floor.
        known = self.replicates[~np.all(np.isnan(self.replicates), axis=1)]
        if len(known) > 1:
            with np.errstate(all="ignore"):  # a replicate may have run away to infinity
                errors = np.std(known, axis=0, ddof=1)
            return dict(zip(self.law.parameter_names, errors.tolist(), strict=True))
        internal = np.sqrt(np.diag(self.covariance))
        return dict(
            zip(
                self.law.parameter_names,
                np.where(self.log_scaled, self.theta * internal, internal).tolist(),
                strict=True,
            )
        )

    def interval(self, name: str, level: float = 0.95, method: str | None = None) -> tuple[float, float]:
        """Return the interval of a parameter.

        Parameters
        ----------
        name : str
            The parameter.
        level : float, default 0.95
            Nominal coverage.
        method : {'percentile', 'bca', 't'}, optional
            ``percentile`` needs bootstrap replicates, ``bca`` a fit made for it. That of the fit where missing. For
            profile likelihoods see `scaling.profile_likelihood`, which needs the rows.

        Returns
        -------
        low, high : float
            NaN where the error is not known; `interval_method` says how it was made.

        Raises
        ------
        UsageError
            For an unknown name or method, one that the fit was not made for, or an impossible level.
        """
        from scaling.fitting.intervals import bca_interval, percentile_interval, t_quantile

        names = self.law.parameter_names
        if name not in names:
            raise UsageError(f"the law '{self.law.name}' has no parameter '{name}'", hint=did_you_mean(name, names))
        check_level(level)
        j = names.index(name)
        method = self.interval_kind if method is None else method
        self._check_method(method)
        if method == "percentile":
            low, high = percentile_interval(self.replicates[:, j], self.percentile_level(level))
            return float(low), float(high)
        if method == "bca":
            estimate, at = [self.estimates[name]], self.percentile_level(level)
            low, high = bca_interval(self.replicates[:, [j]], self.jackknife[:, [j]], estimate, at)
            return float(low[0]), float(high[0])
        half = t_quantile(level, self.degrees) * float(np.sqrt(self.covariance[j, j]))
        value = self.estimates[name]
        if self.log_scaled[j]:
            with np.errstate(over="ignore"):  # an amplitude that the data leave open has no upper end
                return value * float(np.exp(-half)), value * float(np.exp(half))
        return value - half, value + half

    def _check_method(self, method: str) -> None:
        if method not in INTERVALS:
            raise UsageError(f"there is no interval '{method}'", hint=did_you_mean(method, INTERVALS))
        if method != "t" and not len(self.replicates):
            raise UsageError(
                f"a {method} interval is made from bootstrap replicates, but this fit has none",
                hint="Fit with some hundreds of replicates.",
            )
        if method == "bca" and not len(self.jackknife):
            raise UsageError("a bca interval needs a jackknife, but this fit has none", hint='Fit with interval="bca".')

    def evaluate(self, inputs: Mapping[str, ArrayLike], theta: Array | None = None) -> Array:
        """Work the law out.

        Parameters
        ----------
        inputs : mapping of str to array_like (m,)
            Natural units.
        theta : ndarray (B, p), optional
            Parameters, natural units; the estimates where missing.

        Returns
        -------
        ndarray (B, m)
            NaN outside the domain of the law.

        Raises
        ------
        InputDataError
            For an input that is missing, unknown or not positive where it must be.
        """
        from scaling.fitting.compile import compile_value

        kernel = compile_value(self.law, self.log_scaled)
        data = kernel.prepare(check_inputs(self.law, inputs))
        rows = self.theta[None] if theta is None else theta
        return kernel.value(kernel.to_internal(rows), data)

    def predict(
        self, inputs: Mapping[str, ArrayLike], level: float = 0.95, kind: str = "run", force: bool = False
    ) -> Prediction:
        """Forecast.

        Parameters
        ----------
        inputs : mapping of str to float or array_like (m,)
            Natural units.
        level : float, default 0.95
            Nominal coverage of the interval.
        kind : {'run', 'curve'}, default 'run'
            ``run``: where a new run will end, so with the scatter of the runs. ``curve``: the law's own curve, without
            it. Both have the uncertainty of the parameters and, where the fit carries rivals or a back-test, the parts
            of form and back-test, added in quadrature; without those they take the form of the law as true.
        force : bool, default False
            Answer even where the verdict is ``not identified``.

        Returns
        -------
        Prediction
            Floats where all inputs are scalars.

        Raises
        ------
        VerdictError
            Where the law is not identified and `force` is not set.
        InputDataError
            For bad inputs.
        """
        from scaling.prediction import predict

        return predict(self, inputs, level, kind, force)

    def require_identified(self, force: bool = False) -> None:
        """Refuse to go on from a law that the data do not determine.

        Parameters
        ----------
        force : bool
            Go on all the same.

        Raises
        ------
        VerdictError
            With the reasons.
        """
        if self.verdict == NOT_IDENTIFIED and not force:
            raise VerdictError(
                f"the law '{self.law.name}' is not identified by its {self.n_obs} rows, so it forecasts nothing. "
                + " ".join(self.diagnostics.reasons),
                hint="Add runs that differ in what these ones share, or force an answer (--force, force=True).",
            )

    def require_fitted(self, what: str) -> None:
        """Refuse what rests on the law being fitted to its rows, where it was translated and meets them by itself.

        Parameters
        ----------
        what : str
            What was asked for, after "so".

        Raises
        ------
        UsageError
            For a law that was translated.
        """
        if "translated" in self.settings:
            raise UsageError(
                f"the law '{self.law.name}' was translated from another corpus and not fitted to its rows, so {what}",
                hint="Ask for the law or the map that it was made of.",
            )

    def extrapolation_factor(self, inputs: Mapping[str, ArrayLike]) -> Array:
        """Tell how far inputs lie beyond the data.

        Parameters
        ----------
        inputs : mapping of str to array_like (m,)
            Natural units.

        Returns
        -------
        ndarray (m,)
            The largest ratio by which an input exceeds its largest value, or falls below its smallest one, in the
            data; for laws of N and D also that of the compute 6*N*D. 1 is inside; NaN where an input has no scale (it
            changes sign).

        Raises
        ------
        InputDataError
            For an input that the law does not have.
        """
        from scaling.prediction import extrapolation_factor

        return extrapolation_factor(self, inputs)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole fit as plain data, strict JSON: NaN is None, infinities are "inf" and "-inf"."""
        table = {
            "json_version": JSON_VERSION,
            "law": self.law.to_dict(),
            "objective": self.objective.to_dict(),
            "estimates": self.estimates,
            "standard_errors": self.standard_errors,
            "objective_value": self.objective_value,
            "n_obs": self.n_obs,
            "verdict": self.verdict,
            "reasons": list(self.diagnostics.reasons),
            "interval_method": self.interval_method,
            "covariance": self.covariance.tolist(),
            "log_scaled": list(self.log_scaled),
            "degrees": self.degrees,
            "support": {k: list(v) for k, v in self.support.items()},
            "diagnostics": self.diagnostics.to_dict(),
            "seed": self.seed,
            "settings": self.settings,
            "version": self.version,
            "residuals": self.residuals.tolist(),
            "replicates": self.replicates.tolist(),
            "backtest": None if self.backtest is None else self.backtest.to_dict(),
            "rivals": [rival.to_dict() for rival in self.rivals],
            "jackknife": self.jackknife.tolist(),
        }
        out: dict[str, Any] = plain(table)
        return out

    def to_json(self, replicates: bool = True, indent: int | None = None) -> str:
        """Write the fit as JSON.

        Parameters
        ----------
        replicates : bool, default True
            Whether to include the bootstrap replicates and the residuals; without them the text is for reading only.
        indent : int, optional
            As of `json.dumps`.

        Returns
        -------
        str
            Strict JSON; see `to_dict`.
        """
        table = self.to_dict()
        if not replicates:
            table = {k: v for k, v in table.items() if k not in ("replicates", "residuals", "jackknife")}
        return json.dumps(table, indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Fit:
        """Read a fit back from `to_json` with its replicates; see `from_dict`."""
        try:
            table = json.loads(text)
        except ValueError as error:
            raise InputDataError(f"this text is no fit: {error}", hint="Write it with Fit.to_json().") from error
        return cls.from_dict(table)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Fit:
        """Read a fit back.

        Parameters
        ----------
        table : mapping
            From `to_dict`.

        Returns
        -------
        Fit
            Equal to the one written, to the last digit.

        Raises
        ------
        InputDataError
            For data that are no complete fit of this version.
        """
        from scaling.fitting.backtest import Backtest

        try:
            if table["json_version"] != JSON_VERSION:
                raise InputDataError(
                    f"this fit has JSON version {table['json_version']}, but version {JSON_VERSION} is read here",
                    hint="Fit again, or use the release that wrote it.",
                )
            law = table["law"]
            p = len(law["parameters"])
            return cls(
                law=Law.from_dict(law["name"], law),
                objective=Objective(**table["objective"]),
                estimates={k: number(v) for k, v in table["estimates"].items()},
                objective_value=number(table["objective_value"]),
                n_obs=int(table["n_obs"]),
                covariance=array(table["covariance"]).reshape(p, p),
                log_scaled=tuple(table["log_scaled"]),
                degrees=number(table["degrees"]),
                replicates=array(table["replicates"]).reshape(-1, p),
                residuals=array(table["residuals"]),
                support={k: (number(a), number(b)) for k, (a, b) in table["support"].items()},
                diagnostics=Diagnostics.from_dict(
                    {k: number(v) if k in _NUMBERS else v for k, v in table["diagnostics"].items()}
                ),
                seed=int(table["seed"]),
                settings=table["settings"],
                version=table["version"],
                backtest=Backtest.from_dict(table["backtest"]) if table.get("backtest") else None,
                rivals=tuple(Rival.from_dict(entry) for entry in table.get("rivals", ())),
                jackknife=array(table.get("jackknife", [])).reshape(-1, p),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputDataError(f"this is no complete fit: {error!r}", hint="Write it with Fit.to_json().") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fit) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return self.summary()

    def _penalty_line(self) -> list[str]:
        from scaling.fitting.penalty import penalty_text

        penalty = self.settings.get("penalty")
        text = penalty_text(penalty, self.law.parameter_names, self.log_scaled) if penalty else ""
        return [f"penalty in it: {text}"] if text else []

    def _choice_line(self) -> list[str]:
        """Say what a selection left out, and which laws it could not tell from this one."""
        trim = self.settings.get("trim", "none")
        said = [f"{trim} of the runs left out"] if trim != "none" else []
        near = [f"{r.law.name} {format_number(r.weight, 2)}" for r in self.rivals if r.weight >= 0.01]
        said += [f"rivals and their weights: {', '.join(near)}"] if near else []
        if (record := self.settings.get("translated")) is not None:
            head = f"translated, {record['way']}, by {record['map']['formula']}; the loss x is predicted"
            return ["; ".join([head, *said])]
        record = self.settings.get("loss_to_loss", self.settings.get("accuracy", {}))
        heads = {
            "asked for": "held against others by a back-test",
            "for want of a back-test": "taken for want of a back-test",
        }
        head = heads.get(record.get("chosen", ""), "chosen by a back-test")
        return [f"{head}; {'; '.join(said)}"] if said else []

    def summary(self, level: float = 0.95) -> str:
        """Return the fit as a report in plain text: parameters, intervals, verdict and its reasons."""
        rows = []
        for parameter in self.law.parameters:
            name = parameter.name
            interval = format_interval(*self.interval(name, level))
            rows.append((name, format_number(self.estimates[name]), interval, parameter.meaning))
        widths = [
            max(len(row[i]) for row in [*rows, ("", "estimate", f"{100 * level:g} % interval", "")]) for i in range(3)
        ]
        header = f"{'':{widths[0]}}  {'estimate':>{widths[1]}}  {100 * level:g} % interval"
        unit = f" ({self.law.unit})" if self.law.unit else ""
        lines = [
            f"{self.law.title}",
            f"{self.law.output}{unit} = {self.law.formula}",
            f"{self.objective}: {format_number(self.objective_value)} over {self.n_obs} rows",
            *self._penalty_line(),
            *self._choice_line(),
            "",
            header,
            *(f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:{widths[2]}}  {d}".rstrip() for a, b, c, d in rows),
            "",
            f"intervals: {self.interval_method}",
            f"verdict: {self.verdict}",
            *(f"  - {reason}" for reason in self.diagnostics.reasons),
        ]
        return "\n".join(lines)


_NUMBERS = (
    "condition_number",
    "largest_correlation",
    "residual_rms",
    "structure_p",
    "replicates_converged",
    "replicates_at_bound",
    "line_slope",
    "amplitude_correlation",
    "replicate_rms",
    "lack_of_fit_p",
)
# What replicates are made of, for single rows and for clusters.
_RESAMPLED = {
    "iid": ("iid", "iid"),
    "cluster": ("cluster", "cluster"),
    "dirichlet": ("Bayesian (Dirichlet)", "Bayesian (Dirichlet) cluster"),
    "wild": ("wild", "wild cluster"),
    "residual": ("residual", "residual"),
    "parametric": ("parametric", "parametric"),
}
