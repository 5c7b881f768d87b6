"""Values of logs on their way to the store: held outside of it, and cleaned of what was logged twice.

A batch of sources is read into a database of its own, which spills to disk, so that memory stays flat and the store is
open for writing no longer than writing takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from db.cells import MISSING, numbers_from_floats
from db.readers.found import NO_STEP, Restart, Values
from db.sql_arrays import registered, texts
from db.temporary import temporary_folder

_HELD = 500_000
_PARTS = 20_000  # arrays of few values weigh more than their values
_MEMORY = "500MB"

# A later word replaces an earlier one. Where a step goes back, the run was started again from there, so that what an
# abandoned end had logged beyond is void too: a value stays only if all that is logged after it has a larger step.
# Most metrics only ever rise, which is seen when they come in; only the others have to be sorted.
_KEPT = """
CREATE TABLE sorted AS
SELECT run, metric, step, tokens, value, status, digits
FROM (
    SELECT *,
        CASE WHEN upserts THEN NULL ELSE min(nullif(step, -1)) OVER (
            PARTITION BY run, metric ORDER BY seq ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) END AS later,
        (row_number() OVER (PARTITION BY run, metric, step ORDER BY seq DESC) > 1) AS repeated,
        {voided} AS voided
    FROM staged AS v SEMI JOIN fallen USING (run, metric)
)
WHERE NOT repeated AND NOT voided AND (later IS NULL OR step < later OR step = -1);
CREATE VIEW kept AS
SELECT run, metric, step, tokens, value, status, digits FROM staged ANTI JOIN fallen USING (run, metric)
UNION ALL
SELECT * FROM sorted
"""
_ALL_KEPT = "CREATE VIEW kept AS SELECT run, metric, step, tokens, value, status, digits FROM staged"
_VOIDED = "coalesce((SELECT min(r.step) FROM restarts AS r WHERE r.run = v.run AND r.seq > v.seq) <= v.step, FALSE)"
_COUNTS = """
SELECT coalesce(k.run, d.run), k.n, k.last, coalesce(d.n_repeated, 0), coalesce(d.n_voided, 0), d.first
FROM (SELECT run, count(*) AS n, max(step) AS last FROM kept GROUP BY run) AS k
FULL JOIN (
    SELECT run, sum(n - 1) AS n_repeated, count(*) FILTER (NOT stays) AS n_voided, min(step) FILTER (NOT stays) AS first
    FROM (
        SELECT a.run, a.step, a.n, k.run IS NOT NULL AS stays
        FROM (
            SELECT run, metric, step, count(*) AS n FROM staged SEMI JOIN fallen USING (run, metric) GROUP BY ALL
        ) AS a
        LEFT JOIN sorted AS k ON k.run = a.run AND k.metric = a.metric AND k.step = a.step
    )
    GROUP BY run
) AS d ON d.run = k.run
"""

# Tokens of a step: as the log has them beside the value, else by the run's own counter, else by the batch. Beyond the
# ends of a counter of tokens they grow by the batch; a counter of steps says nothing beyond its last.
_BY_COUNTER = """
CREATE TABLE by_counter AS
WITH counts AS (
    SELECT k.run, k.step, k.value * c.factor AS tokens FROM kept AS k JOIN counting AS c USING (run, metric)
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
            WHEN low.step IS NOT NULL THEN low.tokens + coalesce((k.step - low.step) * b.batch, 0)
            WHEN high.step > 0 THEN high.tokens * k.step / high.step
        END
    ) AS tokens
FROM kept AS k
SEMI JOIN counting AS c ON c.run = k.run
LEFT JOIN batches AS b ON b.run = k.run
ASOF LEFT JOIN counts AS low ON low.run = k.run AND low.step <= k.step
ASOF LEFT JOIN counts AS high ON high.run = k.run AND high.step >= k.step
"""
_BY_BATCH = """
SELECT k.run, k.metric, k.step, k.value, k.status, k.digits,
    coalesce(k.tokens, CASE WHEN k.step >= 0 THEN k.step * b.batch END) AS tokens
