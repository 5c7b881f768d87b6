"""What a fit returns. Frozen, round-trips through JSON, and prints as a finished report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, VerdictError, did_you_mean
from scaling.fitting.diagnostics import Diagnostics
from scaling.fitting.objective import Objective
from scaling.formatting import format_factor, format_interval, format_number
from scaling.laws.law import Law
from scaling.verdicts import NOT_IDENTIFIED

Array = NDArray[np.float64]
JSON_VERSION = 1


@dataclass(frozen=True)
class Prediction:
    """What a law says about inputs.

    Parameters
    ----------
    mean : float or ndarray
        The law at its estimates.
    low, high : float or ndarray
        The interval.
    level : float
        Its nominal coverage.
    kind : {'run', 'curve'}
        Whether it is for the outcome of a new run, or for the law's own curve.
    extrapolation_factor : float or ndarray
        How far beyond the data; 1 is inside.
    method : str
        How the interval was made.
    verdict : str
        That of the fit, or ``extrapolating x37``.
    """

    mean: Any
    low: Any
    high: Any
    level: float
    kind: str
    extrapolation_factor: Any
    method: str
    verdict: str


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

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; the reasons are in `diagnostics`."""
        return self.diagnostics.verdict

    @property
    def theta(self) -> Array:
        """Estimates in the order of the law's parameters, shape (p,)."""
        return np.array([self.estimates[name] for name in self.law.parameter_names])

    @property
    def interval_method(self) -> str:
        """How intervals of the parameters are made, in words."""
        if len(self.replicates):
            unit = "cluster" if self.diagnostics.groups else "iid"
            return f"percentile of {len(self.replicates)} {unit} bootstrap replicates, seed {self.seed}"
        clustered = "cluster-robust " if self.diagnostics.groups else ""
        return f"t interval from the {clustered}covariance, {self.degrees:g} degrees of freedom"

    @cached_property
    def standard_errors(self) -> dict[str, float]:
        """Standard error of each estimate, natural units; NaN where it is not known."""
        if len(self.replicates):
            with np.errstate(all="ignore"):  # a replicate may have run away to infinity
                errors = np.std(self.replicates, axis=0, ddof=1)
            return dict(zip(self.law.parameter_names, errors.tolist(), strict=True))
        internal = np.sqrt(np.diag(self.covariance))
        return dict(
            zip(
                self.law.parameter_names,
                np.where(self.log_scaled, self.theta * internal, internal).tolist(),
                strict=True,
            )
        )

    def interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of a parameter.

        Parameters
        ----------
        name : str
            The parameter.
        level : float, default 0.95
            Nominal coverage.

        Returns
        -------
        low, high : float
            NaN where the error is not known; `interval_method` says how it was made.

        Raises
        ------
        UsageError
            For an unknown name or an impossible level.
        """
        names = self.law.parameter_names
        if name not in names:
            raise UsageError(f"the law '{self.law.name}' has no parameter '{name}'", hint=did_you_mean(name, names))
        _check_level(level)
        j = names.index(name)
        if len(self.replicates):
            from scaling.fitting.intervals import percentile_interval

            low, high = percentile_interval(self.replicates[:, j], level)
            return float(low), float(high)
        from scaling.fitting.intervals import t_quantile

        half = t_quantile(level, self.degrees) * float(np.sqrt(self.covariance[j, j]))
        value = self.estimates[name]
        if self.log_scaled[j]:
            return value * float(np.exp(-half)), value * float(np.exp(half))
        return value - half, value + half

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
        from scaling.fitting.compile import compile_law

        kernel = compile_law(self.law, self.log_scaled)
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
            ``run``: where a new run will end, so the uncertainty of the parameters and the scatter of the runs, added
            in quadrature. ``curve``: the parameters alone. Neither allows for the form of the law being wrong.
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
        from scaling.fitting.intervals import percentile_interval, residual_interval, t_quantile

        _check_level(level)
        if kind not in ("run", "curve"):
            raise UsageError(f"there is no kind of prediction '{kind}'", hint="There are: run, curve.")
        self.require_identified(force)
        scalar = all(np.ndim(v) == 0 for v in inputs.values())
        log = self.objective.residual == "log"
        values = check_inputs(self.law, inputs)
        mean = self.evaluate(values)[0]
        centre = self._scale(mean)
        if len(self.replicates):
            spread = self._scale(self.evaluate(values, self.replicates))
            low, high = percentile_interval(spread, level)
            down, up = np.maximum(centre - low, 0), np.maximum(high - centre, 0)
        else:
            gradient = self._gradient(values)
            variance = np.einsum("mj,jk,mk->m", gradient, np.nan_to_num(self.covariance), gradient)
            known = bool(np.any(np.isfinite(self.covariance)))
            down = up = t_quantile(level, self.degrees) * np.sqrt(variance) if known else np.full_like(mean, np.nan)
        if kind == "run":
            below, above = residual_interval(self.residuals, len(self.theta), self.objective, level)
            down, up = np.hypot(down, below), np.hypot(up, above)
        low, high = centre - down, centre + up
        if log:
            low, high = np.exp(low), np.exp(high)
        factor = self.extrapolation_factor(values)
        what = "parameters and scatter of the runs" if kind == "run" else "parameters"
        largest = float(np.max(factor))
        extrapolates = not largest < 1.05 and self.verdict != NOT_IDENTIFIED
        verdict = f"extrapolating {format_factor(largest)}" if extrapolates else self.verdict
        arrays = (mean, low, high, factor)
        mean_, low_, high_, factor_ = (float(a[0]) for a in arrays) if scalar else arrays
        return Prediction(mean_, low_, high_, level, kind, factor_, f"{what}; {self.interval_method}", verdict)

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
        if unknown := [name for name in inputs if name not in self.law.inputs]:
            raise InputDataError(
                f"the law '{self.law.name}' has no input '{unknown[0]}'", hint=did_you_mean(unknown[0], self.law.inputs)
            )
        values = {k: np.atleast_1d(np.asarray(v, float)) for k, v in inputs.items()}
        if {"N", "D"} <= set(values):
            values["6*N*D"] = 6 * values["N"] * values["D"]
        factor = np.ones(np.broadcast_shapes(*(v.shape for v in values.values())))
        for name, x in values.items():
            first, last = self.support[name]
            with np.errstate(all="ignore"):
                beyond = np.where(x > 0, np.maximum(x / last, first / x), np.inf) if first >= 0 else np.nan
            factor = np.maximum(factor, np.where((x >= first) & (x <= last), 1.0, beyond))
        return np.maximum(factor, 1.0)

    def _scale(self, values: Array) -> Array:
        """Go to the scale on which residuals are taken."""
        if self.objective.residual == "linear":
            return values
        with np.errstate(all="ignore"):
            return np.asarray(np.log(values))

    def _gradient(self, inputs: Mapping[str, ArrayLike]) -> Array:
        """Gradient of the scaled prediction with respect to the internal parameters, shape (m, p)."""
        from scaling.fitting.compile import compile_law

        kernel = compile_law(self.law, self.log_scaled)
        data = kernel.prepare(check_inputs(self.law, inputs))
        theta = kernel.to_internal(self.theta[None])
        gradient = kernel.jacobian(theta, data)[0]
        if self.objective.residual == "log":
            gradient = gradient / kernel.value(theta, data)[0][:, None]
        return np.asarray(gradient)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole fit as plain data, strict JSON: NaN is None, infinities are "inf" and "-inf"."""
        table = {
            "json_version": JSON_VERSION,
            "law": self.law.to_dict(),
            "objective": {
                "name": self.objective.name,
                "residual": self.objective.residual,
                "delta": self.objective.delta,
            },
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
        }
        plain: dict[str, Any] = _plain(table)
        return plain

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
            table = {k: v for k, v in table.items() if k not in ("replicates", "residuals")}
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
                estimates={k: _number(v) for k, v in table["estimates"].items()},
                objective_value=_number(table["objective_value"]),
                n_obs=int(table["n_obs"]),
                covariance=_array(table["covariance"]).reshape(p, p),
                log_scaled=tuple(table["log_scaled"]),
                degrees=_number(table["degrees"]),
                replicates=_array(table["replicates"]).reshape(-1, p),
                residuals=_array(table["residuals"]),
                support={k: (_number(a), _number(b)) for k, (a, b) in table["support"].items()},
                diagnostics=Diagnostics.from_dict(
                    {k: _number(v) if k in _NUMBERS else v for k, v in table["diagnostics"].items()}
                ),
                seed=int(table["seed"]),
                settings=table["settings"],
                version=table["version"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputDataError(f"this is no complete fit: {error!r}", hint="Write it with Fit.to_json().") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fit) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return self.summary()

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
)


