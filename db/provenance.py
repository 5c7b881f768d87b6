"""Where the rows of a fit came from, and what was refused on the way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from db.store import Store


@dataclass(frozen=True)
class SourceOfRuns:
    """A file that runs, or scores, of a fit came from.

    Parameters
    ----------
    uri, sha256 : str
        Its path and the hash of its bytes.
    n_runs : int
        Runs of the fit that came from it, or scores.
    imported_at : datetime
        UTC.
    refused : tuple of (int or None, str)
        Line and reason of each row of the file that was refused.
    """

    uri: str
    sha256: str
    n_runs: int
    imported_at: datetime
    refused: tuple[tuple[int | None, str], ...]


def sources_of(store: Store, run_ids: Sequence[str]) -> list[SourceOfRuns]:
    """Return the files that runs came from.

    Parameters
    ----------
    store : Store
        An open store.
    run_ids : sequence of str
        The runs.

    Returns
    -------
    list of SourceOfRuns
        In the order of their paths.
    """
    return _sources(store, "runs", "run_id", run_ids)


def _sources(store: Store, table: str, key: str, names: Sequence[str]) -> list[SourceOfRuns]:
    _, rows = store.query(
        "SELECT s.uri, s.sha256, s.imported_at, s.problems, count(*) "
        f"FROM {table} AS r JOIN sources AS s USING (source_id) "
        f"WHERE r.{key} IN (SELECT unnest(?)) GROUP BY ALL ORDER BY s.uri",
        [list(names)],
    )
    out = []
    for uri, sha256, imported_at, problems, count in rows:
        refused = tuple((p["line"], str(p["reason"])) for p in json.loads(problems) if p["refused"] == "row")
        out.append(SourceOfRuns(uri, sha256, count, imported_at, refused))
    return out


def sources_of_scores(store: Store, eval_ids: Sequence[str]) -> list[SourceOfRuns]:
    """Return the files that scores came from, in the order of their paths; see `sources_of`."""
    return _sources(store, "evals", "eval_id", eval_ids)


def is_simulated(store: Store, run_ids: Sequence[str]) -> bool:
    """Tell whether all runs say of themselves, in a column ``simulated``, that no model was trained."""
    known, _ = store.query("SELECT * FROM runs_final LIMIT 0")
    if "simulated" not in known:
        return False
    _, [(answer,)] = store.query(
        "SELECT bool_and(coalesce(TRY_CAST(simulated AS BOOLEAN), false)) FROM runs_final "
        "WHERE run_id IN (SELECT unnest(?))",
        [list(run_ids)],
    )
    return bool(answer)
