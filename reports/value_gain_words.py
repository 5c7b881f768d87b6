"""What a member added to a selection, as people read it."""

from __future__ import annotations

from collections.abc import Iterable

from scaling.formatting import format_number

_ROUNDING = 1e-7  # of the largest gain: what embeddings of single precision leave of a gain that is nothing


def gain_shown(gain: float, gains: Iterable[float] | None, digits: int = 4) -> str:
    """Write a gain; one that is rounding beside the largest of the selection is 0.

    Parameters
    ----------
    gain : float
        What the member added.
    gains : iterable of float, optional
        Of all members.
    digits : int, default 4
        Significant digits.

    Returns
    -------
    str
    """
    largest = max((abs(float(one)) for one in gains), default=0.0) if gains is not None else 0.0
    return format_number(0.0 if abs(gain) <= _ROUNDING * largest else gain, digits)
