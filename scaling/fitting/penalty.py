"""What a fit pays for parameters away from where they are expected.

A penalty adds ``n * strength * (u - centre)^2`` to the objective, u the parameter on the scale on which the engine
moves it: its logarithm where it is positive and may span decades, itself otherwise. n is the sum of the weights, so
that a strength means the same for 20 rows and for 20,000: it is the objective that an average row would lose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError, did_you_mean

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Penalty:
    """What each row adds: strength * (u - centre)^2, summed over the parameters.

    Parameters
    ----------
    centre : ndarray (p,)
        On the internal scale of the parameters: logarithms where the kernel says so.
    strength : ndarray (p,)
        0 where there is no penalty.
    """

    centre: Array
    strength: Array

    def value(self, theta: Array) -> Array:
        """Penalty of one row, for parameters (B, p): (B,)."""
        return np.asarray((theta - self.centre) ** 2 @ self.strength)


def read_penalty(
    penalty: Mapping[str, Sequence[float]] | None, names: Sequence[str], log_scaled: Sequence[bool]
) -> Penalty | None:
    """Check penalties and bring them to the internal scale.

    Parameters
    ----------
    penalty : mapping of str to (float, float), optional
        Centre (natural units) and strength of some parameters.
    names : sequence of str (p,)
        Parameters of the law.
    log_scaled : sequence of bool (p,)
        Which of them the engine moves on a logarithmic scale.

    Returns
    -------
    Penalty or None
        None where nothing is penalised.

    Raises
    ------
    UsageError
        For a parameter that the law does not have, a strength that is negative, or a centre without a logarithm where
        one is needed.
    """
    if not penalty:
        return None
    centre, strength = np.zeros(len(names)), np.zeros(len(names))
    for name, pair in penalty.items():
        if name not in names:
            raise UsageError(f"there is no parameter '{name}' to penalise", hint=did_you_mean(name, names))
        j = list(names).index(name)
        centre[j], strength[j] = _pair(name, pair)
        if log_scaled[j]:
            if not centre[j] > 0:
                raise UsageError(
                    f"the penalty of '{name}' is on its logarithm, so its centre must be positive, not {centre[j]:g}"
                )
            centre[j] = np.log(centre[j])
    return Penalty(centre, strength) if np.any(strength > 0) else None


def penalty_text(penalty: Mapping[str, Sequence[float]], names: Sequence[str], log_scaled: Sequence[bool]) -> str:
    """Write penalties (as of `read_penalty`) as what they add to the objective; empty where they add nothing."""
    parts = []
    for name, (centre, strength) in penalty.items():
        if strength == 0:
            continue
        logged = log_scaled[list(names).index(name)]
        off = f"ln {name} - ln {centre:g}" if logged else f"{name} - {centre:g}".replace("- -", "+ ")
        parts.append(f"{strength:g} * ({off})^2")
    if not parts:
        return ""
    return f"n * {parts[0]}" if len(parts) == 1 else f"n * ({' + '.join(parts)})"


def _pair(name: str, pair: Any) -> tuple[float, float]:
    try:
        centre, strength = (float(value) for value in pair)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"the penalty of '{name}' is {pair!r}, not a centre and a strength", hint="Give (centre, strength)."
        ) from error
    if not np.isfinite(centre) or not np.isfinite(strength) or strength < 0:
        raise UsageError(f"the penalty of '{name}' needs a finite centre and a finite strength from 0 on, not {pair!r}")
    return centre, strength