FROM kept AS k LEFT JOIN batches AS b ON b.run = k.run
"""


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


@dataclass(frozen=True)
class Last:
    """How a metric of a run ended.

    Parameters
    ----------
    run, metric : int
        Their numbers.
    value : float or None
        At the last step; None where it is no number there.
    finite : float or None
        The last value that is a number.
    """

    run: int
    metric: int
    value: float | None
    finite: float | None


@dataclass(frozen=True)
class Growth:
    """How a metric that may count something went.

    Parameters
    ----------
    run, metric : int
        Their numbers.
    first, last : float
        First and last value.
    first_step, last_step : int
        At which steps.
    grew : bool
        Whether it never fell.
    """

    run: int
    metric: int
    first: float
    last: float
    first_step: int
    last_step: int
    grew: bool

    @property
    def counts(self) -> bool:
        """Whether it grew in step with the steps, from nothing on: tokens of one batch do not."""
        if not self.grew or self.first < 0 or self.last <= self.first or self.last_step <= self.first_step:
            return False
        rate = (self.last - self.first) / (self.last_step - self.first_step)
        return abs(self.first - rate * self.first_step) <= self.last / 2


class Stage:
    """A place for the values of some runs. Use it with ``with``.

    Runs and metrics are numbered by whoever fills it.
    """

    def __init__(self) -> None:
        self._folder = temporary_folder("ingest")
        settings: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": self._folder.name,
            "memory_limit": _MEMORY,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
        self.connection = duckdb.connect(":memory:", config=settings)
        self._run("SET enable_progress_bar = false")  # which an interactive Python would have on standard output
        self._run(
            "CREATE TABLE staged (run INTEGER, metric INTEGER, seq BIGINT, step BIGINT, tokens DOUBLE, value DOUBLE, "
            "status UTINYINT, digits SMALLINT, upserts BOOLEAN); "
            "CREATE TABLE restarts (run INTEGER, seq BIGINT, step BIGINT)"
        )
        self._parts: list[dict[str, NDArray[np.generic]]] = []
        self._n_held = 0
        self._last: dict[tuple[int, int], int] = {}
        self._fallen: set[tuple[int, int]] = set()
        self._restarted: set[int] = set()
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
        if n == 0:
            return
        steps = values.step
        before = self._last.get((run, metric))
        if (before is not None and steps[0] <= before) or bool(np.any(steps[1:] <= steps[:-1])):
            self._fallen.add((run, metric))
        self._last[run, metric] = int(steps[-1])
        status = numbers_from_floats(values.value).status
        if values.missing is not None:
            status = np.where(values.missing, MISSING, status).astype(np.uint8)
        self._hold(
            {
                "run": np.full(n, run, dtype=np.int32),
                "metric": np.full(n, metric, dtype=np.int32),
                "step": steps,
                "tokens": np.full(n, np.nan) if values.tokens is None else values.tokens,
                "value": np.where(status == 0, values.value, np.nan),
                "status": status,
                "digits": np.full(n, values.digits or 0, dtype=np.int16),
                "upserts": np.full(n, upserts),
            }
        )

    def add_stepless(self, run: int, metrics: Sequence[int], values: Sequence[float]) -> None:
        """Take one value each of metrics of a run, none at a step; many at once, for a table may have thousands."""
        n = len(metrics)
        for metric in metrics:
            if (run, metric) in self._last:
                self._fallen.add((run, metric))
            self._last[run, metric] = NO_STEP
        if n:
            numbers = numbers_from_floats(np.asarray(values, dtype=np.float64))
            self._hold(
                {
                    "run": np.full(n, run, dtype=np.int32),
                    "metric": np.asarray(metrics, dtype=np.int32),
                    "step": np.full(n, NO_STEP, dtype=np.int64),
                    "tokens": np.full(n, np.nan),
                    "value": np.where(numbers.status == 0, numbers.values, np.nan),
                    "status": numbers.status,
                    "digits": np.zeros(n, dtype=np.int16),
                    "upserts": np.zeros(n, dtype=bool),
                }
            )

    def restart(self, run: int, found: Restart) -> None:
        """Void what the run has logged so far from a step on."""
        self._restarted.add(run)
        self.connection.execute("INSERT INTO restarts VALUES (?, ?, ?)", [run, self.n_values, found.step]).fetchall()

    def _hold(self, part: dict[str, NDArray[np.generic]]) -> None:
        """Keep a part of the values in memory, in their order, until they are enough to be moved."""
        n = part["run"].size
        self._parts.append(part | {"seq": np.arange(self.n_values, self.n_values + n, dtype=np.int64)})
        self.n_values += n
        self._n_held += n
        if self._n_held >= _HELD or len(self._parts) >= _PARTS:
            self._spill()

    def forget(self, runs: Sequence[int]) -> None:
        """Take the values of runs out again: their source could not be read."""
        self._spill()
        gone = set(runs)
        self._fallen = {pair for pair in self._fallen if pair[0] not in gone}
        sql = "DELETE FROM staged WHERE list_contains(CAST(? AS INTEGER[]), run)"
        self.connection.execute(sql, [list(runs)]).fetchall()

    def settle(self, metrics: Sequence[str]) -> dict[int, Counts]:
        """Keep the last word of each step, and count; by run. The metrics are named in the order of their numbers."""
        self._spill()
        names = {"metric": np.arange(len(metrics), dtype=np.int32), "name": texts(metrics)}
        self._table("metric_names", "metric INTEGER, name VARCHAR", names)
        again = sorted(self._fallen | {pair for pair in self._last if pair[0] in self._restarted})
        if not again:
            self._run(_ALL_KEPT)
            rows = self._run("SELECT run, count(*), max(step), 0, 0, NULL FROM staged GROUP BY run")
        else:
            pairs = np.array(again, dtype=np.int32)
            self._table("fallen", "run INTEGER, metric INTEGER", {"run": pairs[:, 0], "metric": pairs[:, 1]})
            self._run(_KEPT.format(voided=_VOIDED if self._restarted else "FALSE"))
            rows = self._run(_COUNTS)
        return {
            run: Counts(n or 0, repeated, voided, first, None if last == NO_STEP else last)
            for run, n, last, repeated, voided, first in rows
        }

    def _spill(self) -> None:
        """Move what is held in arrays into the table."""
        if not self._parts:
            return
        batch = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        self._parts, self._n_held = [], 0
        with registered(self.connection, {"_batch": batch}):
            self._run(
                "INSERT INTO staged SELECT run, metric, seq, step, "
                "CASE WHEN tokens >= 0 AND isfinite(tokens) THEN tokens END, "
                "CASE WHEN isnan(value) THEN NULL ELSE value END, status, nullif(digits, 0), upserts FROM _batch"
            )

    def last_values(self) -> Iterator[Last]:
        """How each metric of each run ended."""
        rows = self._run(
            "SELECT run, metric, arg_max(struct_pack(value := value), step).value, "
            "arg_max(value, step) FILTER (value IS NOT NULL) FROM kept GROUP BY run, metric"
        )
        yield from (Last(*row) for row in rows)

    def growth(self, metrics: Sequence[int]) -> Iterator[Growth]:
        """How some metrics went, in each run that logged them."""
        if not metrics:
            return
        with registered(self.connection, {"_asked": {"metric": np.array(metrics, dtype=np.int32)}}):
            rows = self._run(
                "SELECT run, metric, arg_min(value, step), arg_max(value, step), min(step), max(step), "
                "bool_and(value >= before) FROM (SELECT run, metric, step, value, "
                "coalesce(lag(value) OVER (PARTITION BY run, metric ORDER BY step), value) AS before "
                "FROM kept SEMI JOIN _asked USING (metric) WHERE value IS NOT NULL AND step >= 0) GROUP BY run, metric"
            )
        yield from (Growth(*row) for row in rows)

    def digests(self) -> dict[int, str]:
        """Of each run: a digest of its values, that does not depend on their order in the log."""
        rows = self._run(
            "SELECT run, bit_xor(hash(m.name, step, value, status, digits, tokens)) FROM counted "
            "JOIN metric_names AS m USING (metric) GROUP BY run"
        )
        return {run: f"{digest:016x}" for run, digest in rows}

    def count_tokens(self, batch: Mapping[int, float], counters: Mapping[int, tuple[int, float]]) -> None:
        """Say how many tokens were seen at each step.

        Parameters
        ----------
        batch : mapping of int to float
            Tokens a step, by run.
        counters : mapping of int to (int, float)
            The metric that counts tokens, or something else times a factor, by run; between its steps tokens grow
            evenly, and beyond them by the batch.
        """
        sizes = {"run": np.array(list(batch), dtype=np.int32), "batch": np.array(list(batch.values()), dtype=float)}
        self._table("batches", "run INTEGER, batch DOUBLE", sizes)
        if not counters:
            self._run(f"CREATE VIEW counted AS {_BY_BATCH}")
            return
        metrics, factors = zip(*counters.values(), strict=True)
        counting = {
            "run": np.array(list(counters), dtype=np.int32), "metric": np.array(metrics, dtype=np.int32),
            "factor": np.array(factors, dtype=float),
        }  # fmt: skip
        self._table("counting", "run INTEGER, metric INTEGER, factor DOUBLE", counting)
        self._run(_BY_COUNTER)
        self._run(
            f"CREATE VIEW counted AS {_BY_BATCH} ANTI JOIN counting AS c ON c.run = k.run "
            "UNION ALL SELECT run, metric, step, value, status, digits, tokens FROM by_counter"
        )

    def write(self, runs: Mapping[int, str]) -> str:
        """Write the values of some runs to a Parquet file, under their names in the store; gives its path."""
        path = f"{self._folder.name}/values.parquet"
        names = {"run": np.array(list(runs), dtype=np.int32), "run_id": texts(list(runs.values()))}
        self._table("run_names", "run INTEGER, run_id VARCHAR", names)
        self._run(
            "COPY (SELECT r.run_id, m.name AS metric, nullif(step, -1) AS step, tokens, value, status, digits "
            "FROM counted JOIN run_names AS r USING (run) JOIN metric_names AS m USING (metric) "
            f"ORDER BY run, metric, step) TO '{path}' (FORMAT parquet)"
        )
        return path

    def _table(self, name: str, columns: str, content: dict[str, NDArray[np.generic]]) -> None:
        self._run(f"CREATE OR REPLACE TABLE {name} ({columns})")
        if next(iter(content.values())).size:
            with registered(self.connection, {"_content": content}):
                self._run(f"INSERT INTO {name} SELECT * FROM _content")

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()
