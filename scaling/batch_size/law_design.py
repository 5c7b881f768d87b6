"""Which sizes and lengths critical batches were measured at, and which law of them those points can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, VerdictError, did_you_mean
from scaling.formatting import format_count, format_interval, format_number

Array = NDArray[np.float64]

TOKENS, SIZE, JOINT, LOSS = "critical_batch", "critical_batch_params", "critical_batch_joint", "critical_batch_loss"
#: What each law of the critical batch size needs.
NEEDS = {TOKENS: ("D",), SIZE: ("N",), JOINT: ("N", "D"), LOSS: ("L",)}
WORDS = {"N": "parameters", "D": "training tokens", "L": "loss"}
ARGUMENTS = {"N": "n_params", "D": "n_tokens", "L": "loss"}

_SAME = 0.01  # spread of a logarithm below which a quantity was held: token counts are rounded to whole steps
# 1 / (1 - r^2): how much larger the variance of an exponent is than if the other quantity had been held. At 100 its
# error is ten times as large, and which of the two does the work is settled by noise.
_COUPLED = 100.0
_FEWEST_JOINT = 4  # points: one more than parameters


@dataclass(frozen=True)
class Design:
    """How model size and training tokens vary over critical batches.

    Parameters
    ----------
    kind : str
        ``coupled`` (size and tokens grow together), ``tokens vary`` (size held), ``size varies`` (tokens held),
        ``both vary``, or ``one known``: only one of size, tokens and loss was given.
    words : str
        The same as a sentence.
    inflation : float
        1/(1 - r^2) with the correlation r of ln N and ln D: how much larger the variance of an exponent is than if
        the other quantity had been held. NaN where not both vary.
    condition : float
        Condition number of the centred and scaled logarithms, the root of (1 + abs(r))/(1 - abs(r)); NaN likewise.
    slope : float
        How D grows with N where they are coupled, d ln D/d ln N: 1 at a constant D/N. NaN elsewhere.
    tokens_per_param : tuple of (float, float)
        Smallest and largest D/N; NaN where not both are known.
    """

    kind: str
    words: str
    inflation: float = math.nan
    condition: float = math.nan
    slope: float = math.nan
    tokens_per_param: tuple[float, float] = (math.nan, math.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        out: dict[str, Any] = plain(asdict(self))
        return out


def read_inputs(given: Mapping[str, ArrayLike | None], m: int) -> dict[str, Array]:
    """Check what is known of each point.

    Parameters
    ----------
    given : mapping of str to array_like (m,) or None
        ``N``, ``D`` and ``L``.
    m : int
        Points.

    Returns
    -------
    dict of str to ndarray (m,)
        Those that are given.

    Raises
    ------
    InputDataError
        For another length, or what is no positive, finite number.
    UsageError
        Where nothing is known.
    """
    inputs: dict[str, Array] = {}
    for name, values in given.items():
        if values is None:
            continue
        word = ARGUMENTS[name]
        try:
            column = np.atleast_1d(np.asarray(values, float))
        except (TypeError, ValueError) as error:
            raise InputDataError(f"'{word}' holds something that is not a number: {error}") from error
        if column.shape != (m,):
            raise InputDataError(f"'{word}' has shape {column.shape}, but there are {m} critical batches")
        if not np.all(np.isfinite(column) & (column > 0)):
            row = int(np.flatnonzero(~(np.isfinite(column) & (column > 0)))[0])
            raise InputDataError(f"'{word}' is {column[row]:g} in row {row}; positive, finite numbers are expected")
        inputs[name] = column
    if not inputs:
        raise UsageError(
            "a law of the critical batch size needs to know what it grows with",
            hint="Give n_tokens, n_params or loss of each critical batch.",
        )
    return inputs


def read_design(inputs: Mapping[str, Array]) -> Design:
    """Tell how size and tokens vary.

    Parameters
    ----------
    inputs : mapping of str to ndarray (m,)
        ``N`` (parameters), ``D`` (tokens) and ``L`` (loss), those that are known.

    Returns
    -------
    Design

    Raises
    ------
    InputDataError
        Where size and tokens are the same at every point.
    """
    if not {"N", "D"} <= set(inputs):
        known = [WORDS[name] for name in inputs]
        missing = "training tokens" if "N" in inputs else "parameters"
        told = f"Only the {known[0]} of each point is known" if known[0] == "loss" else f"Only the {known[0]} are known"
        return Design(
            "one known", f"{told}: whether the {missing} grew along with them, and did the work, cannot be told."
        )
    x, y = np.log(inputs["N"]), np.log(inputs["D"])
    ratio = inputs["D"] / inputs["N"]
    span = float(ratio.min()), float(ratio.max())
    held_n, held_d = np.ptp(x) <= _SAME, np.ptp(y) <= _SAME
    if held_n and held_d:
        raise InputDataError(
            "all critical batches have the same parameters and the same training tokens, so they show no growth",
            hint="Measure critical batches at other sizes, or at other lengths of training.",
        )
    if held_n:
        size = format_count(float(inputs["N"].mean()))
        words = f"Tokens vary at {size} parameters: the exponent is that of the tokens alone."
        return Design("tokens vary", words, tokens_per_param=span)
    if held_d:
        tokens = format_count(float(inputs["D"].mean()))
        words = f"Size varies at {tokens} tokens: the exponent is that of the parameters alone."
        return Design("size varies", words, tokens_per_param=span)
    r = float(np.corrcoef(x, y)[0, 1])
    lost = 1 - r * r
    inflation = 1 / lost if lost > 0 else math.inf
    condition = math.sqrt((1 + abs(r)) / (1 - abs(r))) if abs(r) < 1 else math.inf
    if inflation >= _COUPLED:
        slope = float(np.std(y) / np.std(x)) * (1 if r > 0 else -1)
        return Design("coupled", _coupled_words(slope, span), inflation, condition, slope, span)
    words = (
        f"Size and tokens both vary (correlation of their logarithms {r:.2f}, condition number "
        f"{format_number(condition, 2)}): their exponents can be told apart."
    )
    return Design("both vary", words, inflation, condition, tokens_per_param=span)


def choose_law(asked: str | None, inputs: Mapping[str, Array], design: Design) -> str:
    """Settle which law to fit.

    Parameters
    ----------
    asked : str or None
        One of `NEEDS`; by the design where missing: the law of the tokens where these vary alone or along with the
        size, that of the size where only it varies, the joint one where both vary and there are points enough.
    inputs : mapping of str to ndarray (m,)
        What is known of each point.
    design : Design
        Of the points.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        For a law that is none of the critical batch size, or one whose input is not given.
    InputDataError
        Where the input of the law is the same at every point.
    VerdictError
        For the joint law where size and tokens cannot be told apart.
    """
    if asked is None:
        asked = _by_design(inputs, design)
    if asked not in NEEDS:
        raise UsageError(f"there is no law of the critical batch size '{asked}'", hint=did_you_mean(asked, NEEDS))
    for name in NEEDS[asked]:
        if name not in inputs:
            raise UsageError(
                f"the law '{asked}' needs the {WORDS[name]} of each critical batch",
                hint=f"Give {ARGUMENTS[name]}.",
            )
    if asked == JOINT and design.kind != "both vary":
        raise VerdictError(
            f"the law of size and tokens together is refused. {design.words}",
            hint="Fit the law of one of them, or add runs at other numbers of tokens per parameter.",
        )
    for name in NEEDS[asked]:
        if np.ptp(np.log(inputs[name])) <= _SAME:
            raise InputDataError(
                f"the {WORDS[name]} are the same at every critical batch, so the law '{asked}' cannot be seen",
                hint="Fit the law of what varies.",
            )
    return asked


def concern_of(law: str, inputs: Mapping[str, Array], design: Design) -> str:
    """Say what a law leaves out although it varies; empty where there is no such thing."""
    if law not in (TOKENS, SIZE) or design.kind != "both vary":
        return ""
    other = "D" if law == SIZE else "N"
    least, most = format_count(float(inputs[other].min())), format_count(float(inputs[other].max()))
    return f"The {WORDS[other]} vary too, from {least} to {most}, and the law leaves them out."


def _by_design(inputs: Mapping[str, Array], design: Design) -> str:
    if design.kind == "one known":
        return next(law for law, needs in NEEDS.items() if needs[0] in inputs and len(needs) == 1)
    if design.kind == "both vary" and len(inputs["N"]) >= _FEWEST_JOINT:
        return JOINT
    return SIZE if design.kind == "size varies" else TOKENS


def _coupled_words(slope: float, span: tuple[float, float]) -> str:
    if span[1] / span[0] < 1.1:
        ratio = format_number((span[0] * span[1]) ** 0.5, 3)
        return (
            f"Size and tokens grow together, at {ratio} tokens a parameter: a law of the size and a law of the tokens "
            "are one law, and which of the two does the work cannot be told."
        )
    return (
        f"Size and tokens lie on one line, the tokens as the size to the power {format_number(slope, 2)} "
        f"({format_interval(*span)} tokens a parameter): a law of the size and a law of the tokens are one law, and "
        "which of the two does the work cannot be told."
    )
