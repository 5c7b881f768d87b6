"""Corpora ranked at a budget, as rows: exact ones for programs, and rounded ones for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scaling.formatting import format_interval, format_number, format_percent
from scaling.loss_to_loss.ranking.result import format_chance

if TYPE_CHECKING:
    from scaling.loss_to_loss.ranking.backtest import RankingBacktest
    from scaling.loss_to_loss.ranking.result import Ranking

Rows = list[dict[str, Any]]


def ranking_rows(answer: Any) -> Rows:
    """Return one row a metric and corpus, the best first.

    Parameters
    ----------
    answer : db.ranking.RankingAnswer
        The rankings.

    Returns
    -------
    list of dict
        ``metric kind target_flop corpus forecast low high level p_best rank rank_low rank_high``; the baseline as
        ``baseline_flop baseline_loss baseline_rank baseline_p_best``; how it was made as ``method law trim reference
        form n_runs seed``; ``by_method``, forecast and probability by each way; and of the metric ``verdict``,
        ``not_falling``, ``decision`` and ``backtest``, the scores of each way on hidden budgets with ``winner`` and
        ``verdict``.
    """
    tried = _backtest(answer.backtest, answer.why_none)
    rows: Rows = []
    for one, ranking in answer.rankings:
        head = {"metric": one.metric, "kind": one.kind, "target_flop": ranking.target_flop}
        how = {
            name: getattr(ranking, name)
            for name in (
                "level",
                "method",
                "law",
                "trim",
                "reference",
                "form",
                "baseline_flop",
                "seed",
                "verdict",
                "not_falling",
            )
        }
        for row in ranking.table:
            by_method = {
                name: {"forecast": same.forecast, "p_best": same.p_best}
                for name, table in ranking.tables.items()
                for same in table
                if same.corpus == row.corpus
            }
            rows.append(
                head | row.to_dict() | how | {"by_method": by_method, "decision": ranking.decision, "backtest": tried}
            )
    return rows


def ranking_text(answer: Any) -> str:
    """Return rankings as people read them: the decision, the table, and who wins in the back-test."""
    parts = [_shown(one, ranking) for one, ranking in answer.rankings]
    return "\n\n".join([*parts, answer.why_none if answer.backtest is None else _told(answer.backtest)])


def _shown(one: Any, ranking: Ranking) -> str:
    from reports.terminal import render

    rows = [
        {
            "corpus": row.corpus,
            "forecast": format_number(row.forecast),
            f"{100 * ranking.level:g} %": format_interval(row.low, row.high),
            "best with": format_chance(row.p_best, ranking.draws),
            "rank": f"{row.rank} ({row.rank_low} to {row.rank_high})",
            f"best at {format_number(ranking.baseline_flop)}": format_number(row.baseline_loss),
            "its rank": row.baseline_rank,
            "best there with": format_chance(row.baseline_p_best, ranking.draws),
        }
        for row in ranking.table
    ]
    what = f"1 - {one.metric}" if one.kind == "error" else one.metric
    made = f"law {ranking.law}" + (f" (left out: {ranking.trim})" if ranking.trim != "none" else "")
    if ranking.form:
        made += f"; {ranking.form} maps from {ranking.reference}"
    return "\n".join([f"{what}: {ranking.decision}", "", render(rows, "table").rstrip("\n"), made])


def _told(found: RankingBacktest) -> str:
    from reports.terminal import render

    rows = [
        {
            "way": s.way,
            "decisions": s.decisions,
            "right": format_percent(s.accuracy, 3),
            "Brier score": format_number(s.brier, 3),
            "above 90 %": s.sure,
            "of these right": format_percent(s.sure_right / s.sure, 3) if s.sure else "none",
        }
        for s in found.scores
    ]
    table = render(rows, "table").rstrip("\n") + "\n" if rows else ""
    return f"{table}Back-test: {found.verdict}"


def _backtest(found: RankingBacktest | None, why_none: str) -> dict[str, Any]:
    if found is None:
        return {"winner": None, "verdict": why_none, "scores": []}
    table = found.to_dict()
    return {name: table[name] for name in ("winner", "verdict", "scores", "cuts", "target_flop", "skipped")}
