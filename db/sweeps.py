"""Sweeps over batch size and learning rate as the store holds them: which columns, which runs, which curves.

The batch size is a column of ``runs_final`` or an SQL expression on it, found by its usual names. Whether it counts
tokens or sequences is read from the name or asked for, never assumed where a number in tokens is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.columns import check_expression
from db.views import quote_name
from scaling.errors import InputDataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store

# Usual names of a batch, the first group before the second; a name that says its unit comes first.
_BATCH = (
    ("batch_tokens", "batch_size_tokens", "tokens_per_batch", "global_batch_tokens"),
    ("batch_size_seqs", "batch_size_sequences", "batch_seqs", "global_batch_size_seqs"),
    ("batch_size", "global_batch_size", "global_bs", "train_batch_size", "bs", "bsz", "batch"),
)
_RATE = (("lr", "learning_rate", "peak_lr", "lr_peak", "max_lr"),)
_DECAY = (("weight_decay", "wd", "weight_decay_lambda"),)


@dataclass(frozen=True)
class SweepRun:
    """A run of a sweep.

    Parameters
    ----------
    run_id : str
        Which.
    sweep : str or None
        Value of the column that parts sweeps; None without one.
    batch : float
        As the column gives it; in tokens where a context length was asked for.
    rate : float
        Peak learning rate; NaN where there is none.
    n_params, n_tokens : float
        Size and training tokens; NaN where unknown.
    value : float
        The loss, or the column that was asked for in its place; NaN where the run has none.
    status : str
        ``ok``, ``nan``, ``inf``, ``-inf`` or ``missing``.
    settings : dict of str to float or str
        Other columns that were asked for.
    """

    run_id: str
    sweep: str | None
    batch: float
    rate: float
    n_params: float
    n_tokens: float
    value: float
    status: str
    settings: dict[str, Any]


def batch_sql(store: Store, text: str | None, context_length: float | None = None) -> tuple[str, str, str]:
    """Find the batch size.

    Parameters
    ----------
    store : Store
        An open store.
    text : str, optional
        What was typed: a column of ``runs_final`` or an SQL expression; looked for by its usual names where missing.
    context_length : float, optional
        Tokens a sequence, where batches are sequences and are wanted in tokens.

    Returns
    -------
    sql : str
        In tokens where a context length is given.
    name : str
        What was found.
    unit : str
        ``tokens``, ``sequences``, or ``samples`` where the name does not say.

    Raises
    ------
    UsageError
        Where nothing is found, two columns could be meant, or tokens would be multiplied once more.
    """
    sql, name = _find(store, text, _BATCH, "the batch size", "--batch")
    unit = unit_of(name)
    if context_length is None:
        return sql, name, unit
    if unit == "tokens":
        raise UsageError(
            f"'{name}' already counts tokens, and --context-length would multiply it once more.",
            "Leave --context-length out, or name the column of sequences with --batch.",
        )
    if not (math.isfinite(context_length) and context_length > 0):
        raise UsageError(f"--context-length is {context_length:g}; it counts tokens a sequence.", "Such as: 2048")
    return f"({sql}) * {context_length:.17g}", f"{name} * {context_length:g}", "tokens"


def rate_sql(store: Store, text: str | None, *, needed: bool = False) -> tuple[str, str] | None:
    """Find the learning rate, as `batch_sql`; None where there is none and none is needed."""
    return _find_or_none(store, text, _RATE, "the learning rate", "--lr", needed)


def decay_sql(store: Store, text: str | None, *, needed: bool = False) -> tuple[str, str] | None:
    """Find the weight decay, as `batch_sql`; None where there is none and none is needed."""
    return _find_or_none(store, text, _DECAY, "the weight decay", "--weight-decay", needed)


def unit_of(name: str) -> str:
    """Read the unit of a batch from its column's name: ``tokens``, ``sequences``, or ``samples`` where it says none."""
    words = name.lower()
    if "token" in words:
        return "tokens"
    return "sequences" if "seq" in words else "samples"


def check_unit(text: str | None) -> None:
    """Refuse a unit of batches that is none; nothing asked for is fine."""
    from scaling.batch_size.units import check_unit as check

    if text is not None:
        check(text)


def in_tokens(unit: str, name: str) -> None:
    """Refuse batches that do not count tokens where a number in tokens is wanted.

    Raises
    ------
    UsageError
        Says how to give them.
    """
    if unit != "tokens":
        known = f"counts {unit}" if unit == "sequences" else "does not say whether it counts tokens or sequences"
        raise UsageError(
            f"This needs batches in tokens, and '{name}' {known}.",
            "If sequences: --context-length 2048, the tokens of one. If tokens already: --batch-unit tokens.",
        )


