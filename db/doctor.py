"""What is wrong, or odd, with what a store holds: one check a question, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from db.log_files import states_of
from db.readers.table import file_sha256
from scaling.errors import ReadError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store

#: What can be found; the first are errors, the others worth a look.
SEVERITIES = ("wrong", "odd")
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """Something that is wrong or odd.

    Parameters
    ----------
    check : str
        Name of the check.
    severity : str
        One of `SEVERITIES`.
    what : str
        A sentence.
    count : int
        Runs, scores or sources that it is about.
    names : tuple of str
        The first of them.
    remedy : str
        What to do about it.
    """

    check: str
    severity: str
    what: str
    count: int
    names: tuple[str, ...]
    remedy: str

    def to_dict(self) -> dict[str, object]:
        """The finding as a row of plain values."""
        return {
            "check": self.check, "severity": self.severity, "count": self.count, "what": self.what,
            "names": list(self.names), "remedy": self.remedy,
        }  # fmt: skip


def examine(store: Store) -> list[Finding]:
    """Look for what is wrong or odd with what a store holds; writes nothing.

    Parameters
    ----------
    store : Store
        An open store.

    Returns
    -------
    list of Finding
        What is wrong first.
    """
    found = [*_by_sql(store), *_changed_sources(store)]
    return sorted(found, key=lambda one: SEVERITIES.index(one.severity))


# Name, severity, SQL that gives one name a row, what, remedy.
_CHECKS = (
    (
        "duplicate values", "wrong",
        "SELECT run_id || ' ' || metric FROM metrics WHERE step IS NOT NULL GROUP BY run_id, metric "
        "HAVING count(*) > count(DISTINCT step)",
        "Metrics of runs have several values at one step",
        "Read the source again, or tell apart the runs that it mixes.",
    ),
    (
        "values without a run", "wrong",
        "SELECT DISTINCT run_id FROM metrics WHERE run_id NOT IN (SELECT run_id FROM runs)",
        "There are values of runs that are not there",
        "scaling sql cannot mend it; read their sources again.",
    ),
    (
        "duplicate runs", "odd",
        "SELECT string_agg(run_id, ' = ' ORDER BY run_id) FROM runs_final WHERE loss IS NOT NULL AND step > 1 "
        "GROUP BY n_params, n_tokens, step, loss, metric HAVING count(*) > 1",
        "Runs that end at the same step with the very same loss, size and tokens are most likely one run",
        "Keep one: scaling rm run NAME. Kept twice, a run weighs double in every fit.",
    ),
    (
        "runs without N", "odd",
        "SELECT run_id FROM runs WHERE n_params IS NULL",
        "Runs without a number of parameters cannot be fitted over N",
        "scaling show RUN says what is missing; scaling set RUN n_params=124M",
    ),
    (
        "runs without D", "odd",
        "SELECT run_id FROM runs_final WHERE n_tokens IS NULL",
        "Runs without a number of tokens cannot be fitted over D",
        "scaling show RUN says what is missing; scaling set RUN n_tokens=2.5B",
    ),
    (
        "runs without a loss", "odd",
        "SELECT run_id FROM runs_final WHERE loss_status = 'missing'",
        "Runs have no value of the metric that is shown as their loss",
        "Name another with --metric when they are read, or in scaling fit.",
    ),
    (
        "diverged runs", "odd",
        "SELECT run_id FROM runs_final WHERE loss_status IN ('nan', 'inf', '-inf')",
        "Runs ended with a loss that is no number; fits leave them out",
        "Nothing, if they diverged.",
    ),
    (
        "impossible values", "wrong",
        "SELECT run_id FROM runs_final WHERE n_params < 100 OR n_tokens < 100 OR n_params > 1e15 OR n_tokens > 1e17 "
        "OR compute_flop > 1e30 OR loss < 0",
        "Sizes, tokens, compute or losses that no run has",
        "Perhaps another unit: scaling set RUN n_params=..., or a mapping with a factor.",
    ),
    (
        "compute far from 6ND", "odd",
        "SELECT run_id FROM runs WHERE abs(log10(compute_flop / (6 * n_params * n_tokens))) > 0.5",
        "The compute that is given is more than three times off 6 N D",
        "A mixture of experts, N without embeddings, or another unit.",
    ),
    (
        "tokens that decrease", "wrong",
        "SELECT DISTINCT run_id FROM (SELECT run_id, tokens - lag(tokens) OVER (PARTITION BY run_id, metric "
        "ORDER BY step) AS gain FROM metrics WHERE step IS NOT NULL) WHERE gain < 0",
        "Tokens fall while steps rise",
        "The log mixes runs, or its counter starts anew after a restart: scaling show RUN.",
    ),
    (
        "losses in other units", "odd",
        "WITH ends AS (SELECT metric, run_id, loss, median(loss) OVER (PARTITION BY metric) AS usual, "
        "count(*) OVER (PARTITION BY metric) AS n FROM runs_final WHERE loss > 0) "
        "SELECT run_id FROM ends WHERE n >= 8 AND (loss > 20 * usual OR loss < usual / 20)",
        "Losses are twenty times off those of the other runs with that metric: bits, sums or perplexities",
        "Convert them in a mapping, or give the metric another name.",
    ),
    (
        "losses of few digits", "odd",
        "SELECT DISTINCT m.run_id FROM metrics AS m JOIN runs AS r ON r.run_id = m.run_id AND r.loss_metric = m.metric "
        "WHERE m.significant_digits <= 3",
        "Losses were printed with three digits, an error of up to 0.5 % of each",
        "Read the tracker of the run and not its text log, if there is one.",
    ),
    (
        "runs that go on", "odd",
        "SELECT run_id FROM run_logs WHERE state = 'running'",
        "Runs were going on when they were read: their last loss is not their end",
        "Read them again when they are done, or leave them out: --where \"state <> 'running'\"",
    ),
    (
        "scores without compute", "odd",
        "SELECT DISTINCT model FROM scores WHERE compute_flop IS NULL",
        "Scores of models without compute are left out of every boundary",
        "Join a table of computes: scaling ingest SCORES --models FILE.",
    ),
)  # fmt: skip


def _by_sql(store: Store) -> Iterator[Finding]:
    for check, severity, sql, what, remedy in _CHECKS:
        _, rows = store.query(f"SELECT name, count(*) OVER () FROM ({sql}) AS found(name) ORDER BY 1 LIMIT {_NAMED}")
        if rows:
            yield Finding(check, severity, f"{what}.", int(rows[0][1]), tuple(str(name) for name, _ in rows), remedy)


def _changed_sources(store: Store) -> Iterator[Finding]:
    """Sources whose files are gone or are not as they were."""
    _, rows = store.query("SELECT uri, imported_at, sha256 FROM sources ORDER BY uri")
    gone = [uri for uri, *_ in rows if Path(uri).is_absolute() and not _there(uri)]
    if gone:
        yield Finding(
            "sources that are gone", "odd", "Files that runs came from are not there any more.", len(gone),
            tuple(gone[:_NAMED]), "Nothing, if they were moved; what was read of them is in the store.",
        )  # fmt: skip
    _, files = store.query("SELECT uri, path, n_bytes, modified_ns FROM source_files JOIN sources USING (source_id)")
    changed = {uri for uri, path, n_bytes, modified_ns in files if _differs(path, n_bytes, modified_ns)}
    known = {uri for uri, *_ in files}
    changed |= {uri for uri, read_at, sha256 in rows if uri not in known and _touched(uri, read_at, sha256)}
    changed -= set(gone)
    if changed:
        yield Finding(
            "sources that changed", "odd", "Files changed since they were read.", len(changed),
            tuple(sorted(changed)[:_NAMED]), "Read them again: scaling ingest PATH",
        )  # fmt: skip


def _there(uri: str) -> bool:
    """Whether a source is still where it was; a part of a directory has its format behind a #."""
    return Path(uri).exists() or ("#" in uri and Path(uri.rpartition("#")[0]).exists())


def _differs(path: str, n_bytes: int, modified_ns: int) -> bool:
    try:
        state = states_of([Path(path)])[0]
    except ReadError:
        return Path(path).exists()
    return (state.n_bytes, state.modified_ns) != (n_bytes, modified_ns)


def _touched(uri: str, read_at: datetime, sha256: str) -> bool:
    """Whether a table was written to after it was read, and says something else now."""
    file = Path(uri)
    if not file.is_file() or file.stat().st_mtime <= read_at.replace(tzinfo=UTC).timestamp():
        return False
    return file_sha256(file) != sha256


def summary_of(findings: list[Finding]) -> str:
    """Say in a sentence what was found."""
    if not findings:
        return "Nothing is wrong or odd with what the store holds."
    wrong = sum(one.severity == "wrong" for one in findings)
    return f"{format_plural(len(findings), 'finding')}: {wrong} wrong, {len(findings) - wrong} odd."
