"""An appraisal on a page: which score of a subset predicts what training on it gives, and until where to push it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from reports.batch_page import Section
from reports.trust import NO, NONE, YES, Check
from reports.value_appraisal_figures import correlations_figure, panels_figure
from reports.value_appraisal_tables import caps_table, relations_table
from reports.value_page import Part
from reports.words import level_text, listed
from scaling.formatting import format_interval, format_number, format_plural, format_whole
from scaling.valuation.appraisal.over_optimised import ERROR_RATE
from scaling.valuation.appraisal.table import bend_rows
from scaling.verdicts import OK, WEAK

if TYPE_CHECKING:
    from reports.inputs import Source
    from scaling.valuation.appraisal.over_optimised import OverOptimisation
    from scaling.valuation.appraisal.result import Appraisal, Coefficient, RandomSpread, Relation

Array = NDArray[np.float64]
_FEW_RANDOM = 10


@dataclass(frozen=True)
class AppraisalPage:
    """An appraisal, and the subsets it is of.

    Parameters
    ----------
    name, metric, unit : str
        Of the appraisal, of the performance, and its unit; the latter may be empty.
    result : Appraisal
        What came of it.
    names : tuple of str (n,)
        Of the subsets.
    size, performance : ndarray (n,)
    scores : dict of str to ndarray (n,)
        By objective.
    is_random : ndarray of bool (n,)
    regime : str
        Of a table with several; empty otherwise.
    source, command, created_at, sha256
        As of `Part`.
    """

    name: str
    metric: str
    unit: str
    result: Appraisal
    names: tuple[str, ...]
    size: Array
    performance: Array
    scores: dict[str, Array]
    is_random: NDArray[np.bool_]
    regime: str = ""
    source: Source | None = None
    command: str = ""
    created_at: str = ""
    sha256: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def metric_words(self) -> str:
        """The performance with its unit."""
        return f"{self.metric} ({self.unit})" if self.unit else self.metric

    @property
    def measure(self) -> str:
        """The correlation that scores are ranked by, as its name is written."""
        return self.result.measure.capitalize()

    @cached_property
    def ranked(self) -> list[str]:
        """Scores, the best predictor first."""
        return sorted(self.result.objectives, key=lambda name: -np.nan_to_num(self.relation(name).value, nan=-2.0))

    def relation(self, name: str) -> Coefficient:
        """Return the correlation that scores are ranked by, of all subsets."""
        found: Coefficient = getattr(self.result.relation(name, self.main), self.result.measure)
        return found

    @cached_property
    def main(self) -> str:
        """The regime in which most is comparable: one size where there is such a one."""
        there = {one.regime for one in self.result.relations}
        return "fixed size" if "fixed size" in there else "pooled"

    def relations(self, name: str) -> list[Relation]:
        """Return the relations of a score, without regimes that are of the same subsets as one before them."""
        out: list[Relation] = []
        for one in self.result.relations:
            mine = one.objective == name
            if mine and not any((o.n, o.strata, o.subsets) == (one.n, one.strata, one.subsets) for o in out):
                out.append(one)
        return out

    def regime_words(self, one: Relation) -> str:
        """Say of which subsets a relation is."""
        every = one.n == (self.result.n if one.subsets == "all" else self.result.n_random)
        word = "" if every and one.strata == 1 else f"{one.regime}, "
        return f"{word}{'all' if one.subsets == 'all' else 'random alone'}, n = {one.n}"

    def spread(self, of: str) -> RandomSpread | None:
        """Return what random subsets have of a score, or as performance, where they are of one size."""
        found = [one for one in self.result.spreads if one.of == of]
        return found[0] if len(found) == 1 else None

    def rises(self, name: str) -> bool:
        """Say whether performance is told to rise with a score up to the highest ones."""
        found = self.detected(name)
        if found is None or found.flagged:
            return False
        return found.slope_after_interval[0] > 0 or (found.p_value > ERROR_RATE and self.relation(name).low > 0)

    def detected(self, name: str) -> OverOptimisation | None:
        """Return what was found of a score that was pushed."""
        return next((one for one in self.result.over_optimised if one.objective == name), None)

    @cached_property
    def _bend(self) -> tuple[NDArray[np.intp], list[str]]:
        rows = np.array(self.result.rows, int)
        kept, notes = bend_rows(self.size[rows])
        return rows[kept], notes

    @property
    def bend_words(self) -> str:
        """Among which subsets a bend was looked for, where that is not all of them."""
        return "".join(f"{note[:1].upper()}{note[1:]}." for note in self._bend[1])

    def line(self, name: str, at: Array) -> Array:
        """Return the line that bends once, at scores (m,)."""
        found = self.detected(name)
        assert found is not None
        sign = 1 if self.result.better == "higher" else -1
        rows = self._bend[0]

        def rise(s: Array) -> Array:
            bend = np.maximum(s - found.s0, 0)
            return np.asarray(found.slope_before * s + (found.slope_after - found.slope_before) * bend)

        level = float(np.mean(sign * self.performance[rows] - rise(self.scores[name][rows])))
        return np.asarray(sign * (level + rise(at)))

    def made_of(self, intervals: str) -> str:
        """Say what stands behind numbers."""
        how = f"intervals: {level_text(self.result.level)}, {intervals}, {self.result.bootstrap} replicates"
        scores = f"Scores: {listed(list(self.result.objectives))}; performance: {self.metric_words}"
        return f"{scores}; {how}; data: {self.data}."

    @property
    def data(self) -> str:
        """Which subsets."""
        of = f" of {self.source.file}" if self.source else ""
        sizes = np.unique(self.size[np.array(self.result.rows, int)])
        ends = format_whole(sizes[0]) if len(sizes) == 1 else f"{format_whole(sizes[0])} to {format_whole(sizes[-1])}"
        where = f", {self.regime}" if self.regime else ""
        return f"{format_plural(self.result.n, 'subset')} of {ends}{of}{where}, {self.result.n_random} drawn at random"


def appraisal_part(page: AppraisalPage) -> Part:
    """Write the part of an appraisal.

    Parameters
    ----------
    page : AppraisalPage
        The appraisal.

    Returns
    -------
    Part
    """
    result = page.result
    best = next(one for one in result.best if one.regime == page.main)
    flagged = [one for one in result.over_optimised if one.flagged]
    reasons = []
    if not best.predicts:
        reasons.append("No score is told to predict: the interval of the highest correlation holds 0.")
    elif best.not_told_apart:
        reasons.append(f"{best.objective} is not told apart from {listed(list(best.not_told_apart))}.")
    if result.n_random < _FEW_RANDOM:
        reasons.append(f"{format_plural(result.n_random, 'random subset')}: too few to say what chance gives.")
    sections = (
        Section("performance", "What the scores say of performance", "Performance",
                parts=(panels_figure(page), caps_table(page))),
        Section("prediction", "Which score predicts", "Prediction",
                parts=(correlations_figure(page), relations_table(page))),
    )  # fmt: skip
    return Part(
        kind="appraisal",
        name=page.name,
        answer=_answer(page, best, flagged),
        made=page.made_of("BCa bootstrap of subsets"),
        verdict=WEAK if reasons else OK,
        reasons=tuple(reasons),
        checks=tuple(_checks(page, best)),
        sections=sections,
        methods=_methods(page),
        machine={"metric": page.metric, "caps": result.caps(), **result.to_dict()},
        command=page.command,
        sha256=page.sha256,
        created_at=page.created_at,
        sources=(page.source,) if page.source else (),
        notes=(*result.notes, *page.notes, *(f"No regime '{k}': {why}." for k, why in result.missing.items())),
    )


def _answer(page: AppraisalPage, best: Any, flagged: list[OverOptimisation]) -> Markup:
    level = level_text(page.result.level)
    if best.objective is None:
        head = Markup("No score varies among the subsets, so <strong>none predicts</strong> {}").format(page.metric)
    elif not best.predicts:
        c = page.relation(best.objective)
        head = Markup("<strong>No score is told to predict</strong> {}: the highest {} correlation is that of {}, {} "
                      "({} interval {})").format(page.metric, page.measure, best.objective,
                      format_number(c.value, 2), level, format_interval(c.low, c.high))  # fmt: skip
    else:
        c = page.relation(best.objective)
        head = Markup("Choose data by <strong>{}</strong>: of {} it predicts {} best, with a {} correlation of {} "
                      "({} interval {})").format(best.objective, format_plural(len(page.result.objectives), "score"),
                      page.metric, page.measure, format_number(c.value, 2), level,
                      format_interval(c.low, c.high))  # fmt: skip
    if not flagged:
        return head + "."
    caps = listed([f"{one.objective} at {format_number(one.cap)}" for one in flagged])
    return head + Markup(". Stop raising {}: subsets that score more are <strong>no better</strong>.").format(caps)


def _checks(page: AppraisalPage, best: Any) -> list[Check]:
    result, lines = page.result, []
    if best.objective is not None:
        c = page.relation(best.objective)
        lines.append(Check("Does a score predict performance?", YES if best.predicts else NO,
                           f"{format_number(c.value, 2)} ({format_interval(c.low, c.high)})",
                           f"{page.measure} correlation of {best.objective}, the highest."))  # fmt: skip
    if best.others:
        near = best.others[0]
        lines.append(Check("Is the best score told apart from the next?", YES if near.told else NO,
                           f"{format_number(near.value, 2)} ({format_interval(near.low, near.high)})",
                           f"Difference to {near.objective}, on the same replicates."))  # fmt: skip
    if best.objective is not None:
        alone = [o for o in page.relations(best.objective) if o.subsets == "random"]
        for one in alone[:1]:
            c = getattr(one, result.measure)
            lines.append(Check("Does it also rank random subsets?", YES if c.low > 0 else NO,
                               f"{format_number(c.value, 2)} ({format_interval(c.low, c.high)})",
                               "Among them alone a score varies little; a no says that it cannot tell ordinary subsets "
                               "apart, only pushed ones from ordinary ones."))  # fmt: skip
    enough = result.n_random >= _FEW_RANDOM
    lines.append(Check("Are there enough random subsets to compare with?", YES if enough else NO,
                       format_plural(result.n_random, "random subset"),
                       f"{_FEW_RANDOM} are needed for a band."))  # fmt: skip
    for one in result.over_optimised:
        lines.append(Check(f"Does more of {one.objective} still help at the highest score tried?",
                           NO if one.flagged else YES if page.rises(one.objective) else NONE,
                           f"up to {format_number(one.cap)}" if one.flagged else "no limit seen",
                           _pushed_words(one, page)))  # fmt: skip
    if not result.over_optimised:
        lines.append(Check("Was a score pushed too far?", NONE, "–", "Too few distinct scores to tell."))
    return lines


def _pushed_words(one: OverOptimisation, page: AppraisalPage) -> str:
    """Say what was seen of a score that was pushed."""
    if not one.flagged:
        if page.rises(one.objective):
            return f"Nothing was seen that speaks against raising it further: {page.metric} rises with it to the end."
        return f"No place was found above which it stops, but that {page.metric} rises with it is not told either."
    said = []
    if "bend" in one.reasons:
        falls = "falls" if one.slope_after_interval[1] < 0 else "does not rise"
        said.append(
            f"Above {format_number(one.s0)} ({format_interval(*one.s0_interval)}) {page.metric} {falls} with it."
        )
    if "z" in one.reasons:
        said.append(
            f"{format_plural(one.n_pushed, 'subset')} score {format_number(one.pushed_score_z, 2)} sd above random "
            f"ones, and their {page.metric} lies {format_number(one.pushed_performance_z, 2)} sd "
            f"({format_interval(*one.pushed_interval)}) above that of random ones."
        )
    return " ".join(said)


def _methods(page: AppraisalPage) -> tuple[tuple[str, str | Markup], ...]:
    result = page.result
    return (
        ("Appraisal", f"Subsets are scored and trained on; the score that correlates most by {page.measure} predicts "
                      f"best. Differences between scores are of the same {result.bootstrap} replicates."),
        ("Over-optimisation", "A score counts as pushed too far where the line of performance over it bends (p at most "
                              f"0.05 of {result.permutations} permutations), rises before the bend with its whole "
                              "interval and not after it; or where subsets more than 3 sd above random ones in score "
                              "are at most 1 sd above them in performance."),
        ("Intervals of the appraisal", f"{level_text(result.level)}. Of correlations: BCa bootstrap of subsets within "
                                       f"sizes or budgets; of slopes, bends and caps: percentiles of "
                                       f"{result.bootstrap} replicates, each with its own bend; seed {result.seed}."),
    )  # fmt: skip
