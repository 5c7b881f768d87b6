"""What a scaling law says of a set: loss taken away, or effective tokens, also on a fixed training budget."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.allocation.repetition import RepetitionLaw, effective_count
from scaling.errors import UsageError
from scaling.results import Fit
from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.checks import check_setting, check_weights
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices


class LawValue(RowObjective):
    """A c0^-b - A (c0 + sum_{i in S} w_i)^-b, w in (effective) tokens; made by `build`.

    With a fixed training budget D, tokens are unique ones that are repeated until D is used up, and count as
    D' = U + U R* (1 - exp(-(D/U - 1)/R*)) fresh ones (arXiv:2305.16264), which is concave in U and D from U = D on.
    """

    def __init__(
        self,
        name: str,
        tokens: Array,
        settings: dict[str, Any],
        *,
        start: float,
        amplitude: float | None,
        exponent: float | None,
        budget: float | None,
        repetition: float,
    ) -> None:
        why = "a concave function of summed tokens, which never falls"
        super().__init__(name, len(tokens), Guarantee("submodular", why), settings)
        self._tokens, self._start = tokens, start
        self._amplitude, self._exponent = amplitude, exponent
        self._budget, self._repetition = budget, repetition
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "law_value",
        tokens: ArrayLike | None = None,
        start_tokens: float = 0.0,
        amplitude: float | None = None,
        exponent: float | None = None,
        fit: Fit | None = None,
        training_tokens: float | None = None,
        repetition: float | None = None,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m), optional
            Embeddings; nothing but their number is looked at.
        k : int, optional
            Not used: the promise holds for every size.
        tokens : array_like (n,)
            Tokens of each candidate, times what one is worth beside a token of the law's data: 0 or more.
        start_tokens : float
            Tokens that are there already; above 0 where the value is a loss, since a law has none without data.
        amplitude, exponent : float, optional
            A and b of the law ``E + ... + A/D^b``; the value is in the unit of its loss.
        fit : Fit, optional
            Gives both, as B and beta of a fit such as ``chinchilla``.
        training_tokens : float, optional
            A training budget D that stays the same whatever the set, by repeating it. Without a law the value is then
            in effective tokens.
        repetition : float, optional
            R*, how many repeats decay the worth of a token by e; the published 15.4 of arXiv:2305.16264 by default.

        Returns
        -------
        LawValue

        Raises
        ------
        UsageError
            For settings out of range, a law without the parameters, or neither a law nor a budget.
        InputDataError
            For tokens that are negative, not finite or all zero.
        """
        if tokens is None:
            raise UsageError("law_value needs the tokens of each candidate.", "Give tokens, one number a candidate.")
        of_each = check_weights(tokens, len(np.asarray(tokens) if X is None else np.asarray(X)), "candidate")
        if fit is not None:
            amplitude, exponent = _coefficients(fit, amplitude, exponent)
        if (amplitude is None) != (exponent is None):
            raise UsageError("A law needs both its amplitude and its exponent.", "Give both, or a fit.")
        settings: dict[str, Any] = {"start_tokens": check_setting(start_tokens, "start_tokens")}
        if amplitude is not None:
            settings["amplitude"] = check_setting(amplitude, "amplitude", positive=True)
            settings["exponent"] = check_setting(exponent or 0, "exponent", positive=True)
            check_setting(start_tokens, "start_tokens (which a law needs)", positive=True)
        elif training_tokens is None:
            raise UsageError(
                "There is neither a law nor a training budget, so every token is worth the same.",
                "Give amplitude and exponent or a fit, or training_tokens.",
            )
        if training_tokens is not None:
            settings["training_tokens"] = check_setting(training_tokens, "training_tokens", positive=True)
            source = RepetitionLaw.of() if repetition is None else None
            found = float(source.R_D[0, 0]) if source is not None else repetition
            settings["repetition"] = check_setting(found or 0, "repetition", positive=True)
            if source is not None:
                settings["repetition_from"] = source.name
        elif repetition is not None:
            raise UsageError("Repetition matters only on a fixed training budget.", "Give training_tokens.")
        return cls(
            name,
            of_each,
            settings | {"unit": "effective tokens" if amplitude is None else "loss"},
            start=settings["start_tokens"],
            amplitude=settings.get("amplitude"),
            exponent=settings.get("exponent"),
            budget=settings.get("training_tokens"),
            repetition=settings.get("repetition", 0.0),
        )

    def _empty(self) -> None:
        self._total = self._start
        self._effective = float(self._worth(np.array([self._total]))[0])

    def _worth(self, unique: Array) -> Array:
        """Return what unique tokens are worth: themselves, or D' of them on the budget."""
        if self._budget is None:
            return unique
        made = np.zeros_like(unique)
        some = unique > 0
        made[some] = effective_count(self._budget, np.minimum(unique[some], self._budget), self._repetition)
        return made

    def _gains(self, rows: Indices | None) -> Array:
        added = self._tokens if rows is None else self._tokens[rows]
        more = added if self._budget is None else self._worth(self._total + added) - self._effective
        if self._amplitude is None or self._exponent is None:
            return np.array(more)
        # A c^-b - A (c + w)^-b without the cancellation of the difference.
        level = self._amplitude * self._effective**-self._exponent
        return np.asarray(-level * np.expm1(-self._exponent * np.log1p(more / self._effective)))

    def _add(self, row: int) -> float:
        gain = float(self._gains(np.array([row]))[0])
        self._total += float(self._tokens[row])
        self._effective = float(self._worth(np.array([self._total]))[0])
        return gain


def _coefficients(fit: Fit, amplitude: float | None, exponent: float | None) -> tuple[float, float]:
    """Return B and beta of a fit."""
    if amplitude is not None or exponent is not None:
        raise UsageError("A law is given twice: as a fit, and as amplitude and exponent.", "Leave out one of the two.")
    found = dict(zip(fit.law.parameter_names, fit.theta, strict=True))
    if "B" not in found or "beta" not in found:
        raise UsageError(
            f"The law '{fit.law.name}' has no term B/D^beta.", "Fit 'chinchilla', or give amplitude and exponent."
        )
    fit.require_identified()
    return float(found["B"]), float(found["beta"])
