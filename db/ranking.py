"""The runs of every corpus, metric by metric, as a ranking takes them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.columns import check_expression, usual_column
from db.pairing import names_no_text
from db.problems import nearest
from db.views import quote_name
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store
    from scaling.loss_to_loss.ranking.backtest import RankingBacktest
    from scaling.loss_to_loss.ranking.result import Ranking
    from scaling.loss_to_loss.ranking.runs import Runs

_FEWEST = 2


@dataclass(frozen=True)
class CorpusRuns:
    """The runs of one metric.

    Parameters
    ----------
    metric : str
        Which.
    kind : str
        ``loss`` as it is, ``error`` for 1 minus an accuracy.
    runs : dict of str to Runs
        Corpus to its runs.
    run_ids : dict of str to tuple of str
        One a run.
    notes : tuple of str
        What was left out, and what cannot be compared, in sentences.
    """

    metric: str
    kind: str
    runs: dict[str, Runs]
    run_ids: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RankingAnswer:
    """Rankings by one metric or more, and how each way did on budgets that were hidden.

    Parameters
    ----------
    rankings : tuple of (CorpusRuns, Ranking)
        One a metric.
    backtest : RankingBacktest or None
        Over all metrics; None where none was asked for, or none is possible.
    why_none : str
        Why, in a sentence.
    """

    rankings: tuple[tuple[CorpusRuns, Ranking], ...]
    backtest: RankingBacktest | None
    why_none: str = ""


def rank_runs(
    store: Store,
    metrics: Sequence[str],
    target_flop: float,
    *,
    corpora: Sequence[str] = (),
    column: str = "corpus",
    where: str | None = None,
    backtest: bool = True,
    law: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> RankingAnswer:
    """Rank the corpora of a store.

    Parameters
    ----------
    store : Store
        An open store.
    metrics : sequence of str
        By each of them.
    target_flop : float
        The budget.
    corpora, column, where
        As of `runs_by_corpus`.
    backtest : bool, default True
        Whether to rank from smaller budgets as well, and say which way was right.
    law : str, default 'auto'
        As of `scaling.loss_to_loss.rank_corpora`; the back-test takes chinchilla for ``auto``.
    progress : callable, optional
        Told how many rankings of the back-test are made.
    **settings
        As of `scaling.loss_to_loss.rank_corpora`.

    Returns
    -------
    RankingAnswer

    Raises
    ------
    UsageError, InputDataError
        For what makes no sense, or cannot be ranked.
    """
    from scaling.loss_to_loss.ranking.backtest import backtest_ranking
    from scaling.loss_to_loss.ranking.rank import rank_corpora

    found = [runs_by_corpus(store, metric, corpora, column, where) for metric in dict.fromkeys(metrics)]
    ranked = tuple(
        (
            one,
            rank_corpora(one.runs, target_flop, law=law, ceiling=1.0 if one.kind == "error" else math.inf, **settings),
        )
        for one in found
    )
    if not backtest:
        return RankingAnswer(ranked, None, "No back-test was asked for.")
    try:
        tried = backtest_ranking(
            {one.metric: one.runs for one in found}, law="chinchilla" if law == "auto" else law,
            bootstrap=min(int(settings.get("bootstrap", 100)), 100), seed=int(settings.get("seed", 0)),
            progress=progress,
        )  # fmt: skip
    except InputDataError as error:
        return RankingAnswer(ranked, None, f"No ranking could be held against hidden budgets: {error.message}.")
    return RankingAnswer(ranked, tried)


def runs_by_corpus(
    store: Store,
    metric: str,
    corpora: Sequence[str] = (),
    column: str = "corpus",
    where: str | None = None,
    at_least: int = 2,
) -> CorpusRuns:
    """Select the runs of each corpus that can be ranked by a metric.

    Parameters
    ----------
    store : Store
        An open store.
    metric : str
        A loss, or an accuracy, of which the error is taken.
    corpora : sequence of str
        Values of the column; every one with two runs or more where empty.
    column : str, default 'corpus'
        Column of ``runs_final`` that tells the corpora.
    where : str, optional
        SQL condition on columns of ``runs_final``.
    at_least : int, default 2
        How many corpora are needed.

    Returns
    -------
    CorpusRuns

    Raises
    ------
    UsageError
        For a metric, column, condition or corpus that is not there.
    InputDataError
        Where fewer corpora are left.
    """
    base = store.runs_final_sql(metric)
    known, _ = store.query("SELECT * FROM runs_final LIMIT 0")
    named = usual_column(column, known)
    if named is None:
        raise UsageError(f"runs_final has no column '{column}' to tell the corpora by.", nearest(column, known))
    if where is not None:
        check_expression(where, "--where", "compute_flop < 1e20")
    condition = f" AND ({where}\n)" if where else ""
    label = f"CAST({quote_name(named)} AS VARCHAR)"
    _, rows = store.query(
        f"SELECT {label}, run_id, n_params, n_tokens, compute_flop, loss, loss_status FROM ({base}) AS runs_final "
        f"WHERE {label} IS NOT NULL{condition} ORDER BY 1, 2"
    )
    there = list(dict.fromkeys(str(row[0]) for row in rows))
    for corpus in corpora:
        if corpus not in there:
            raise UsageError(f"No run in the store has {named} = '{corpus}'.", did_you_mean(corpus, there))
    accuracy = _is_accuracy(store, metric)
    wanted = list(dict.fromkeys(corpora)) or there
    kept: dict[str, list[Sequence[Any]]] = {corpus: [] for corpus in wanted}
    left_out: dict[str, int] = {}
    for row in rows:
        if row[0] not in kept:
            continue
        if reason := _reason(row, metric, accuracy):
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            kept[row[0]].append(row)
    notes = [f"left out: {format_plural(count, 'run')}, {reason}" for reason, count in left_out.items()]
    for corpus in [c for c, ours in kept.items() if len(ours) < _FEWEST]:
        if corpora:
            raise InputDataError(f"The corpus {corpus} has {format_plural(len(kept[corpus]), 'run')} with {metric}.")
        notes.append(f"left out: the corpus {corpus}, which has {format_plural(len(kept.pop(corpus)), 'usable run')}")
    if len(kept) < at_least:
        raise InputDataError(
            f"Fewer than {at_least} corpora have runs with {metric}, so there is nothing to rank.",
            "See what there is with: scaling ls",
        )
    if names_no_text(metric):
        notes.append(
            f"NOT LIKE WITH LIKE: the name {metric} says no text, so each corpus may have measured it on text of its "
            "own. Rank by a loss on one held-out text (--metric)."
        )
    return CorpusRuns(
        metric=metric,
        kind="error" if accuracy else "loss",
        runs={corpus: _arrays(ours, accuracy) for corpus, ours in kept.items()},
        run_ids={corpus: tuple(str(row[1]) for row in ours) for corpus, ours in kept.items()},
        notes=tuple(notes),
    )


def _is_accuracy(store: Store, metric: str) -> bool:
    """Whether higher is better: by the kind that the store holds, unless its unit is that of a loss."""
    _, rows = store.query("SELECT kind, unit FROM metric_defs WHERE metric = ?", [metric])
    kind, unit = rows[0] if rows else ("loss", "")
    return str(kind) == "accuracy" and re.match(r"nats|bits", str(unit or "")) is None


def _reason(row: Sequence[Any], metric: str, accuracy: bool) -> str:
    """Why a run cannot be ranked; empty where it can."""
    _, _, n, d, compute, value, status = row
    if status != "ok" or value is None:
        return f"{metric} is {status}"
    for name, size in (("parameters", n), ("tokens", d)):
        if size is None or not (math.isfinite(size) and size > 0):
            return f"its {name} are not known"
    if compute is not None and not (math.isfinite(compute) and compute > 0):
        return "its compute is not positive"
    error = 1 - value if accuracy else value
    if not error > 0:
        return f"{'the error, 1 - ' if accuracy else ''}{metric}{',' if accuracy else ''} is not above 0"
    return ""


def _arrays(rows: Sequence[Sequence[Any]], accuracy: bool) -> Runs:
    import numpy as np

    from scaling.loss_to_loss.ranking.runs import Runs

    n, d, value = (np.array([float(row[i]) for row in rows]) for i in (2, 3, 5))
    flop = np.array([6 * float(row[2]) * float(row[3]) if row[4] is None else float(row[4]) for row in rows])
    return Runs(n, d, flop, 1 - value if accuracy else value)
