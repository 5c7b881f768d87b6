"""Values of logs on their way to the store: held outside of it, and cleaned of what was logged twice.

A batch of sources is read into a database of its own, which spills to disk, so that memory stays flat and the store is
open for writing no longer than writing takes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import duckdb
import numpy as np
from numpy.typing import NDArray

from db.cells import MISSING, numbers_from_floats
from db.readers.found import NO_STEP, Restart, Values

_HELD = 500_000
_MEMORY = "1GB"

# A later word replaces an earlier one. Where a step goes back, the run was started again from there, so that what an
# abandoned end had logged beyond is void too: a value stays only if all that is logged after it has a larger step.
_KEPT = """
CREATE TABLE kept AS
SELECT run, metric, step, tokens, value, status, digits, later, voided
FROM (
    SELECT *,
        CASE WHEN upserts THEN NULL ELSE min(nullif(step, -1)) OVER (
            PARTITION BY run, metric ORDER BY seq ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) END AS later,
        (row_number() OVER (PARTITION BY run, metric, step ORDER BY seq DESC) > 1) AS repeated,
        {voided} AS voided
    FROM staged AS v
)
WHERE NOT repeated AND NOT voided AND (later IS NULL OR step < later OR step = -1)
"""


# Tokens of a step: as the log has them beside the value, else by the run's own counter, else by the batch.
_COUNTED = """
CREATE TABLE counted AS
WITH counts AS (
    SELECT k.run, k.step, k.value AS tokens FROM kept AS k JOIN counting USING (run, metric)
    WHERE k.value >= 0 AND k.step >= 0
)
SELECT
    k.run, k.metric, k.step, k.value, k.status, k.digits,
    coalesce(
        k.tokens,
        CASE
            WHEN k.step < 0 THEN NULL
            WHEN low.step = k.step THEN low.tokens
            WHEN low.step IS NOT NULL AND high.step IS NOT NULL
                THEN low.tokens + (high.tokens - low.tokens) * (k.step - low.step) / (high.step - low.step)
            WHEN low.step IS NOT NULL THEN low.tokens + (k.step - low.step) * b.batch
            WHEN high.step IS NOT NULL THEN high.tokens * k.step / high.step
        END,
        CASE WHEN k.step >= 0 THEN k.step * b.batch END
    ) AS tokens