def runs_sql(
    store: Store,
    *,
    batch: str,
    rate: str | None = None,
    by: str | None = None,
    value: str | None = None,
    metric: str | None = None,
    where: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> str:
    """Write the SELECT of the runs of a sweep.

    Parameters
    ----------
    store : Store
        An open store.
    batch, rate : str
        SQL of the batch size and of the learning rate.
    by : str, optional
        Column, or SQL expression, that parts sweeps.
    value : str, optional
        Column to take in place of the loss.
    metric : str, optional
        Metric to take as the loss.
    where : str, optional
        Condition on columns of ``runs_final``.
    settings : mapping of str to str, optional
        Name and SQL of more columns, in order.

    Returns
    -------
    str
        One row a run, by its id; read by `read_runs`.
    """
    if where is not None:
        check_expression(where, "--where", "n_params > 1e8")
    base = f"({store.runs_final_sql(metric)}) AS runs_final" if metric else "runs_final"
    condition = f"\nWHERE ({where}\n)" if where else ""
    parts = {
        "run_id": "run_id",
        "sweep": f"CAST({_expression(store, by, '--by')} AS VARCHAR)" if by else "CAST(NULL AS VARCHAR)",
        "batch": batch,
        "rate": rate or "CAST(NULL AS DOUBLE)",
        "n_params": "n_params",
        "n_tokens": "n_tokens",
        "value": f"TRY_CAST({_expression(store, value, '--steps')} AS DOUBLE)" if value else "loss",
        "status": f"CASE WHEN {_expression(store, value, '--steps')} IS NULL THEN 'missing' ELSE 'ok' END"
        if value
        else "loss_status",
        "metric": "metric",
    }  # fmt: skip
    parts |= {f"set_{name}": sql for name, sql in (settings or {}).items()}
    listed = ",\n    ".join(f"{sql} AS {quote_name(name)}" for name, sql in parts.items())
    return f"SELECT\n    {listed}\nFROM {base}{condition}\nORDER BY run_id"


def curves_sql(runs: str) -> str:
    """Write the SELECT of the curves of runs: one row a run and logged step of its metric.

    Parameters
    ----------
    runs : str
        From `runs_sql`.

    Returns
    -------
    str
        Columns of the runs, then ``step tokens logged logged_status``.
    """
    return (
        "SELECT r.*, m.step, m.tokens, m.value AS logged, m.value_status AS logged_status\n"
        f"FROM (\n{runs}\n) AS r\nJOIN metrics AS m ON m.run_id = r.run_id AND m.metric = r.metric\n"
        "ORDER BY r.run_id, m.step"
    )


def read_runs(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[SweepRun]:
    """Read what `runs_sql` gave.

    Parameters
    ----------
    columns : sequence of str
        Its columns; those of `curves_sql` may follow.
    rows : sequence of tuple
        Its rows.

    Returns
    -------
    list of SweepRun
        One a row, in order.

    Raises
    ------
    InputDataError
        Where a batch size or a learning rate is no positive number.
    """
    place = {name: j for j, name in enumerate(columns)}
    wanted = ("run_id", "sweep", "batch", "rate", "n_params", "n_tokens", "value", "status")
    if missing := [name for name in wanted if name not in place]:
        raise UsageError(f"The text gives no column '{missing[0]}'.")
    extra = [name for name in columns if name.startswith("set_")]
    out = []
    for row in rows:
        run_id = str(row[place["run_id"]])
        out.append(
            SweepRun(
                run_id,
                row[place["sweep"]],
                _positive(row[place["batch"]], "batch size", run_id, "--batch"),
                _positive(row[place["rate"]], "learning rate", run_id, "--lr", optional=True),
                number_of(row[place["n_params"]]),
                number_of(row[place["n_tokens"]]),
                number_of(row[place["value"]]),
                str(row[place["status"]]),
                {name.removeprefix("set_"): row[place[name]] for name in extra},
            )
        )
    return out


def check_column(store: Store, text: str, option: str) -> str:
    """Return the SQL of a column of ``runs_final``, or of an expression on it; refuses what is neither."""
    return _expression(store, text, option)


def _expression(store: Store, text: str, option: str) -> str:
    known, _ = store.query("SELECT * FROM runs_final LIMIT 0")
    if text in known:
        return quote_name(text)
    lower = {name.lower(): name for name in known}
    if text.lower() in lower:
        return quote_name(lower[text.lower()])
    check_expression(text, option, "n_params, or bs * 2048")
    try:
        store.query(f"SELECT {text} FROM runs_final LIMIT 0")
    except UsageError as error:
        raise UsageError(
            f"{option} names '{text}', which runs_final does not have.", did_you_mean(text, list(known))
        ) from error
    return f"({text})"


def _find(
    store: Store, text: str | None, groups: Sequence[Sequence[str]], what: str, option: str
) -> tuple[str, str]:  # fmt: skip
    found = _find_or_none(store, text, groups, what, option, needed=True)
    assert found is not None
    return found


def _find_or_none(
    store: Store, text: str | None, groups: Sequence[Sequence[str]], what: str, option: str, needed: bool
) -> tuple[str, str] | None:
    if text is not None:
        return _expression(store, text, option), text
    known, _ = store.query("SELECT * FROM runs_final LIMIT 0")
    lower = {name.lower(): name for name in known}
    for group in groups:
        named = [lower[name] for name in group if name in lower]
        if len(named) > 1:
            raise UsageError(f"Two columns could be {what}: {named[0]} and {named[1]}.", f"Name one: {option} COLUMN")
        if named:
            return quote_name(named[0]), named[0]
    if not needed:
        return None
    from db.views import RUNS_FINAL_COLUMNS

    others = [name for name in known if name not in RUNS_FINAL_COLUMNS]
    listed = f" There are: {', '.join(others)}." if others else ""
    raise UsageError(f"No column of the runs is {what} by its name.", f"Name it: {option} COLUMN.{listed}")


def _positive(value: Any, what: str, run_id: str, option: str, *, optional: bool = False) -> float:
    if value is None and optional:
        return math.nan
    number = number_of(value)
    if not (math.isfinite(number) and number > 0):
        said = "missing" if value is None else f"'{value}'"
        raise InputDataError(
            f"The {what} of the run {run_id} is {said}, and not a positive number.",
            f"Name another column with {option}, or leave such runs out with --where.",
        )
    return number


def number_of(value: Any) -> float:
    """Read a value of the store as a number; NaN for what is missing or none."""
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError):
        return math.nan
