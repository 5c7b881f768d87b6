"""Facts of runs that somebody set by hand: kept, applied whenever the run is read again, and audited."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from db.audit import record
from db.facts.read import any_number, positive
from db.log_json import to_json
from db.problems import nearest
from db.sql_arrays import registered, texts
from db.views import refresh_views
from scaling.errors import UsageError

if TYPE_CHECKING:
    import duckdb

    from db.store import Store

#: What has to be a number above 0, and what is a text.
NUMBERS = ("n_params", "n_tokens", "compute_flop")
_TEXTS = ("corpus", "name")
_FIXED = ("run_id", "source_id", "loss", "loss_status", "step", "metric", "compute_rule")
#: Facts that are kept columns of a run; rules and commands ask for them by these names.
_KEPT = (
    "n_params_nonembed", "batch_tokens", "batch_seqs", "seq_len", "learning_rate", "seed", "optimizer", "schedule",
    "warmup_steps", "weight_decay", "tokenizer", "state",
)  # fmt: skip
_KEPT_NUMBERS = _KEPT[: _KEPT.index("optimizer")]
_ALIKE = 0.8
#: What a name may have more than another and be one of its own.
_LONGER = re.compile(r"[a-zA-Z0-9]+_|_[a-zA-Z0-9]+|\d+")
_LETTERS = {"N": "n_params", "D": "n_tokens", "C": "compute_flop"}


@dataclass(frozen=True)
class Correction:
    """One fact that was set.

    Parameters
    ----------
    fact : str
        Which.
    before, after : float, str or None
        Its value before and after.
    """

    fact: str
    before: float | str | None
    after: float | str | None


def correct(store: Store, run_id: str, values: Mapping[str, str | float | None]) -> list[Correction]:
    """Set facts of a run.

    Parameters
    ----------
    store : Store
        A store open for writing.
    run_id : str
        The run.
    values : mapping of str to str, float or None
        By fact (``n_params`` or ``N``, ``n_tokens``, ``compute_flop``, ``corpus``, ``name``, or a kept column) its
        value; an empty one takes the correction back. Tokens are those of the last step of the loss; where a log counts
        them step by step, all of them are scaled.

    Returns
    -------
    list of Correction

    Raises
    ------
    UsageError
        If there is no such run, a value is no number above 0 where one is needed, the fact follows from others, or its
        name is new and nearly that of another.
    """
    wanted: dict[str, float | str | None] = {}
    for word, value in values.items():
        fact = _LETTERS.get(word, word)
        if fact in wanted:
            raise UsageError(f"{fact} is set twice.", "Give it once.")
        wanted[fact] = _checked(fact, value)
    with store.transaction() as connection:
        before = _facts_of(connection, run_id)
        _check_names(connection, [fact for fact, value in wanted.items() if value is not None])
        done = []
        for fact, value in wanted.items():
            if value is None:
                _take_back(connection, run_id, fact)
            else:
                _keep(connection, run_id, fact, value, before.get(fact))
                _apply(connection, run_id, fact, value)
            done.append(Correction(fact, before.get(fact), _facts_of(connection, run_id).get(fact)))
        detail = {one.fact: {"before": one.before, "after": one.after} for one in done}
        record(connection, "set", "run", run_id, detail)
        refresh_views(connection)
    return done


def apply_corrections(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> None:
    """Apply what was set by hand to runs that were read (again), inside a transaction."""
    if not run_ids:
        return
    for run_id, facts in set_by_hand(connection, run_ids).items():
        for fact, value in facts.items():
            was = _facts_of(connection, run_id).get(fact)
            now = _tokens_now(connection, run_id, value, was) if fact == "n_tokens" else value
            connection.execute(
                "UPDATE corrections SET was = ? WHERE run_id = ? AND fact = ?", [to_json(was), run_id, fact]
            ).fetchall()
            _apply(connection, run_id, fact, now)


def _tokens_now(
    connection: duckdb.DuckDBPyConnection, run_id: str, value: float | str, now: float | None
) -> float | str:
    """Tokens that were set of a run that its log counts: it was the count that was wrong, and so it is when it grew."""
    [(was,)] = connection.execute(
        "SELECT TRY_CAST(was AS DOUBLE) FROM corrections WHERE run_id = ? AND fact = 'n_tokens'", [run_id]
    ).fetchall()
    if not was or not now or was == now or isinstance(value, str) or _counted(connection, run_id) is None:
        return value
    grown = value * float(now / was)
    connection.execute(
        "UPDATE corrections SET value = ? WHERE run_id = ? AND fact = 'n_tokens'", [grown, run_id]
    ).fetchall()
    record(connection, "grow", "run", run_id, {"n_tokens": {"before": value, "after": grown}})
    return grown


def set_by_hand(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> dict[str, dict[str, float | str]]:
    """What was set of some runs, by identifier and fact."""
    with registered(connection, {"_read": {"run_id": texts(run_ids)}}):
        rows = connection.execute(
            "SELECT run_id, fact, value, text_value FROM corrections WHERE run_id IN (SELECT run_id FROM _read) "
            "ORDER BY ALL"
        ).fetchall()
    found: dict[str, dict[str, float | str]] = {}
    for run_id, fact, value, text in rows:
        found.setdefault(run_id, {})[fact] = value if text is None else text
    return found


def forget_corrections(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> int:
    """Delete what was set of runs, inside a transaction; gives how many facts were."""
    if not run_ids:
        return 0
    with registered(connection, {"_gone": {"run_id": texts(run_ids)}}):
        return len(
            connection.execute(
                "DELETE FROM corrections WHERE run_id IN (SELECT run_id FROM _gone) RETURNING 1"
            ).fetchall()
        )


def _checked(fact: str, value: str | float | None) -> str | float | None:
    if fact in _FIXED:
        raise UsageError(
            f"'{fact}' of a run cannot be set: it follows from its log.",
            f"What can be set: {', '.join((*NUMBERS, *_TEXTS))}, and any other name as a column of the run.",
        )
    if value is None or value == "":
        return None
    if fact in NUMBERS:
        number = positive(value)
        if number is None:
            raise UsageError(f"{fact} = {value!r} is not a number above 0.", "Write it as 124e6, 124M or 124000000.")
        return number
    other = any_number(value)
    if fact in _KEPT_NUMBERS and (other is None or not math.isfinite(other)):
        raise UsageError(f"{fact} = {value!r} is not a number.", "Write it as 3e-4, 512 or 2M.")
    return str(value) if fact in _TEXTS or other is None else other


def _check_names(connection: duckdb.DuckDBPyConnection, facts: Sequence[str]) -> None:
    """Refuse a new name that is nearly a known one: it would be a column that nothing asks for."""
    known = {*NUMBERS, *_TEXTS, *_KEPT}
    if known.issuperset(facts):
        return
    known |= {row[0] for row in connection.execute("SELECT DISTINCT unnest(json_keys(extra)) FROM runs").fetchall()}
    for fact in facts:
        if fact in known or any(_LONGER.fullmatch(fact.replace(name, "", 1)) for name in known if name in fact):
            continue  # min_learning_rate and seed2 are names of their own
        near = get_close_matches(fact.lower(), sorted(known | {*_FIXED}), n=1, cutoff=_ALIKE)
        if near:
            raise UsageError(
                f"No run has a column '{fact}', and it is nearly {near[0]}.",
                f"Did you mean {near[0]}? A column of its own needs a name that is less like it.",
            )


def _facts_of(connection: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, Any]:
    rows = connection.execute(
        "SELECT n_params, n_tokens, compute_flop, corpus, name, extra FROM runs WHERE run_id = ?", [run_id]
    ).fetchall()
    if not rows:
        known = [row[0] for row in connection.execute("SELECT run_id FROM runs ORDER BY run_id").fetchall()]
        raise UsageError(f"There is no run '{run_id}' in the store.", nearest(run_id, known))
    n_params, n_tokens, compute_flop, corpus, name, extra = rows[0]
    counted = _counted(connection, run_id)
    columns = {
        "n_params": n_params, "n_tokens": n_tokens if counted is None else counted, "compute_flop": compute_flop,
        "corpus": corpus, "name": name,
    }  # fmt: skip
    return {**json.loads(extra), **columns}


def _counted(connection: duckdb.DuckDBPyConnection, run_id: str) -> float | None:
    """Tokens at the last step of the loss, where the values of the run have them."""
    [(tokens,)] = connection.execute(
        "SELECT arg_max(struct_pack(tokens := tokens), coalesce(step, -1)).tokens FROM metrics AS m "
        "WHERE run_id = ? AND metric = (SELECT loss_metric FROM runs AS r WHERE r.run_id = m.run_id)",
        [run_id],
    ).fetchall()
    return None if tokens is None else float(tokens)


def _keep(connection: duckdb.DuckDBPyConnection, run_id: str, fact: str, value: float | str, was: Any) -> None:
    """Keep what was set, and what stood there before anything was."""
    earlier = connection.execute("SELECT was FROM corrections WHERE run_id = ? AND fact = ?", [run_id, fact]).fetchall()
    number, text = (None, value) if isinstance(value, str) else (value, None)
    connection.execute(
        "INSERT OR REPLACE INTO corrections VALUES (?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC')",
        [run_id, fact, number, text, earlier[0][0] if earlier else to_json(was)],
    ).fetchall()


def _take_back(connection: duckdb.DuckDBPyConnection, run_id: str, fact: str) -> None:
    rows = connection.execute(
        "DELETE FROM corrections WHERE run_id = ? AND fact = ? RETURNING was", [run_id, fact]
    ).fetchall()
    if rows:
        _apply(connection, run_id, fact, json.loads(rows[0][0]))


def _apply(connection: duckdb.DuckDBPyConnection, run_id: str, fact: str, value: Any) -> None:
    if fact in NUMBERS or fact in _TEXTS:
        if fact == "n_tokens" and value is not None and (counted := _counted(connection, run_id)):
            connection.execute(
                "UPDATE metrics SET tokens = CASE WHEN tokens = $counted THEN $value ELSE tokens * ($value / $counted) "
                "END WHERE run_id = $run_id AND tokens IS NOT NULL",
                {"counted": counted, "value": float(value), "run_id": run_id},
            ).fetchall()
        connection.execute(f"UPDATE runs SET {fact} = ? WHERE run_id = ?", [value, run_id]).fetchall()
        if fact == "corpus" and value is not None:
            connection.execute(
                "INSERT OR IGNORE INTO datasets (dataset_id, name) VALUES (?, ?)", [value] * 2
            ).fetchall()
        return
    [(extra,)] = connection.execute("SELECT extra FROM runs WHERE run_id = ?", [run_id]).fetchall()
    changed = {**json.loads(extra), fact: value}
    if value is None:
        del changed[fact]
    connection.execute("UPDATE runs SET extra = ? WHERE run_id = ?", [to_json(changed), run_id]).fetchall()