FROM kept AS k
LEFT JOIN batches AS b ON b.run = k.run
ASOF LEFT JOIN counts AS low ON low.run = k.run AND low.step <= k.step
ASOF LEFT JOIN counts AS high ON high.run = k.run AND high.step >= k.step
"""
_VOIDED = "coalesce((SELECT min(r.step) FROM restarts AS r WHERE r.run = v.run AND r.seq > v.seq) <= v.step, FALSE)"


@dataclass(frozen=True)
class Counts:
    """What became of the values of a run.

    Parameters
    ----------
    n_values : int
        Values that are kept.
    n_repeated : int
        Values of a step that was logged again; the later one is kept.
    n_voided : int
        Values beyond a step from which the run was started again.
    first_voided : int or None
        The first step of those.
    last_step : int or None
        Largest step that is kept.
    """

    n_values: int
    n_repeated: int
    n_voided: int
    first_voided: int | None
    last_step: int | None


class Stage:
    """A place for the values of some runs. Use it with ``with``.

    Runs and metrics are numbered by whoever fills it.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="scaling-ingest-")
        settings: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": self._folder.name,
            "memory_limit": _MEMORY,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
        self.connection = duckdb.connect(":memory:", config=settings)
        self.connection.execute(
            "CREATE TABLE staged (run INTEGER, metric INTEGER, seq BIGINT, step BIGINT, tokens DOUBLE, value DOUBLE, "
            "status UTINYINT, digits SMALLINT, upserts BOOLEAN); "
            "CREATE TABLE restarts (run INTEGER, seq BIGINT, step BIGINT)"
        ).fetchall()
        self._parts: list[dict[str, NDArray[np.generic]]] = []
        self._n_held = 0
        self._restarted = False
        self.n_values = 0

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()
        self._folder.cleanup()

    def add(self, run: int, metric: int, values: Values, *, upserts: bool) -> None:
        """Take values of a run, in the order of its log."""
        n = values.step.size
        status = numbers_from_floats(values.value).status
        if values.missing is not None:
            status = np.where(values.missing, MISSING, status).astype(np.uint8)
        nothing = np.full(n, np.nan)
        self._parts.append(
            {
                "run": np.full(n, run, dtype=np.int32),
                "metric": np.full(n, metric, dtype=np.int32),
                "seq": np.arange(self.n_values, self.n_values + n, dtype=np.int64),
                "step": values.step,
                "tokens": nothing if values.tokens is None else values.tokens,
                "value": np.where(status == 0, values.value, np.nan),
                "status": status,
                "digits": np.full(n, values.digits or 0, dtype=np.int16),
                "upserts": np.full(n, upserts),
            }
        )
        self.n_values += n
        self._n_held += n
        if self._n_held >= _HELD:
            self._spill()

    def restart(self, run: int, found: Restart) -> None:
        """Void what the run has logged so far from a step on."""
        self._restarted = True
        self.connection.execute("INSERT INTO restarts VALUES (?, ?, ?)", [run, self.n_values, found.step]).fetchall()

    def forget(self, runs: list[int]) -> None:
        """Take the values of runs out again: their source could not be read."""
        self._spill()
        self.connection.execute("DELETE FROM staged WHERE list_contains(CAST(? AS INTEGER[]), run)", [runs]).fetchall()

    def settle(self) -> dict[int, Counts]:
        """Keep the last word of each step, and count; by run."""
        self._spill()
        self.connection.execute(_KEPT.format(voided=_VOIDED if self._restarted else "FALSE")).fetchall()
        rows = self.connection.execute(
            "SELECT s.run, s.n, k.n, k.last, s.n_distinct, v.first FROM "
            "(SELECT run, count(*) AS n, count(DISTINCT (metric, step)) AS n_distinct FROM staged GROUP BY run) AS s "
            "LEFT JOIN (SELECT run, count(*) AS n, max(step) AS last FROM kept GROUP BY run) AS k USING (run) "
            "LEFT JOIN (SELECT run, min(step) AS first FROM (SELECT run, metric, step FROM staged EXCEPT "
            "SELECT run, metric, step FROM kept) GROUP BY run) AS v USING (run)"
        ).fetchall()
        return {
            run: Counts(kept or 0, n - distinct, distinct - (kept or 0), first, None if last == NO_STEP else last)
            for run, n, kept, last, distinct, first in rows
        }

    def _spill(self) -> None:
        """Move what is held in arrays into the table."""
        if not self._parts:
            return
        batch = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        self._parts, self._n_held = [], 0
        self.connection.register("_batch", batch)
        self.connection.execute(
            "INSERT INTO staged SELECT run, metric, seq, step, CASE WHEN isnan(tokens) THEN NULL ELSE tokens END, "
            "CASE WHEN isnan(value) THEN NULL ELSE value END, status, nullif(digits, 0), upserts FROM _batch"
        ).fetchall()
        self.connection.unregister("_batch")

    def last_values(self) -> Iterator[tuple[int, int, float, float, bool]]:
        """Of each run and metric: the last and the first value that are numbers, and whether it never fell."""
        rows = self.connection.execute(
            "SELECT run, metric, arg_max(value, step), arg_min(value, step), "
            "bool_and(value >= before) FROM (SELECT run, metric, step, value, "
            "coalesce(lag(value) OVER (PARTITION BY run, metric ORDER BY step), value) AS before "
            "FROM kept WHERE value IS NOT NULL) GROUP BY run, metric"
        ).fetchall()
        yield from rows

    def digests(self) -> dict[int, str]:
        """Of each run: a digest of its values, that does not depend on their order in the log."""
        rows = self.connection.execute(
            "SELECT run, bit_xor(hash(m.name, step, value, status, digits, tokens)) FROM kept JOIN metric_names AS m "
            "USING (metric) GROUP BY run"
        ).fetchall()
        return {run: f"{digest:016x}" for run, digest in rows}

    def name_metrics(self, names: list[str]) -> None:
        """Say what the metrics are called, in the order of their numbers."""
        self.connection.execute("CREATE OR REPLACE TABLE metric_names (metric INTEGER, name VARCHAR)").fetchall()
        if names:
            self.connection.executemany("INSERT INTO metric_names VALUES (?, ?)", list(enumerate(names)))

    def count_tokens(self, batch: dict[int, float], counters: dict[int, int]) -> None:
        """Say how many tokens were seen at each step.

        Parameters
        ----------
        batch : dict of int to float
            Tokens a step, by run.
        counters : dict of int to int
            The metric that counts tokens, by run; between its steps tokens grow evenly, and beyond them by the batch.
        """
        self.connection.execute(
            "CREATE TABLE batches (run INTEGER, batch DOUBLE); CREATE TABLE counting (run INTEGER, metric INTEGER)"
        ).fetchall()
        if batch:
            self.connection.executemany("INSERT INTO batches VALUES (?, ?)", [list(pair) for pair in batch.items()])
        if counters:
            self.connection.executemany("INSERT INTO counting VALUES (?, ?)", [list(pair) for pair in counters.items()])
        self.connection.execute(_COUNTED).fetchall()

    def write(self, runs: list[tuple[int, str]]) -> str:
        """Write the values of some runs to a Parquet file, under their names in the store; gives its path."""
        path = f"{self._folder.name}/values.parquet"
        self.connection.execute("CREATE OR REPLACE TABLE run_names (run INTEGER, run_id VARCHAR)").fetchall()
        self.connection.executemany("INSERT INTO run_names VALUES (?, ?)", [list(pair) for pair in runs])
        self.connection.execute(
            "COPY (SELECT r.run_id, m.name AS metric, nullif(step, -1) AS step, tokens, value, status, digits "
            "FROM counted JOIN run_names AS r USING (run) JOIN metric_names AS m USING (metric) "
            f"ORDER BY run, metric, step) TO '{path}' (FORMAT parquet)"
        ).fetchall()
        return path
