"""Units of losses: nats per token and bits per byte, and what it takes to go from one to the other.

A loss per token depends on the tokenizer, one per byte does not: L in bits/byte = L in nats/token / (ln 2 * bytes per
token), with the mean length of the tokens of the very text that the loss was measured on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scaling.errors import UsageError
from scaling.formatting import format_number

NATS, BITS = "nats/token", "bits/byte"
_SPELLINGS = {
    "nats": NATS, "nat": NATS, "nats/token": NATS, "nats per token": NATS, "nat/token": NATS, "nats / token": NATS,
    "bpb": BITS, "bits/byte": BITS, "bits per byte": BITS, "bit/byte": BITS, "bits / byte": BITS,
    "bits/token": "bits/token", "bits per token": "bits/token", "bit/token": "bits/token",
    "nats/byte": "nats/byte", "nats per byte": "nats/byte", "nat/byte": "nats/byte",
    "perplexity": "perplexity", "ppl": "perplexity",
}  # fmt: skip
#: Units that say that a metric is a loss, whatever its name.
LOSS_UNITS = frozenset(_SPELLINGS.values())
#: Units of a share of answers, right or wrong ones.
SHARES = ("share", "fraction", "%", "percent", "1")
ASSUMED = ", assumed"
_OPTIONS = ("--bytes-per-token-from", "--bytes-per-token-to")


@dataclass(frozen=True)
class PairUnits:
    """In which units a map is fitted.

    Parameters
    ----------
    x, y : str
        Units of the source and of the target as they are fitted.
    factor_x, factor_y : float
        The values of the store are multiplied by these.
    notes : tuple of str
        What was assumed or converted, in sentences.
    """

    x: str
    y: str
    factor_x: float = 1.0
    factor_y: float = 1.0
    notes: tuple[str, ...] = ()


def read_unit(text: str | None) -> str:
    """Read a unit: those of losses in their usual spellings, others as they are, unknown as ''.

    One that was assumed, which is then said beside it, is read like one that is known.
    """
    words = " ".join((text or "").split()).removesuffix(ASSUMED)
    if words.lower() in ("", "unknown"):
        return ""
    return _SPELLINGS.get(words.lower(), words)


def bits_per_byte(loss: float, bytes_per_token: float) -> float:
    """Turn nats per token into bits per byte.

    Parameters
    ----------
    loss : float
        nats/token.
    bytes_per_token : float
        Mean length of a token of the text that the loss was measured on.

    Returns
    -------
    float
        bits/byte.

    Raises
    ------
    UsageError
        For a length that is not above 0.
    """
    return loss / (math.log(2) * _length(bytes_per_token, "bytes per token"))


def nats_per_token(loss: float, bytes_per_token: float) -> float:
    """Turn bits per byte into nats per token; see `bits_per_byte`."""
    return loss * math.log(2) * _length(bytes_per_token, "bytes per token")


def pair_units(
    unit_x: str | None,
    unit_y: str | None,
    bytes_per_token_x: float | None = None,
    bytes_per_token_y: float | None = None,
    *,
    tokenizers: tuple[str | None, str | None] = (None, None),
    losses: tuple[bool, bool] = (True, True),
) -> PairUnits:
    """Find units in which both sides of a map can be fitted.

    Parameters
    ----------
    unit_x, unit_y : str or None
        Units of the source and target; None, empty or ``unknown`` where nobody said.
    bytes_per_token_x, bytes_per_token_y : float, optional
        Mean length of a token. A loss per token for which it is given is fitted in bits per byte.
    tokenizers : (str or None, str or None)
        Of the source and target, where they are known.
    losses : (bool, bool)
        Whether each side is a loss at all; a share, such as an error on a task, goes with any unit.

    Returns
    -------
    PairUnits

    Raises
    ------
    UsageError
        Where one side is per token and the other per byte, or the tokenizers differ, and the bytes per token that would
        make them comparable are not given; or they are given for a side that has no use for them; or the losses are in
        other units that differ.
    """
    units = [read_unit(unit_x), read_unit(unit_y)]
    lengths = [
        None if one is None else _length(one, option)
        for one, option in zip((bytes_per_token_x, bytes_per_token_y), _OPTIONS, strict=True)
    ]
    notes = []
    known = [unit for unit, loss in zip(units, losses, strict=True) if loss and unit and unit.lower() not in SHARES]
    shown = list(units)
    for i, side in enumerate(("source", "target")):
        if not units[i] and losses[i]:
            units[i] = NATS if lengths[i] is not None or not known else known[0]
            shown[i] = f"{units[i]}{ASSUMED}"
            notes.append(f"The unit of the {side} is not known; {units[i]} is assumed.")
    factors = [1.0, 1.0]
    for i, side in enumerate(("source", "target")):
        if (length := lengths[i]) is None:
            continue
        if units[i] != NATS or not losses[i]:
            unit = units[i] or "no unit of a loss"
            raise UsageError(
                f"Bytes per token turn nats/token into bits/byte, and the {side} is in {unit}.",
                f"Leave {_OPTIONS[i]} out.",
            )
        factors[i], units[i] = bits_per_byte(1.0, length), BITS
        shown[i] = f"{BITS}{ASSUMED}" if shown[i].endswith(ASSUMED) else BITS
        notes.append(f"The {side} is turned into bits/byte by {format_number(length)} bytes per token.")
    if all(losses):
        _check_comparable(units, lengths, tokenizers)
    return PairUnits(shown[0], shown[1], factors[0], factors[1], tuple(notes))


def _check_comparable(units: list[str], lengths: list[float | None], tokenizers: tuple[str | None, str | None]) -> None:
    if {NATS, BITS} == set(units):
        side = units.index(NATS)
        name = ("source", "target")[side]
        why = " once the other is turned into it" if any(length is not None for length in lengths) else ""
        raise UsageError(
            f"The {name} loss is in nats/token and the other in bits/byte{why}: a map between them would hold for one "
            "tokenizer only.",
            f"Say how long a token of the {name}'s text is: {_OPTIONS[side]} 4.2",
        )
    if units[0].lower() != units[1].lower() and not {unit.lower() for unit in units} & set(SHARES):
        raise UsageError(
            f"The source loss is in {units[0]} and the target loss in {units[1]}: a map between different units of "
            "loss says as much of the units as of the losses.",
            "Ingest both in one unit, such as nats/token; only nats/token is turned into another here (bits/byte, "
            f"{_OPTIONS[0]} and {_OPTIONS[1]}).",
        )
    one, other = tokenizers
    if one and other and one != other and NATS in units:
        raise UsageError(
            f"The losses are per token of different tokenizers ({one} and {other}), so they are not comparable.",
            f"Say how long their tokens are: {_OPTIONS[0]} and {_OPTIONS[1]}.",
        )


def _length(value: float, what: str) -> float:
    if not 0 < value < math.inf:
        raise UsageError(f"{what} is a number above 0, not {value}.", "Such as 4.2.")
    return float(value)
