"""The large run that the maps of a sheet are asked about: named, typed, forecast by a law, or the largest left over."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from db.pairs import PairQuestion, PairSelection, check_pairs, select_pairs
from db.problems import nearest
from db.views import quote_name, quote_text
from scaling.errors import InputDataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.map_sheet import SheetQuestion
    from db.store import Store
    from scaling.loss_to_loss.sheet import LargeRun


class SideRun(NamedTuple):
    """A run of one side: its size, training compute (6*N*D where the log has none) and loss."""

    run_id: str
    n_params: float
    n_tokens: float
    compute_flop: float
    loss: float


class LargeRuns:
    """Finds the large run of each map.

    Parameters
    ----------
    store : Store
        An open store.
    asked : SheetQuestion
        Which maps, and which run.
    """

    def __init__(self, store: Store, asked: SheetQuestion) -> None:
        self._store, self._asked = store, asked
        self.sources = asked.sources if asked.target_run is None else (self._source_of(asked.target_run),)

    def of(self, question: PairQuestion) -> tuple[PairQuestion, PairSelection, LargeRun | None]:
        """Select the pairs of a map, and the run that it is asked about.

        Parameters
        ----------
        question : PairQuestion
            Which pairs.

        Returns
        -------
        question : PairQuestion
            The same; where the run that was named is in a pair, without that pair, so that no map saw its outcome.
        rows : PairSelection
            The pairs.
        run : LargeRun or None
            None where all runs of the source are in pairs.
        """
        from scaling.loss_to_loss.sheet import LargeRun

        asked = self._asked
        question = check_pairs(self._store, question)
        if asked.x is not None:
            flop = math.nan if asked.compute_flop is None else asked.compute_flop
            rows = select_pairs(self._store, question)
            return question, rows, LargeRun(asked.x, flop, why="The loss x was typed, with --x.")
        if asked.source_fit is not None:
            return question, select_pairs(self._store, question), self._forecast(question)
        whole = _all_pairs(self._store, question)
        if asked.target_run is not None:
            return self._named(question, whole, asked.target_run)
        rows = select_pairs(self._store, question)
        paired = {one for ours, _ in rows.pairs.members for one in ours}
        left = [run for run in self.runs(question, "source", None) if run.run_id not in paired]
        if question.way == "compute":  # another run of the same budget stands for these
            left = [run for run in left if not _at_a_budget(run, rows)]
        left = [run for run in left if math.isfinite(run.compute_flop)]
        if not left:
            return question, rows, None
        run = min(left, key=lambda one: (-one.compute_flop, one.loss, one.run_id))
        why = f"It is the run of largest budget of {question.source} that is in none of the pairs fitted."
        return question, rows, self._large(run, why, whole)

    def runs(self, question: PairQuestion, side: str, where: str | None) -> list[SideRun]:
        """Select the runs of one side that have the metric, whether or not they are in a pair.

        Parameters
        ----------
        question : PairQuestion
            Names the sides and their metrics.
        side : {'source', 'target'}
            Which.
        where : str or None
            Condition on them.

        Returns
        -------
        list of SideRun
            By run.
        """
        column = f"CAST({quote_name(question.column)} AS VARCHAR)"
        metric, value = getattr(question, f"metric_{side}"), getattr(question, side)
        condition = f" AND ({where}\n)" if where else ""
        shown = f"({self._store.runs_final_sql(metric)}) AS runs_final"
        _, rows = self._store.query(
            "SELECT run_id, n_params, n_tokens, coalesce(compute_flop, 6 * n_params * n_tokens), loss "
            f"FROM {shown} WHERE {column} = {quote_text(value)}{condition} AND loss_status = 'ok' AND loss > 0 "
            "ORDER BY run_id"
        )
        return [SideRun(str(r[0]), *(math.nan if v is None else float(v) for v in r[1:])) for r in rows]

    def _named(
        self, question: PairQuestion, whole: PairSelection | None, name: str
    ) -> tuple[PairQuestion, PairSelection, LargeRun | None]:
        """A run that was named; the pair that it is in is held out."""
        found = [run for run in self.runs(question, "source", None) if run.run_id == name]
        if not found:
            raise InputDataError(
                f"The run {name} has no {question.metric_source}, so there is no x to map from.",
                f"See what it logged with: scaling show {name}",
            )
        rows = select_pairs(self._store, question)
        inside = [pair for pair in rows.pairs.members if name in pair[0]]
        why = "The run was named, with --target-run."
        if inside:
            gone = dict.fromkeys(one for ours, theirs in inside for one in (*ours, *theirs))
            out = f"run_id NOT IN ({', '.join(quote_text(one) for one in gone)})"
            question = replace(question, where=f"({question.where}\n) AND {out}" if question.where else out)
            rows = select_pairs(self._store, question)
            why += " It has a partner; that pair is held out of the map and of its floors."
        return question, rows, self._large(found[0], why, whole)

    def _large(self, run: SideRun, why: str, whole: PairSelection | None) -> LargeRun:
        from scaling.loss_to_loss.sheet import LargeRun

        outcome, mate = _outcome(whole, run.run_id)
        return LargeRun(run.loss, run.compute_flop, run.run_id, why, outcome, mate)

    def _forecast(self, question: PairQuestion) -> LargeRun:
        """The loss x as a saved law of the source forecasts it."""
        from db.saved import load_fit
        from scaling.loss_to_loss.sheet import LargeRun

        asked = self._asked
        saved = load_fit(self._store, str(asked.source_fit))
        if set(saved.fit.law.inputs) != {"N", "D"}:
            raise UsageError(
                f"The fit {saved.name} is of the inputs {', '.join(saved.fit.law.inputs)}, and --source-fit takes a "
                "law of N and D.", "Such as one of: scaling fit chinchilla",
            )  # fmt: skip
        if saved.metric != question.metric_source:
            raise UsageError(
                f"The fit {saved.name} is of the metric {saved.metric}, and x is {question.metric_source}.",
                "Name a fit of that metric.",
            )
        _, rows = self._store.query(
            f"SELECT DISTINCT CAST(r.{quote_name(question.column)} AS VARCHAR) FROM fit_rows AS f "
            "LEFT JOIN runs_final AS r USING (run_id) WHERE f.fit_id = ?",
            [saved.fit_id],
        )
        values = sorted(str(value) for (value,) in rows)
        if values != [question.source]:
            raise UsageError(
                f"The fit {saved.name} is of runs of {', '.join(values)}, and the source is {question.source}.",
                "Name a fit of the runs of the source alone.",
            )
        saved.fit.require_identified(False)
        inputs = {"N": float(asked.n_params or 0), "D": float(asked.n_tokens or 0)}
        x = float(saved.fit.evaluate(inputs)[0][0])
        why = f"The loss x is itself a forecast, of the fit {saved.name}."
        flop = 6 * inputs["N"] * inputs["D"]
        return LargeRun(x, flop, why=why, source_fit=saved.fit, source_name=saved.name, inputs=inputs)

    def _source_of(self, run: str) -> str:
        """The side that a named run is of."""
        column = self._asked.column
        known, _ = self._store.query("SELECT * FROM runs_final LIMIT 0")
        if column not in known:
            raise UsageError(f"runs_final has no column '{column}'.", did_you_mean(column, known))
        _, rows = self._store.query(
            f"SELECT DISTINCT CAST({quote_name(column)} AS VARCHAR) FROM runs_final WHERE run_id = ?", [run]
        )
        if not rows:
            _, names = self._store.query("SELECT DISTINCT run_id FROM runs_final ORDER BY 1")
            raise UsageError(f"There is no run '{run}'.", nearest(run, [str(name) for (name,) in names]))
        value = rows[0][0]
        if value is None:
            raise UsageError(f"The run {run} has no {column}, so it is of no source.")
        if self._asked.sources and self._asked.sources != (value,):
            raise UsageError(
                f"The run {run} is of {value}, and the source is {', '.join(self._asked.sources)}.",
                f"Leave out --from, or give --from {value}.",
            )
        return str(value)


def _all_pairs(store: Store, question: PairQuestion) -> PairSelection | None:
    """All pairs of the store, of runs that a condition leaves out of the fit too: where outcomes are looked up."""
    try:
        return select_pairs(store, replace(question, where=None))
    except InputDataError:
        return None


def _outcome(whole: PairSelection | None, run_id: str) -> tuple[float, str]:
    if whole is None:
        return math.nan, ""
    for i, (ours, theirs) in enumerate(whole.pairs.members):
        if run_id in ours:
            return float(whole.observed[i]), " ".join(theirs)
    return math.nan, ""


def _at_a_budget(run: SideRun, rows: PairSelection) -> bool:
    width = rows.pairs.tolerance
    return any(abs(run.compute_flop / budget - 1) <= width for budget in rows.pairs.budget)
