"""Read rows of learning curves: how many examples of which group, and what was measured."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_count, format_number

Array = NDArray[np.float64]

ALL = "all"  # name of the only group, where none are named
_SURE = 2.0  # standard errors by which a curve must rise for it to be refused


@dataclass(frozen=True)
class GroupRows:
    """The rows of one group, by the number of examples.

    Parameters
    ----------
    group : str
        Its name.
    x, y : ndarray (n,)
        Examples, and the error or loss.
    """

    group: str
    x: Array
    y: Array

    @property
    def sizes(self) -> Array:
        """Different numbers of examples, upwards."""
        return np.unique(self.x)


def read_rows(
    n_examples: ArrayLike, measured: ArrayLike, group: Sequence[Any] | ArrayLike | None, higher_is_better: bool
) -> dict[str, GroupRows]:
    """Check rows, and part them by group.

    Parameters
    ----------
    n_examples : array_like (n,)
        Examples of the group that were trained on.
    measured : array_like (n,)
        Error or loss; a share of right answers with `higher_is_better`.
    group : sequence (n,), optional
        Of each row; one group where missing.
    higher_is_better : bool
        Whether what was measured is turned into an error, 1 - value.

    Returns
    -------
    dict of str to GroupRows
        By name, in the order of names.

    Raises
    ------
    InputDataError
        For lengths that differ, a row without a number or a group, no examples, or what has no logarithm.
    """
    x, y = _numbers(n_examples, "the number of examples"), _numbers(measured, "what was measured")
    if x.shape != y.shape:
        raise InputDataError(f"there are {len(x)} numbers of examples and {len(y)} measured values")
    if not len(x):
        raise InputDataError("there are no rows to fit curves to")
    labels = [ALL] * len(x) if group is None else _labels(group, len(x))
    if np.any(x < 1):
        row = int(np.flatnonzero(x < 1)[0])
        raise InputDataError(
            f"row {row} has {format_number(float(x[row]))} examples, where a power law has no value",
            hint="Leave what was measured before training out: curves begin at one example.",
        )
    if higher_is_better:
        if np.any((y < 0) | (y > 1)):
            row = int(np.flatnonzero((y < 0) | (y > 1))[0])
            raise InputDataError(
                f"what was measured is {y[row]:g} in row {row}, and only a share from 0 to 1 is turned into an error",
                hint="Divide percentages by 100; give losses and errors as they are.",
            )
        y = 1 - y
    if np.any(y <= 0):
        row = int(np.flatnonzero(y <= 0)[0])
        what = "the error, 1 - value," if higher_is_better else "what was measured"
        raise InputDataError(
            f"{what} is {y[row]:g} in row {row}, and has no logarithm",
            hint="A test set without errors is too small for this curve: leave the row out, or measure the loss.",
        )
    names = np.array(labels)
    parts = {}
    for name in sorted(set(labels)):
        mine = np.flatnonzero(names == name)
        mine = mine[np.lexsort((y[mine], x[mine]))]
        parts[name] = GroupRows(name, x[mine], y[mine])
    return parts


def why_not(rows: GroupRows, least: int, pooled: bool) -> str | None:
    """Say why the curve of a group is not fitted; None where it is."""
    sizes = len(rows.sizes)
    if sizes < least:
        many = "one size" if sizes == 1 else f"{sizes} different sizes"
        more = "" if pooled or sizes < 3 else ", or let the groups share what they know of their exponents"
        return f"has {many}, and its curve takes {least} at least: measure it at more numbers of examples{more}"
    if rises(rows):
        at = f"from {format_count(float(rows.x[0]))} to {format_count(float(rows.x[-1]))} examples"
        return (
            f"rises {at}: noise of the labels, or a measure of which more is better (then say so: it is turned into "
            "an error, 1 - value)"
        )
    return None


def rises(rows: GroupRows) -> bool:
    """Tell whether what was measured rises with the number of examples by more than its scatter."""
    u, v = np.log(rows.x), np.log(rows.y)
    u = u - u.mean()
    slope = float(u @ v / (u @ u))
    left = v - v.mean() - slope * u
    error = math.sqrt(float(left @ left) / max(len(u) - 2, 1) / float(u @ u))
    return slope > max(_SURE * error, 1e-12)


def seed_of(seed: int, group: str) -> int:
    """Return the seed of a group: by its name, so that neither other groups nor their order have a say."""
    return int(np.random.SeedSequence([seed, zlib.crc32(group.encode())]).generate_state(1)[0])


def _numbers(values: ArrayLike, what: str) -> Array:
    try:
        out = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"{what} holds something that is not a number: {error}") from error
    if out.ndim != 1:
        raise InputDataError(f"{what} has shape {out.shape}, and one row a measurement is needed")
    if not np.all(np.isfinite(out)):
        row = int(np.flatnonzero(~np.isfinite(out))[0])
        raise InputDataError(f"{what} is {out[row]} in row {row}", hint="Leave diverged runs out.")
    return out


def _labels(group: Sequence[Any] | ArrayLike, n: int) -> list[str]:
    labels = np.asarray(group, dtype=object).ravel().tolist()
    if len(labels) != n:
        raise InputDataError(f"there are {len(labels)} groups and {n} rows")
    for row, label in enumerate(labels):
        if label is None or (isinstance(label, float) and math.isnan(label)):
            raise InputDataError(f"row {row} has no group", hint="Leave such rows out.")
    return [str(label) for label in labels]
