"""What a boundary is fitted by: quantile, sharpness of the corner and ridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.errors import UsageError, did_you_mean

#: Sharpness where none is asked for: even above models that all score the same the curve lies less than .002 away.
SHARP = 2000.0
#: Ridge on the steepness where none is asked for, times the number of models: a fixed pull, which more data outweigh.
#: Of .03, .1, .2, .3, .5, 1 and 2 it and .3 left the least pinball loss on base models that were left out, as the mean
#: over six tasks and four periods of the Open LLM Leaderboard.
RIDGE_OF_ALL = 0.2


@dataclass(frozen=True)
class Settings:
    """What a boundary is fitted by.

    Parameters
    ----------
    tau : float
        Share of the models below the boundary.
    kappa : float
        Sharpness of the corner of the pinball loss, one over score.
    ridge : float
        Times the squared steepness (logits per decade of compute), added to the mean loss.
    preset : str, optional
        Name of the published settings that these began from.
    """

    tau: float
    kappa: float
    ridge: float
    preset: str | None = None


#: Published settings. The ridge is that of arXiv:2602.15327 for the Open LLM Leaderboard; for smaller tables they take
#: a tenth of it.
PRESETS: dict[str, dict[str, float]] = {"zhang2026": {"tau": 0.98, "kappa": 50.0, "ridge": 1e-3}}


def settle(n: int, tau: float, preset: str | None, kappa: float | None, ridge: float | None) -> Settings:
    """Settle what is fitted by.

    Parameters
    ----------
    n : int
        Models.
    tau : float
        Quantile.
    preset : str, optional
        A key of `PRESETS`; what is given beside it wins.
    kappa, ridge : float, optional
        `SHARP` and `RIDGE_OF_ALL` over n where missing.

    Returns
    -------
    Settings

    Raises
    ------
    UsageError
        For an unknown preset or numbers that make no sense.
    """
    if preset is not None and preset not in PRESETS:
        raise UsageError(f"there is no preset '{preset}'", hint=did_you_mean(preset, PRESETS))
    known = PRESETS[preset] if preset else {}
    tau = single(tau, "tau")
    kappa = known.get("kappa", SHARP) if kappa is None else single(kappa, "kappa")
    ridge = known.get("ridge", RIDGE_OF_ALL / n) if ridge is None else single(ridge, "the ridge")
    if not 0 < tau < 1:
        raise UsageError(
            f"tau is the share of models below the boundary, between 0 and 1, not {tau:g}",
            hint="0.98 leaves one model in fifty above.",
        )
    if not 0 < kappa <= 1e6:
        raise UsageError(
            f"kappa must be positive and at most a million, not {kappa:g}",
            hint=f"It is one over score: 50 is published, {SHARP:g} is taken where none is given.",
        )
    if not 0 <= ridge < 1e6:
        raise UsageError(
            f"the ridge must be a number from 0 on, not {ridge:g}", hint="It adds so much times the squared steepness."
        )
    return Settings(tau, kappa, ridge, preset)


def single(value: Any, what: str) -> float:
    """Read one number.

    Parameters
    ----------
    value : Any
        What was given.
    what : str
        For the message.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        For text, columns and whatever else is not one number.
    """
    if isinstance(value, str) or np.ndim(value) > 0:
        raise UsageError(f"{what} must be one number, not {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} must be one number, not {value!r}") from error
