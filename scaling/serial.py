"""Plain data for JSON, where NaN and infinities have no place, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray


def plain(value: Any) -> Any:
    """Make a value strict JSON.

    Parameters
    ----------
    value : object
        Mappings, sequences, arrays and numbers keep their shape; dates become ISO text, anything else becomes text.

    Returns
    -------
    object
        NaN becomes None, infinities become the texts "inf" and "-inf".

    Examples
    --------
    >>> plain({"a": (1, float("nan")), "b": float("-inf")})
    {'a': [1, None], 'b': '-inf'}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | Decimal):
        if math.isfinite(value):
            return float(value)
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def number(value: Any) -> float:
    """Read a number that `plain` wrote."""
    return float("nan") if value is None else float(value)


def array(value: Any) -> NDArray[np.float64]:
    """Read an array of one or two dimensions that `plain` wrote."""
    return np.array([[number(x) for x in row] if isinstance(row, list) else number(row) for row in value], float)
