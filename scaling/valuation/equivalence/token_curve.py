"""A fitted law as a curve over tokens, all else held, for its estimates and all bootstrap replicates at once.

Row 0 of every answer belongs to the estimates, the others to the replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.compile import Data, Kernel, compile_value
from scaling.inputs import as_number
from scaling.results import Fit
from scaling.roots import LOG_HIGH, LOG_LOW, find_root

Array = NDArray[np.float64]

SOURCES = "sources"  # the entry of a fit's settings that names the inputs of its sources
_ENDLESS = 5000.0  # the logarithm of as good as infinitely many tokens
_STEP = 1e-2  # of differences in ln D, of which two are extrapolated to none: off by 1e-9 or so
_AROUND = np.log(1e3)  # how far beyond the data, either way, the law has to fall with tokens
_LEVEL = 1e-9  # of the loss: rises below it are rounding


@dataclass(frozen=True)
class TokenCurve:
    """The loss over tokens that are seen once.

    Parameters
    ----------
    fit : Fit
        The law.
    kernel : Kernel
        Compiled.
    theta : ndarray (1 + B, p)
        Internal parameters; the estimates first.
    tokens : str
        The input that holds tokens.
    follows : tuple of str
        Inputs that grow with it: unique tokens, where every token is fresh.
    held : dict of str to float
        All other inputs.
    """

    fit: Fit
    kernel: Kernel
    theta: Array
    tokens: str
    follows: tuple[str, ...]
    held: dict[str, float]

    @classmethod
    def of(
        cls,
        fit: Fit,
        n_params: float | None = None,
        *,
        at: Mapping[str, float] | None = None,
        tokens: str | None = None,
        force: bool = False,
    ) -> TokenCurve:
        """Make the curve of a fit.

        Parameters
        ----------
        fit : Fit
            Of any law that has tokens among its inputs.
        n_params : float, optional
            N, where the law has it.
        at : mapping of str to float, optional
            Inputs of the law beside N, the tokens and the unique tokens.
        tokens : str, optional
            The input that holds tokens, where it is not ``D``.
        force : bool, default False
            Take a fit that is not identified all the same.

        Returns
        -------
        TokenCurve

        Raises
        ------
        UsageError
            For a law without tokens, one that does not fall with them, or an input that is missing or unknown.
        InputDataError
            For an input that is no positive number.
        VerdictError
            For a fit that is not identified, unless forced.
        """
        fit.require_identified(force)
        name = token_input(fit, tokens)
        record = fit.settings.get(SOURCES, {})
        others = {column: 0.0 for column in record.get("inputs", {}).values() if column != name}
        follows = ("U",) if "U" in fit.law.inputs and name == "D" and "U" not in (at or {}) else ()
        if unknown := [k for k in at or {} if k not in fit.law.inputs]:
            raise UsageError(
                f"the law '{fit.law.name}' has no input '{unknown[0]}'", did_you_mean(unknown[0], fit.law.inputs)
            )
        if name in (at or {}):
            raise UsageError(f"'{name}' holds the tokens that are asked for, so it cannot be given as well")
        held = {k: finite(v, f"the input {k}") for k, v in (at or {}).items()}
        if "N" in fit.law.inputs and n_params is not None:
            held["N"] = positive(n_params, "the number of parameters")
        held = others | held
        if missing := [k for k in fit.law.inputs if k not in (name, *follows, *held)]:
            hint = (
                "Give the number of parameters."
                if missing[0] == "N"
                else f"Give it: at={{'{missing[0]}': ...}}, --at {missing[0]}=..."
            )
            raise UsageError(f"the law '{fit.law.name}' needs the input '{missing[0]}' to say what tokens do", hint)
        kernel = compile_value(fit.law, fit.log_scaled)
        theta = kernel.to_internal(np.concatenate([fit.theta[None], fit.replicates]))
        made = cls(kernel=kernel, fit=fit, theta=theta, tokens=name, follows=follows, held=held)
        made._check_falling()
        return made

    @property
    def replicates(self) -> int:
        """Number of bootstrap replicates, B."""
        return len(self.theta) - 1

    @property
    def support(self) -> tuple[float, float]:
        """Fewest and most tokens among the rows of the fit; a thousandth of the most where a row has none."""
        low, high = self.fit.support[self.tokens]
        return (low if low > 0 else 1e-3 * high), high

    def inputs(self, log_d: Array) -> dict[str, Array]:
        """Return the inputs of the law at ln D (m,), natural units."""
        d = np.exp(np.atleast_1d(log_d))
        return {
            k: d if k in (self.tokens, *self.follows) else np.full(len(d), self.held[k]) for k in self.fit.law.inputs
        }

    def extrapolation_factor(self, inputs: Mapping[str, Array]) -> Array:
        """Tell how far inputs (m,) lie beyond the data of the law.

        A law of sources knows its tokens as one sum: what all of them are worth in the reference is held against the
        same of its rows. Input by input, no tokens of a source that every run has would lie without end beyond them.
        """
        record = self.fit.settings.get(SOURCES, {})
        if "effective" not in record:
            return self.fit.extrapolation_factor(inputs)
        estimates, names = self.fit.estimates, record["weights"]
        weights = {column: estimates.get(names.get(k, ""), 1.0) for k, column in record["inputs"].items()}
        worth = np.sum([weight * np.asarray(inputs[column]) for column, weight in weights.items()], axis=0)
        low, high = record["effective"]
        with np.errstate(divide="ignore"):
            factor: Array = np.maximum(1.0, np.maximum(worth / high, low / worth))
        rest = {k: v for k, v in inputs.items() if k not in weights}
        return np.maximum(factor, self.fit.extrapolation_factor(rest)) if rest else factor

    def loss(self, log_d: ArrayLike, rows: slice = slice(None), unique: ArrayLike | None = None) -> Array:
        """Return the loss (rows, m) at ln D, (m,) or (rows, m), and at the logarithm of unique tokens where given."""
        log_d = np.atleast_1d(np.asarray(log_d, float))
        with np.errstate(all="ignore"):
            columns = dict.fromkeys((self.tokens, *self.follows), log_d)
            columns |= {} if unique is None else dict.fromkeys(self.follows, np.asarray(unique, float))
            columns |= {k: np.full(log_d.shape, np.log(v) if v > 0 else -np.inf) for k, v in self.held.items()}
            raw = {k: np.full(log_d.shape, v) for k, v in self.held.items()}
            inputs = tuple(
                columns[k] if logged else raw.get(k, np.exp(columns[k])) for k, logged in self.kernel.log_inputs.items()
            )
            return self.kernel.value(self.theta[rows], Data(inputs, np.empty((0, 0))))

    def asymptote(self) -> Array:
        """Return the loss (1 + B,) that no number of tokens takes away."""
        far, near = self.loss([_ENDLESS])[:, 0], self.loss([LOG_HIGH])[:, 0]
        return np.where(np.isfinite(far), far, near)  # a formula may not stand the far end

    def slope(self, log_d: ArrayLike, rows: slice = slice(None)) -> Array:
        """Return dL/d(ln D), shape (rows, m)."""
        centre = np.atleast_1d(np.asarray(log_d, float))
        return extrapolated(lambda h: (self.loss(centre + h, rows) - self.loss(centre - h, rows)) / (2 * h))

    def log_tokens(self, loss: Array) -> Array:
        """Return ln D at which each row has a loss of its own, (1 + B,).

        Infinite where no number of tokens is enough, minus infinity where none at all is; NaN where the law has no
        value.
        """
        target = np.broadcast_to(np.asarray(loss, float), (len(self.theta),))[:, None]
        root = find_root(lambda x: self.loss(x) - target, LOG_LOW, LOG_HIGH, target.shape)[:, 0]
        far, near = self.asymptote(), self.loss([LOG_LOW])[:, 0]
        if np.isnan(far[0]):
            raise UsageError(
                f"the law '{self.fit.law.name}' has no value for ever more tokens with the other inputs held, so it "
                "does not say which losses they reach",
                hint="Leave the unique tokens out: every token is then fresh." if "U" in self.held else None,
            )
        with np.errstate(invalid="ignore"):
            out = np.where(np.isnan(root) & (near <= target[:, 0]), -np.inf, root)
            return np.where(target[:, 0] <= far, np.inf, out)

    def _check_falling(self) -> None:
        """Refuse a law that does not fall with tokens: what a loss is worth would have no answer, or several."""
        low, high = self.support
        values = self.loss(np.linspace(np.log(low) - _AROUND, np.log(high) + _AROUND, 65), slice(0, 1))[0]
        values = values[np.isfinite(values)]
        if (
            len(values) < 2
            or not values[-1] < values[0] * (1 - _LEVEL)
            or np.any(np.diff(values) > _LEVEL * values[1:])
        ):
            raise UsageError(
                f"the law '{self.fit.law.name}' does not fall with tokens throughout, with the other inputs held, so "
                "no loss is worth a number of them",
                hint="Fit a law of a loss or an error that more data lower, such as chinchilla.",
            )


def token_input(fit: Fit, asked: str | None = None) -> str:
    """Say which input of a law holds tokens.

    Parameters
    ----------
    fit : Fit
        Of any law.
    asked : str, optional
        What the caller says.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        Where there is none, or it is not known which.
    """
    inputs = fit.law.inputs
    if asked is not None:
        if asked not in inputs:
            raise UsageError(f"the law '{fit.law.name}' has no input '{asked}'", did_you_mean(asked, inputs))
        return asked
    if record := fit.settings.get(SOURCES):
        return str(record["inputs"][record["reference"]])
    if "D" in inputs:
        return "D"
    hint = "Fit a law of tokens, such as chinchilla, kaplan_d or power_floor."
    units = list(inputs.values())
    if not any(units) or (len(units) == 1 and "tokens" in units[0]):  # a formula; or a law of anything, tokens among it
        first = next(iter(inputs))
        hint = f"Where one of {', '.join(inputs)} holds tokens, say so: tokens='{first}', --token-input {first}."
    raise UsageError(f"the law '{fit.law.name}' has no tokens among its inputs {', '.join(inputs)}", hint)


def extrapolated(difference: Callable[[float], Array]) -> Array:
    """Take a central difference at two steps and extrapolate to none (Richardson)."""
    with np.errstate(all="ignore"):
        return np.asarray((4 * difference(_STEP) - difference(2 * _STEP)) / 3)


def positive(value: Any, what: str, *, zero: bool = False) -> float:
    """Read a number above 0 (or from 0 on); refuse anything else."""
    number = as_number(value)
    if not (0 <= number < np.inf) or (number == 0 and not zero):
        raise InputDataError(f"{what} must be a finite number {'from 0 on' if zero else 'above 0'}, not {value}")
    return number


def finite(value: Any, what: str) -> float:
    """Read a finite number; refuse anything else."""
    number = as_number(value)
    if not abs(number) < np.inf:
        raise InputDataError(f"{what} must be a finite number, not {value}")
    return number


def require_replicates(fit: Fit, what: str) -> None:
    """Refuse what cannot be said without bootstrap replicates."""
    if not len(fit.replicates):
        raise UsageError(
            f"{what} rests on the bootstrap replicates of the law, but this fit of '{fit.law.name}' has none",
            hint="Fit with some hundreds of replicates.",
        )
