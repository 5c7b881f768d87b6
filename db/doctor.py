"""What is wrong, or odd, with what a store holds: one check a question, each with what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from db.facts.rules import TOKENS_PERHAPS, TOKENS_SEEN
from db.log_files import files_of, fingerprint, states_of
from db.log_known import plain_path
from db.log_registry import lies_at
from db.readers.format import Level, Sign
from db.readers.sniff import best_signs
from db.readers.table import file_sha256
from scaling.errors import InputDataError, ReadError
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


#: Metrics whose last part is a name by which logs count tokens.
_COUNTS_TOKENS = (
    "replace(lower(regexp_extract(metric, '[^/.]+$')), ' ', '_') IN ("
    + ", ".join(f"'{name}'" for name in sorted({name.rpartition(".")[2] for name in (*TOKENS_SEEN, *TOKENS_PERHAPS)}))
    + ")"
)
# Name, severity, SQL that gives one name a row, what, remedy.
_CHECKS = (
    (
        "duplicate values", "wrong",
        "SELECT DISTINCT run_id || ' ' || metric FROM (SELECT run_id, metric FROM metrics "
        "GROUP BY run_id, metric, coalesce(step, -1) HAVING count(*) > 1)",
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
        "sizes that were estimated", "odd",
        "SELECT run_id FROM run_facts WHERE fact = 'n_params' AND rule LIKE 'estimated %' AND run_id NOT IN "
        "(SELECT run_id FROM corrections WHERE fact = 'n_params')",
        "Numbers of parameters follow from a shape whose family is not known: they may be a third off",
        "scaling show RUN says how; scaling set RUN n_params=124M",
    ),
    (
        "facts in doubt", "odd",
        "SELECT DISTINCT run_id || ' ' || fact FROM run_facts AS f WHERE (rule LIKE 'in doubt: %' OR "
        "rule LIKE 'missing: keys that disagree%') AND NOT EXISTS (SELECT 1 FROM corrections AS c "
        "WHERE c.run_id = f.run_id AND c.fact = f.fact)",
        "What logs say of their runs does not fit together",
        "scaling show RUN says which keys; scaling set RUN FACT=VALUE",
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
        "OR compute_flop > 1e30 OR loss <= 0 UNION "
        "SELECT run_id FROM runs WHERE try_cast(extra->>'learning_rate' AS DOUBLE) > 100 "
        "OR try_cast(extra->>'learning_rate' AS DOUBLE) < 0 OR try_cast(extra->>'batch_tokens' AS DOUBLE) < 1",
        "Sizes, tokens, compute, losses, batches or learning rates that no run has",
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
        # Of a log, a counter that falls is no count of tokens and is not kept as one; but it is a metric. What varies
        # from step to step is the tokens of a batch and no counter.
        "token counters that fall", "wrong",
        "WITH gains AS (SELECT run_id, metric, value - lag(value) OVER (PARTITION BY run_id, metric ORDER BY step) AS "
        f"gain FROM metrics WHERE step IS NOT NULL AND {_COUNTS_TOKENS}) SELECT run_id || ' ' || metric FROM gains "
        "GROUP BY run_id, metric HAVING count(*) FILTER (gain < 0) BETWEEN 1 AND count(gain) // 10",
        "A counter of tokens falls while steps rise",
        "The log mixes runs, or its counter starts anew after a restart: scaling set RUN n_tokens=2.5B",
    ),
    (
        "losses in other units", "odd",
        "WITH ends AS (SELECT metric, run_id, loss, median(loss) OVER (PARTITION BY metric) AS usual, "
        "count(*) OVER (PARTITION BY metric) AS n FROM runs_final WHERE loss > 0) "
        "SELECT run_id FROM ends WHERE n >= 8 AND (loss > 20 * usual OR loss < usual / 20)",
        "Losses are twenty times off those of the other runs with that metric: most likely sums, or another unit",
        "Convert them in a mapping, or give the metric another name.",
    ),
    (
        "losses that may be perplexities", "odd",
        "WITH ends AS (SELECT metric, run_id, loss, median(loss) OVER (PARTITION BY metric) AS usual, "
        "count(*) OVER (PARTITION BY metric) AS n FROM runs_final WHERE loss > 0) "
        "SELECT run_id FROM ends WHERE n >= 8 AND loss > 3 * usual AND abs(ln(loss) / usual - 1) < 0.15",
        "The logarithms of losses are what the other runs with that metric have as their losses",
        "If they are perplexities, take their logarithm in a mapping.",
    ),
    (
        "losses of several units", "odd",
        "WITH shown AS (SELECT r.run_id, d.unit, count(*) OVER (PARTITION BY d.unit) AS n FROM runs AS r JOIN "
        "metric_defs AS d ON d.metric = r.loss_metric WHERE d.unit <> 'unknown') SELECT run_id || ' in ' || unit "
        "FROM shown WHERE unit <> (SELECT arg_max(unit, struct_pack(n := n, unit := unit)) FROM shown)",
        "The losses of runs are of another unit than those of most runs",
        "No law holds for both: fit them apart, scaling fit --metric NAME.",
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
        "Read them again when they are done, or leave them out: --where \"state IS DISTINCT FROM 'running'\"",
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
    here = [row for row in rows if os.path.isabs(row[0])]  # and not an address that is asked over the network
    gone = [uri for uri, *_ in here if not lies_at(uri)]
    if gone:
        yield Finding(
            "sources that are gone", "odd", "Files that runs came from are not there any more.", len(gone),
            tuple(gone[:_NAMED]), "Nothing, if they were moved; what was read of them is in the store.",
        )  # fmt: skip
    _, files = store.query("SELECT uri, path, n_bytes, modified_ns FROM source_files JOIN sources USING (source_id)")
    known: dict[str, dict[str, tuple[int, int]]] = {}
    for uri, path, n_bytes, modified_ns in files:
        known.setdefault(uri, {})[path] = (n_bytes, modified_ns)
    changed = [
        uri
        for uri, read_at, sha256 in here
        if lies_at(uri) and (_differs(uri, known[uri], sha256) if uri in known else _touched(uri, read_at, sha256))
    ]
    if changed:
        yield Finding(
            "sources that changed", "odd", "Files changed since they were read.", len(changed),
            tuple(changed[:_NAMED]), "Read them again: scaling ingest PATH",
        )  # fmt: skip


def _differs(uri: str, before: dict[str, tuple[int, int]], sha256: str) -> bool:
    """Whether a log changed: by the size of its files, and where only their times are new by what is in them."""
    name = uri.rpartition("#")[2] if not os.path.exists(uri) else None
    path = Path(uri if name is None else uri.rpartition("#")[0])
    try:
        sign = _sign(path, name)
        if sign is None:
            return True
        files = files_of(path, sign)
        now = {plain_path(state.path): (state.n_bytes, state.modified_ns) for state in states_of(files)}
        if now == before:
            return False
        sizes = [{file: n_bytes for file, (n_bytes, _) in states.items()} for states in (now, before)]
        return sizes[0] != sizes[1] or fingerprint(path, files) != sha256
    except (ReadError, OSError):
        return True  # a file of it is gone, or cannot be read any more


def _sign(path: Path, name: str | None) -> Sign | None:
    """By what a log is known now; None where a directory is none of its format any more."""
    try:
        signs = {one.NAME: sign for one, sign in best_signs(path)}
    except InputDataError:
        signs = {}
    if name is not None:
        return signs.get(name)
    return next(iter(signs.values()), None if path.is_dir() else Sign(Level.ENDING, "it was read"))


def _touched(uri: str, read_at: datetime, sha256: str) -> bool:
    """Whether a table was written to after it was read, and says something else now."""
    try:
        file = Path(uri)
        if not file.is_file() or file.stat().st_mtime <= read_at.replace(tzinfo=UTC).timestamp():
            return False
        return file_sha256(file) != sha256
    except (OSError, InputDataError):
        return True


def summary_of(findings: list[Finding]) -> str:
    """Say in a sentence what was found."""
    if not findings:
        return "Nothing is wrong or odd with what the store holds."
    wrong = sum(one.severity == "wrong" for one in findings)
    return f"{format_plural(len(findings), 'finding')}: {wrong} wrong, {len(findings) - wrong} odd."
