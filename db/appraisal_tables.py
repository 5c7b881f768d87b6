"""Tables of scored subsets: one row a subset, from a file or from an appraisal of the store.

A table has what `scaling.valuation.appraise` takes. With a column of regimes it is several tables, one for each: a
subset that was trained on in two ways has two performances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.problems import nearest
from db.readers.columns import ColumnReader
from db.readers.table import file_sha256, read_table
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredSubsets:
    """Subsets of one regime, with their scores and what training on them gave.

    Parameters
    ----------
    regime : str or None
        Value of the column of regimes; None without one.
    names : tuple of str (n,)
    size, performance : ndarray (n,)
    scores : dict of str to ndarray (n,)
        By objective.
    is_random : ndarray of bool (n,) or None
        None where nobody said.
    class_counts : ndarray (n, classes) or None
    class_entropy : ndarray (n,) or None
        Nats.
    balanced : ndarray of bool (n,) or None
    budget : ndarray (n,) or None
    """

    regime: str | None
    names: tuple[str, ...]
    size: Array
    performance: Array
    scores: dict[str, Array]
    is_random: NDArray[np.bool_] | None = None
    class_counts: Array | None = None
    class_entropy: Array | None = None
    balanced: NDArray[np.bool_] | None = None
    budget: Array | None = None

    @property
    def entropy(self) -> Array | None:
        """Entropy of the classes, nats, from their counts where these are given."""
        if self.class_counts is None:
            return self.class_entropy
        share = self.class_counts / np.maximum(self.class_counts.sum(1, keepdims=True), 1e-300)
        return np.asarray(-np.sum(share * np.log(np.where(share > 0, share, 1)), axis=1) + 0.0)

    @property
    def even(self) -> NDArray[np.bool_] | None:
        """Whether the classes of each subset are as even as its size allows."""
        if self.balanced is None and self.class_counts is not None:
            return np.asarray(np.ptp(self.class_counts, axis=1) <= 1)
        return self.balanced

    def arrays(self) -> dict[str, Any]:
        """Give the columns as `scaling.valuation.appraise` takes them."""
        return {
            "size": self.size, "performance": self.performance, "scores": self.scores, "is_random": self.is_random,
            "class_counts": self.class_counts, "class_entropy": self.class_entropy, "balanced": self.balanced,
            "budget": self.budget,
        }  # fmt: skip


@dataclass(frozen=True)
class ScoredTable:
    """Everything that was read.

    Parameters
    ----------
    source : str
        The file as it was named, or the appraisal.
    uri, sha256 : str or None
        Absolute path of the file, and the hash of its bytes; None for an appraisal of the store.
    performance, unit : str or None
        What was measured, and its unit.
    higher_is_better : bool
    parts : tuple of ScoredSubsets
        One a regime, in the order in which they first occur.
    notes : tuple of str
    """

    source: str
    uri: str | None
    sha256: str | None
    performance: str | None
    unit: str | None
    higher_is_better: bool
    parts: tuple[ScoredSubsets, ...]
    notes: tuple[str, ...] = field(default=())


def read_scored_table(store: Store | None, source: str, asked: Mapping[str, Any]) -> ScoredTable:
    """Read a table of scored subsets.

    Parameters
    ----------
    store : Store or None
        Where an appraisal or the subsets that the table names may be.
    source : str
        A CSV, TSV, JSON lines or Parquet file, or a saved appraisal.
    asked : mapping
        Names of columns: ``performance score size random class_entropy class_count regime budget id``, and ``lower``.

    Returns
    -------
    ScoredTable

    Raises
    ------
    UsageError
        For a column that there is not, or one that is needed and was not named.
    InputDataError
        For a file that cannot be read, cells that are no numbers, or a subset that occurs twice.
    """
    if not Path(source).exists() and store is not None:
        _, rows = store.query("SELECT 1 FROM appraisal_defs WHERE appraisal_name = ?", [source])
        if rows:
            return _read_saved(store, source, asked)
        if not Path(source).suffix:
            _, known = store.query("SELECT appraisal_name FROM appraisal_defs ORDER BY 1")
            near = nearest(source, [name for (name,) in known]) if known else ""
            raise InputDataError(f"There is no file '{source}', and no appraisal of that name in the store.", near)
    return _read_file(store, source, asked)


def _read_file(store: Store | None, source: str, asked: Mapping[str, Any]) -> ScoredTable:
    for key, what in (("performance", "what training on the subsets gave"), ("score", "the scores")):
        if not asked.get(key):
            raise UsageError(f"Which column of {source} holds {what} is not said.", f"Name it: --{key} COLUMN")
    table = read_table(source)
    reader = ColumnReader(table)
    columns: dict[str, Any] = {
        "performance": reader.numbers(asked["performance"], "--performance"),
        "scores": {name: reader.numbers(name, "--score") for name in dict.fromkeys(asked["score"])},
    }
    n = len(table.lines)
    names = [str(i + 1) for i in range(n)] if not asked.get("id") else reader.texts(asked["id"], "--id")
    if asked["performance"] in columns["scores"]:
        raise UsageError(f"'{asked['performance']}' is both the performance and a score.", "Leave out one of the two.")
    if asked.get("class_count"):
        if asked.get("class_entropy"):
            raise UsageError("--class-entropy follows from --class-count.", "Leave out one of the two.")
        counts = [reader.numbers(name, "--class-count", full=True) for name in asked["class_count"]]
        columns["class_counts"] = np.column_stack(counts)
    if asked.get("class_entropy"):
        columns["class_entropy"] = reader.numbers(asked["class_entropy"], "--class-entropy")
    if asked.get("budget"):
        columns["budget"] = reader.numbers(asked["budget"], "--budget", positive=True)
    regimes = reader.texts(asked["regime"], "--regime") if asked.get("regime") else [None] * n
    size = asked.get("size")
    columns["size"] = reader.numbers(size, "--size", full=True, positive=True) if size else None
    columns["is_random"] = reader.flags(asked["random"], "--random") if asked.get("random") else None
    notes = [f"{problem.file}:{problem.line}: {problem.reason}; left out" for problem in table.problems[:5]]
    if (more := len(table.problems) - 5) > 0:
        notes.append(f"{format_plural(more, 'more line')} of {source} left out")
    notes += _from_store(store, names if asked.get("id") else [], columns, source)
    if columns["size"] is None:
        raise UsageError(
            f"Which column of {source} holds the sizes of the subsets is not said.", "Name it: --size COLUMN"
        )
    return ScoredTable(
        source, str(Path(source).resolve()), file_sha256(source), asked["performance"], None, not asked.get("lower"),
        _parts(columns, names, regimes, source), tuple(notes),
    )  # fmt: skip


def _from_store(store: Store | None, names: Sequence[str], columns: dict[str, Any], source: str) -> list[str]:
    """Take sizes, and which subsets are random, from the store where every row names a subset of it."""
    if store is None or not names:
        return []
    _, rows = store.query(
        "SELECT subset_name, size, is_random FROM subsets WHERE subset_name IN (SELECT unnest(?))", [list(names)]
    )
    known = {name: (size, random) for name, size, random in rows}
    if not known:
        return []
    if len(known) < len(set(names)):
        missing = next(name for name in names if name not in known)
        return [f"{len(known)} of {len(set(names))} subsets are in the store, '{missing}' and others are not"]
    sizes = np.array([known[name][0] for name in names], float)
    if columns["size"] is None:
        columns["size"] = sizes
    elif np.any(wrong := columns["size"] != sizes):
        row = int(np.flatnonzero(wrong)[0])
        raise InputDataError(
            f"{source} says that the subset '{names[row]}' has {columns['size'][row]:g} members, and in the store it "
            f"has {sizes[row]:g}.",
            "Leave --size out to take what the store says.",
        )
    if columns["is_random"] is None:
        columns["is_random"] = np.array([known[name][1] for name in names], bool)
    return []


def _parts(
    columns: Mapping[str, Any], names: Sequence[str], regimes: Sequence[str | None], source: str
) -> tuple[ScoredSubsets, ...]:
    """Part a table by its regimes."""
    out = []
    for regime in dict.fromkeys(regimes):
        rows = np.flatnonzero([one == regime for one in regimes])
        mine = [names[i] for i in rows.tolist()]
        if twice := next((name for i, name in enumerate(mine) if name in mine[:i]), None):
            among = "" if regime is None else f" in the regime '{regime}'"
            raise InputDataError(f"{source} has the subset '{twice}' twice{among}.", "One row a subset is expected.")
        taken: dict[str, Any] = {k: v[rows] for k, v in columns.items() if k != "scores" and v is not None}
        scores = {name: values[rows] for name, values in columns["scores"].items()}
        out.append(ScoredSubsets(regime, tuple(mine), scores=scores, **taken))
    return tuple(out)


def _read_saved(store: Store, name: str, asked: Mapping[str, Any]) -> ScoredTable:
    """Read the rows of an appraisal of the store; columns are not named, but objectives may be chosen among."""
    from db.appraisals import read_appraisal

    saved = read_appraisal(store, name)
    for key in ("performance", "size", "random", "class_entropy", "class_count", "regime", "budget", "id"):
        if asked.get(key):
            raise UsageError(
                f"--{key.replace('_', '-')} names a column, and '{name}' is a saved appraisal, which has its own.",
                "Leave it out; --score chooses among its objectives.",
            )
    objectives = list(dict.fromkeys(row["objective"] for row in saved.rows))
    if unknown := [one for one in asked.get("score") or [] if one not in objectives]:
        raise UsageError(f"The appraisal '{name}' has no objective '{unknown[0]}'.", nearest(unknown[0], objectives))
    chosen = asked.get("score") or objectives
    balanced = {(part, one): even for part, one, even in saved.options.get("balanced") or []}
    out = []
    for regime in dict.fromkeys(row["regime"] for row in saved.rows):
        by_name: dict[str, dict[str, Any]] = {}
        for row in saved.rows:
            if row["regime"] == regime:
                by_name.setdefault(row["subset_name"], {})[row["objective"]] = row
        first = {one: next(iter(rows.values())) for one, rows in by_name.items()}
        known = saved.options.get("random_known", True)
        flags = [balanced.get((regime, one)) for one in first]
        out.append(
            ScoredSubsets(
                regime, tuple(first), _column(first, "size"), _column(first, "performance"),
                {o: np.array([_number(rows.get(o, {}).get("score")) for rows in by_name.values()]) for o in chosen},
                is_random=np.array([row["is_random"] for row in first.values()], bool) if known else None,
                class_entropy=_some(_column(first, "class_entropy")), budget=_some(_column(first, "budget")),
                balanced=None if None in flags else np.array(flags, bool),
            )
        )  # fmt: skip
    if saved.higher_is_better is None:
        raise InputDataError(f"The appraisal '{name}' has no performance: its subsets were scored and not trained on.")
    return ScoredTable(
        name, None, None, saved.performance_metric, saved.performance_unit, saved.higher_is_better, tuple(out)
    )


def _column(rows: Mapping[str, Mapping[str, Any]], key: str) -> Array:
    return np.array([_number(row[key]) for row in rows.values()])


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _some(values: Array) -> Array | None:
    return None if np.all(np.isnan(values)) else values