def check_inputs(law: Law, inputs: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Check the inputs of a law and bring them to one length.

    Parameters
    ----------
    law : Law
        Which inputs there should be.
    inputs : mapping of str to array_like
        Scalars are repeated.

    Returns
    -------
    dict of str to ndarray (m,)

    Raises
    ------
    InputDataError
        For a missing or unknown input, lengths that differ, or values that are no finite numbers.
    """
    if missing := [name for name in law.inputs if name not in inputs]:
        raise InputDataError(
            f"the law '{law.name}' needs the input '{missing[0]}'", hint=did_you_mean(missing[0], inputs)
        )
    if unknown := [name for name in inputs if name not in law.inputs]:
        raise InputDataError(
            f"the law '{law.name}' has no input '{unknown[0]}'", hint=did_you_mean(unknown[0], law.inputs)
        )
    arrays = {}
    for name in law.inputs:
        try:
            values = np.atleast_1d(np.asarray(inputs[name], float))
        except (TypeError, ValueError) as error:
            raise InputDataError(f"input '{name}' holds something that is not a number: {error}") from error
        if values.ndim != 1:
            raise InputDataError(f"input '{name}' has shape {values.shape}; one value a row is expected")
        if not np.all(np.isfinite(values)):
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InputDataError(f"input '{name}' is {values[row]} in row {row}", hint="Leave such rows out.")
        arrays[name] = values
    length = max(len(v) for v in arrays.values())
    for name, values in arrays.items():
        if len(values) not in (1, length):
            raise InputDataError(f"input '{name}' has {len(values)} rows, another one {length}")
        arrays[name] = np.broadcast_to(values, (length,)).copy()
    return arrays


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise UsageError(f"a level lies between 0 and 1, not at {level}", hint="0.9 stands for 90 %.")


def _plain(value: Any) -> Any:
    """Make a value strict JSON."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _array(value: Any) -> Array:
    return np.array([[_number(x) for x in row] if isinstance(row, list) else _number(row) for row in value], float)
