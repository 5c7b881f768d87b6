"""The same models in two sources, and whether the sources agree on their compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.shift.checks import numbers, same_length
from scaling.boundary.shift.proportions import proportion_interval
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_factor, format_interval, format_number, format_percent, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

DUPLICATES = ("first", "last", "all")
_LISTED = 10


@dataclass(frozen=True)
class PairedModels:
    """Rows of the same models in two sources.

    Parameters
    ----------
    names : tuple of str
        As source A writes them.
    rows_a, rows_b : ndarray of int (n,)
        Row numbers in each source.
    only_a, only_b : int
        Models that only one of them has.
    repeated_a, repeated_b : int
        Rows of a shared model beyond its first, in each source.
    """

    names: tuple[str, ...]
    rows_a: Rows
    rows_b: Rows
    only_a: int
    only_b: int
    repeated_a: int
    repeated_b: int

    def __len__(self) -> int:
        return len(self.names)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self))
        return out

    def summary(self) -> str:
        """Say in plain text how many models are shared."""
        return (
            f"{format_plural(len(self), 'pair')} of rows; {self.only_a} models only in A, {self.only_b} only in B; "
            f"rows of a shared model beyond its first: {self.repeated_a} in A, {self.repeated_b} in B"
        )


def pair_models(names_a: Sequence[str], names_b: Sequence[str], duplicates: str = "first") -> PairedModels:
    """Find the models that two sources share, by name, capital letters aside.

    Parameters
    ----------
    names_a, names_b : sequence of str
        One a row; model hubs do not tell names apart by capital letters either.
    duplicates : {'first', 'last', 'all'}
        Which row of a model counts that a source has more than once; with 'all', every combination is a pair.

    Returns
    -------
    PairedModels
        In the order of A.

    Raises
    ------
    UsageError
        For another way to treat duplicates.

    Examples
    --------
    >>> pairs = pair_models(["x/A", "x/B", "x/a"], ["x/b", "X/A"])
    >>> pairs.names, pairs.rows_a.tolist(), pairs.rows_b.tolist(), pairs.repeated_a
    (('x/A', 'x/B'), [0, 1], [1, 0], 1)
    """
    if duplicates not in DUPLICATES:
        raise UsageError(f"duplicates cannot be treated by '{duplicates}'", hint=did_you_mean(duplicates, DUPLICATES))
    where_a, where_b = _rows(names_a), _rows(names_b)
    shared = [key for key in where_a if key in where_b]
    rows = []
    for key in shared:
        a, b = where_a[key], where_b[key]
        if duplicates == "all":
            rows += [(i, j) for i in a for j in b]
        else:
            pick = 0 if duplicates == "first" else -1
            rows.append((a[pick], b[pick]))
    return PairedModels(
        names=tuple(str(names_a[i]) for i, _ in rows),
        rows_a=np.array([i for i, _ in rows], dtype=np.int64),
        rows_b=np.array([j for _, j in rows], dtype=np.int64),
        only_a=len(where_a) - len(shared),
        only_b=len(where_b) - len(shared),
        repeated_a=sum(len(where_a[key]) - 1 for key in shared),
        repeated_b=sum(len(where_b[key]) - 1 for key in shared),
    )


def _rows(names: Sequence[str]) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        if key := str(name).strip().casefold():
            out.setdefault(key, []).append(row)
    return out


@dataclass(frozen=True)
class ComputeDisagreement:
    """Where two sources give the same model another compute.

    Parameters
    ----------
    n : int
        Shared models with compute in both.
    apart : int
        Those that differ by more than `tolerance`.
    share, low, high : float
        The same as a share, with its Wilson interval.
    far_apart : int
        Those that differ by more than `far`.
    tolerance, far : float
        Orders of magnitude.
    models : tuple of dict
        ``name compute_a compute_b dex`` of those apart, the worst first; dex is log10 of B over A.
    level : float
        Nominal coverage.
    """

    n: int
    apart: int
    share: float
    low: float
    high: float
    far_apart: int
    tolerance: float
    far: float
    models: tuple[dict[str, Any], ...]
    level: float

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        text = (
            f"{self.apart} of {format_plural(self.n, 'shared model')} ({format_percent(self.share)}) differ in compute "
            f"by more than {self.tolerance:g} orders of magnitude"
        )
        return text + (f", {self.far_apart} of them by more than {self.far:g}." if self.far_apart else ".")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self) | {"verdict": self.verdict})
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the disagreement as a report in plain text."""
        ends = format_interval(100 * self.low, 100 * self.high)
        lines = [self.verdict, f"{100 * self.level:g} % interval of the share {ends} %"]
        for row in self.models[:_LISTED]:
            factor = format_factor(10 ** abs(row["dex"]))
            lines.append(
                f"  {row['name']}: {format_number(row['compute_a'], 3)} and {format_number(row['compute_b'], 3)} FLOP, "
                f"{factor} {'more' if row['dex'] > 0 else 'less'} in B"
            )
        if len(self.models) > _LISTED:
            lines.append(f"  and {len(self.models) - _LISTED} more")
        return "\n".join(lines)


def compute_disagreement(
    compute_a: ArrayLike,
    compute_b: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    tolerance: float = 0.1,
    far: float = 1.0,
    level: float = 0.95,
) -> ComputeDisagreement:
    """Count the shared models that two sources give another training compute.

    Parameters
    ----------
    compute_a, compute_b : array_like (n,)
        FLOP by the two sources, row by row; NaN, or 0, where not known.
    names : sequence of str, optional
        Of the models.
    tolerance, far : float
        Orders of magnitude from which on models are apart, and far apart, such as a mixture of experts counted by
        active parameters in one source and by all in the other.
    level : float, default 0.95
        Nominal coverage.

    Returns
    -------
    ComputeDisagreement

    Raises
    ------
    InputDataError
        For columns that differ in length, or no model with compute in both.
    """
    a, b = numbers(compute_a, "compute_a"), numbers(compute_b, "compute_b")
    n = same_length({"compute_a": a, "compute_b": b})
    if names is not None and len(names) != n:
        raise InputDataError(f"there are {len(names)} names for {format_plural(n, 'row')}")
    known = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    if not known.any():
        raise InputDataError("no model has compute above 0 in both sources")
    dex = np.full(n, np.nan)
    dex[known] = np.log10(b[known]) - np.log10(a[known])
    apart = [i for i in np.argsort(-np.abs(dex), kind="stable").tolist() if abs(dex[i]) > tolerance]
    count = int(known.sum())
    low, high = proportion_interval(len(apart), count, level)
    return ComputeDisagreement(
        n=count,
        apart=len(apart),
        share=len(apart) / count,
        low=float(low),
        high=float(high),
        far_apart=int(np.sum(np.abs(dex[known]) > far)),
        tolerance=tolerance,
        far=far,
        models=tuple(
            {
                "name": f"row {i}" if names is None else str(names[i]),
                "compute_a": float(a[i]),
                "compute_b": float(b[i]),
                "dex": float(dex[i]),
            }
            for i in apart
        ),
        level=level,
    )
