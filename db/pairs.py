"""Pairs of runs from the store: which question chooses them, and the selection that a map is fitted to.

The stored SQL gives the raw runs of both sides, and they are paired again in Python, so that a fit of pairs can be
checked like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from db.columns import check_expression, usual_column
from db.pair_units import looks_like_accuracy, no_source, odd_compute, run_side, units_of, unusable, with_complement
from db.problems import nearest
from db.select import Excluded, Selection, hash_rows
from db.views import KeptColumn, quote_name, quote_text, runs_final_sql
from scaling.errors import InputDataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store
    from scaling.loss_to_loss.matching import Pairs

_COLUMNS = ["side", "run_id", "n_params", "n_tokens", "compute_flop", "value", "status"]


@dataclass(frozen=True)
class PairQuestion:
    """Which pairs of runs: everything that chooses them. Plain data, so that it can be kept with a fit.

    Parameters
    ----------
    source, target : str
        Values of the column: what x and y of the map were trained on.
    metric_source, metric_target : str
        Metrics that are x and y.
    column : str, default 'corpus'
        Column of ``runs_final`` whose values the sides are.
    where : str, optional
        SQL condition on the runs of both sides.
    by : {'cell', 'run', 'compute'}, default 'cell'
        How runs are paired, as of `scaling.loss_to_loss.match_runs`. With one value on both sides it is always ``run``.
    tolerance : float, optional
        As of `scaling.loss_to_loss.match_runs`.
    complement : bool, default False
        Whether 1 - the target metric is predicted: an error from an accuracy.
    bytes_per_token_source, bytes_per_token_target : float, optional
        Mean length of a token of the text that the loss was measured on; turns nats/token into bits/byte.
    """

    source: str
    target: str
    metric_source: str
    metric_target: str
    column: str = "corpus"
    where: str | None = None
    by: str = "cell"
    tolerance: float | None = None
    complement: bool = False
    bytes_per_token_source: float | None = None
    bytes_per_token_target: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> PairQuestion:
        """Read plain data back."""
        return cls(**table)

    @property
    def way(self) -> str:
        """How runs are paired: as asked for, but the same runs where both sides are of one value."""
        return "run" if self.source == self.target else self.by

    @property
    def words(self) -> str:
        """The map in words: what y is predicted from what x."""
        y = f"1 - {self.metric_target}" if self.complement else self.metric_target
        return f"{y} of {self.target} from {self.metric_source} of {self.source}"


@dataclass(frozen=True)
class PairSelection(Selection):
    """The pairs of a fit: a selection with one row a pair.

    Parameters
    ----------
    pairs : Pairs
        As they were matched, before units were turned into each other.
    target_unit : str
        Unit of what is predicted.
    notes : tuple of str
        What is to be known of them, in sentences.
    question : PairQuestion
        What chose them.
    """

    pairs: Pairs = field(kw_only=True)
    target_unit: str = field(kw_only=True)
    notes: tuple[str, ...] = field(kw_only=True)
    question: PairQuestion = field(kw_only=True)


def select_pairs(store: Store, question: PairQuestion) -> PairSelection:
    """Select pairs of runs.

    Parameters
    ----------
    store : Store
        An open store.
    question : PairQuestion
        Which.

    Returns
    -------
    PairSelection
        By rising budget.

    Raises
    ------
    UsageError
        For a column, value, metric or condition that is not there, one metric of one corpus on both sides, and units
        that cannot be compared.
    InputDataError
        Where fewer than two pairs are found.
    """
    question = check_pairs(store, question)
    sql = _sql(store, question)
    _, rows = store.query(sql)
    return _selection(store, question, sql, rows)


def select_pairs_by_sql(store: Store, question: PairQuestion, sql: str) -> PairSelection:
    """Select pairs by an SQL text that `select_pairs` wrote once; see `db.select.select_by_sql`.

    Raises
    ------
    UsageError
        Where the text is no SELECT, fails, or gives other columns.
    InputDataError
        Where fewer than two pairs are found.
    """
    from db.query import run_select

    named, rows = run_select(store, sql)
    if named != _COLUMNS or any(row[0] not in ("source", "target") for row in rows):
        raise UsageError(f"It does not give the runs of two sides, with the columns {', '.join(_COLUMNS)}.")
    return _selection(store, question, sql, rows)


def ask_pairs(
    store: Store,
    source: str,
    target: str,
    metric: str | None = None,
    *,
    metric_source: str | None = None,
    metric_target: str | None = None,
    **question: Any,
) -> PairQuestion:
    """Make a question of what was typed: one metric for both sides, or one a side, or that which the runs show.

    Parameters
    ----------
    store : Store
        An open store.
    source, target
        As of `PairQuestion`.
    metric : str, optional
        Of both sides.
    metric_source, metric_target : str, optional
        Of one side, before that of both.
    **question
        The rest of a `PairQuestion`.

    Returns
    -------
    PairQuestion

    Raises
    ------
    UsageError
        Where no metric is named and the runs show several as their loss.
    """
    named = (metric_source or metric, metric_target or metric)
    shown = "" if all(named) else _shown_metric(store, source, target, question.get("column", "corpus"))
    return PairQuestion(source, target, named[0] or shown, named[1] or shown, **question)


def _shown_metric(store: Store, source: str, target: str, column: str) -> str:
    """The metric that the runs of both sides show as their loss."""
    _, rows = store.query(
        f"SELECT DISTINCT metric FROM runs_final WHERE CAST({quote_name(_column(store, column))} AS VARCHAR) "
        "IN ($a, $b) ORDER BY 1",
        {"a": source, "b": target},
    )
    names = [str(name) for (name,) in rows]
    if len(names) > 1:
        raise UsageError(
            f"The runs show different metrics as their loss: {', '.join(names)}.", f"Choose one: --metric {names[0]}"
        )
    return names[0] if names else "loss"


def check_pairs(store: Store, question: PairQuestion) -> PairQuestion:
    """Return a question with its column as the store spells it; refuse one that makes no sense there.

    Raises
    ------
    UsageError
        As of `select_pairs`.
    """
    column = _column(store, question.column)
    if question.source == question.target and question.metric_source == question.metric_target:
        raise UsageError(
            f"Both sides are {question.metric_source} of {question.source}: the map would be of a loss to itself.",
            "Name two corpora, or two metrics of one (--metric-from, --metric-to).",
        )
    _, rows = store.query(f"SELECT DISTINCT CAST({quote_name(column)} AS VARCHAR) FROM runs_final ORDER BY 1")
    known = [value for (value,) in rows if value is not None]
    for value in (question.source, question.target):
        if value not in known:
            raise UsageError(f"No run in the store has {column} = '{value}'.", did_you_mean(value, known))
    if question.by == "run" and question.source != question.target:
        raise UsageError(
            f"No run is both of {question.source} and of {question.target}, so runs cannot be paired with themselves.",
            "Pair runs of the same size, --pair-by cell, or of the same compute, --pair-by compute.",
        )
    for metric in (question.metric_source, question.metric_target):
        store.runs_final_sql(metric)  # which refuses one that no run has
    if question.where is not None:
        check_expression(question.where, "--where", "n_params > 1e8")
    return replace(question, column=column)


def _column(store: Store, text: str) -> str:
    known, _ = store.query("SELECT * FROM runs_final LIMIT 0")
    found = usual_column(text, known)
    if found is None:
        raise UsageError(f"runs_final has no column '{text}' to tell the two sides by.", nearest(text, known))
    return found


def _sql(store: Store, question: PairQuestion) -> str:
    condition = f" AND ({question.where}\n)" if question.where else ""
    column = f"CAST({quote_name(question.column)} AS VARCHAR)"
    sides = (
        ("source", question.source, question.metric_source),
        ("target", question.target, question.metric_target),
    )
    kept = _kept(store, question)
    parts = [
        f"SELECT '{side}' AS side, run_id, n_params, n_tokens, compute_flop, loss AS value, loss_status AS status\n"
        f"FROM ({runs_final_sql(kept, metric)}) AS runs_final\nWHERE {column} = {quote_text(value)}{condition}"
        for side, value, metric in sides
    ]
    return "\nUNION ALL\n".join(parts) + "\nORDER BY side, run_id"


def _kept(store: Store, question: PairQuestion) -> list[KeptColumn]:
    """Kept columns that the question may name: those whose name stands in its text, so that the SQL stays readable."""
    text = f"{question.column} {question.where or ''}".lower()
    return [c for c in store.kept_columns() if c.name.lower() in text or quote_name(c.name.lower())[1:-1] in text]


def _selection(store: Store, question: PairQuestion, sql: str, rows: Sequence[Sequence[Any]]) -> PairSelection:
    import numpy as np

    from scaling.loss_to_loss.matching import match_runs
    from scaling.loss_to_loss.monotone import monotone_note

    kinds, units = units_of(store, question)
    if question.complement and kinds["target"] == "loss":
        raise UsageError(
            f"The metric {question.metric_target} is a loss, and 1 - a loss means nothing.",
            "Only an accuracy has a complement. Its kind is set in the mapping file, under [metrics].",
        )
    if kinds["source"] == "accuracy":
        raise no_source(question)
    excluded: list[Excluded] = []
    sides = {}
    for side in ("source", "target"):
        ours = [row for row in rows if row[0] == side]
        if not ours:
            where = f" that meets the condition {question.where}" if question.where else ""
            raise InputDataError(
                f"There is no {side} run ({question.column} = '{getattr(question, side)}'){where}.",
                "See what there is with: scaling ls",
            )
        reasons = [unusable(row, side, question, kinds[side]) for row in ours]
        excluded += [
            Excluded(str(row[1]), f"{side}: {why}") for row, why in zip(ours, reasons, strict=True) if why
        ]  # fmt: skip
        kept = [row for row, why in zip(ours, reasons, strict=True) if not why]
        if not kept:
            metric = getattr(question, f"metric_{side}")
            raise InputDataError(
                f"None of the {len(ours)} {side} runs can be used: of run {ours[0][1]}, {reasons[0]}.",
                f"See which metrics they logged with: scaling show {ours[0][1]}. Asked for: {metric}.",
            )
        sides[side] = run_side(kept)
    pairs = match_runs(sides["source"], sides["target"], question.way, question.tolerance)
    excluded += [Excluded(one.run_id, f"{one.side}: {one.reason}") for one in pairs.unpaired]
    x, y = pairs.x * units.factor_x, pairs.y * units.factor_y
    observed = 1 - y if question.complement else y
    order = pairs.budget if bool(np.all(np.isfinite(pairs.budget))) else None
    ids = tuple("+".join(dict.fromkeys([*ours, *theirs])) for ours, theirs in pairs.members)
    hashed = {"x": x} | ({} if order is None else {"budget": order})
    if order is not None and kinds["source"] != "loss" and looks_like_accuracy(x, order):
        raise no_source(question, " (its values rise with compute, all within 0 and 1)")
    rises = with_complement(monotone_note(x, observed, order), kinds["target"], question, observed)
    remarks = [odd_compute(pairs), rises]
    notes = (pairs.sentence, *units.notes, *filter(None, remarks))
    return PairSelection(
        run_ids=ids,
        inputs={"x": x},
        observed=observed,
        sql=sql,
        sha256=hash_rows(ids, hashed, observed),
        excluded=tuple(sorted(excluded, key=lambda one: (one.reason.partition(":")[0], one.run_id))),
        not_selected=_left_out(store, question, rows),
        columns={"x": f"metric:{question.metric_source}"},
        metric=question.metric_target,
        units={"x": units.x},
        order=order,
        members=tuple(tuple(dict.fromkeys([*ours, *theirs])) for ours, theirs in pairs.members),
        pairs=pairs,
        target_unit=units.y,
        notes=notes,
        question=question,
    )


def _left_out(store: Store, question: PairQuestion, rows: Sequence[Sequence[Any]]) -> int:
    """Count the runs of both sides that the condition left out."""
    if question.where is None:
        return 0
    _, [(total,)] = store.query(
        f"SELECT count(*) FROM runs_final WHERE CAST({quote_name(question.column)} AS VARCHAR) IN ($a, $b)",
        {"a": question.source, "b": question.target},
    )
    return int(total) - len({row[1] for row in rows})
