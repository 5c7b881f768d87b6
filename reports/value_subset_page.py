"""A selection on a page: whether to take it, what it scores beside random ones, and what is certain of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from reports.batch_page import Section
from reports.value_page import Part
from reports.value_subset_figures import gains_figure, score_figure, share_words
from reports.value_subset_tables import classes_table, members_table, scores_table, subset_checks
from reports.value_subset_words import subset_answer, subset_reasons
from reports.words import level_text, printable, sentence
from scaling.formatting import format_interval, format_number, format_plural, format_whole
from scaling.verdicts import OK, WEAK

if TYPE_CHECKING:
    from reports.inputs import Source
    from scaling.valuation.appraisal.band import Band
    from scaling.valuation.equivalence.equivalent_size import EquivalentSize
    from scaling.valuation.equivalence.score_curve import ScoreCurve

Array = NDArray[np.float64]
_NONE = np.empty(0)


@dataclass(frozen=True)
class SubsetPage:
    """A selection, and what random ones have.

    Parameters
    ----------
    name, set_name : str
        Of the selection, and of what it was chosen from.
    n, size : int
        Examples there, and chosen ones.
    objective, method : str
    options : mapping
        Settings of both.
    score : float
        Of the selection.
    value : float or None
        In the units in which the objective is maximised.
    is_random : bool
        Whether nothing was maximised.
    certificate, guarantee : mapping
        As of `StoredSubset`; may be empty.
    gains : ndarray (k,) or None
    members : tuple of mapping
        The first ones: ``rank example_id label grp gain``.
    classes : mapping of str to (int, int)
        Of each label or group the chosen examples and all of them; `class_word` says which.
    class_word : str
    cost : (float, float) or None
        Of the chosen examples and of all.
    band : Band or None
        Random subsets of the same size.
    curve : ScoreCurve or None
        Random subsets of other sizes.
    worth : EquivalentSize or None
        Random examples that score the same.
    no_random : str
        Why there are no random subsets.
    random_words, curve_words, unmatched : str
        What random subsets are; that those of other sizes are bound less; and why they match its size alone.
    path_sizes, path_scores : ndarray
        Prefixes of the selection.
    cap : (str, float, float, float) or None
        Of an appraisal of the same score that says until where its score may be pushed: its name, the cap, and the
        ends of its interval; the cap is infinite where no limit was seen.
    predicts : (str, str, bool) or None
        Of such an appraisal: its name, how well the score predicts, and whether that is told.
    other_sizes : str
        That such an appraisal is of subsets of other sizes, so that its cap says nothing here; empty otherwise.
    matched, sure : str, bool
        How that score is known to be the same, and whether it is for certain.
    other_score : str
        Why an appraisal of a score by that name says nothing here; empty where there is none such.
    embeddings : str
        Where they are, with their shape.
    seed, command, sha256, created_at, source
        As of `Part`.
    """

    name: str
    set_name: str
    n: int
    size: int
    objective: str
    method: str
    options: Mapping[str, Any]
    score: float
    value: float | None
    is_random: bool = False
    certificate: Mapping[str, Any] = field(default_factory=dict)
    guarantee: Mapping[str, Any] = field(default_factory=dict)
    gains: Array | None = None
    members: tuple[Mapping[str, Any], ...] = ()
    classes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    class_word: str = "class"
    cost: tuple[float, float] | None = None
    band: Band | None = None
    curve: ScoreCurve | None = None
    worth: EquivalentSize | None = None
    no_random: str = ""
    random_words: str = "random subsets of its size"
    curve_words: str = ""
    unmatched: str = ""
    path_sizes: Array = field(default_factory=lambda: _NONE)
    path_scores: Array = field(default_factory=lambda: _NONE)
    cap: tuple[str, float, float, float] | None = None
    predicts: tuple[str, str, bool] | None = None
    other_sizes: str = ""
    matched: str = ""
    sure: bool = True
    other_score: str = ""
    embeddings: str = ""
    seed: int | None = None
    command: str = ""
    sha256: str = ""
    created_at: str = ""
    source: Source | None = None

    @property
    def score_words(self) -> str:
        """What the score is called."""
        return f"{self.objective} score"

    @property
    def z(self) -> float:
        """Standard deviations above random subsets; NaN where that is not known."""
        return float("nan") if self.band is None else self.band.z(self.score)

    @property
    def beats_all(self) -> bool:
        """Whether it scores above every random subset that was drawn."""
        return self.band is not None and bool(self.score > self.band.values.max())

    @property
    def band_ends(self) -> str:
        """Between which scores 95 % of random subsets lie."""
        return "" if self.band is None else format_interval(self.band.quantile(0.025), self.band.quantile(0.975))

    @property
    def how(self) -> str:
        """The method in words."""
        return f"{self.method} greedy" if self.method in ("lazy", "eager", "stochastic") else self.method

    @property
    def beyond(self) -> bool:
        """Whether its score lies above the cap of an appraisal."""
        return self.cap is not None and self.score > self.cap[1]

    @property
    def random_examples(self) -> str:
        """What it is worth a number of."""
        balanced = self.random_words.startswith("class-balanced")
        return "class-balanced random examples" if balanced else "random examples"

    @property
    def worth_words(self) -> str:
        """How many random examples score the same, in a sentence; empty where that is not known."""
        if self.worth is None:
            return ""
        low, high = self.worth.curve
        if self.worth.beyond == "above":
            return f"No number of {self.random_examples} up to {format_whole(high)} scores as much."
        if self.worth.beyond == "below":
            return f"Fewer than {format_whole(low)} {self.random_examples} score as much."
        ends = format_interval(*self.worth.interval)
        return (
            f"It scores as much as {format_number(self.worth.size, 3)} {self.random_examples} do on average "
            f"({level_text(self.worth.level)} interval {ends}, bootstrap of the draws)."
        )

    @property
    def constraint(self) -> str:
        """What bound the selection beside its size."""
        caps, budget = self.options.get("caps"), self.options.get("budget")
        said = f"; at most {listed_caps(caps)} of each {self.class_word}" if caps else ""
        return said + (f"; within a budget of {format_number(float(budget))}" if budget is not None else "")

    def made_of(self) -> str:
        """Say what stands behind numbers."""
        kernel = self.options.get("kernel")
        how = f", kernel {kernel}" if kernel else ""
        how += self.constraint
        where = f"; embeddings: {self.embeddings}" if self.embeddings else ""
        return (
            f"Objective: {self.objective}{how}; method: {self.how}{where}; data: {self.size} of "
            f"{format_plural(self.n, 'example')} of {printable(self.set_name)}."
        )


def listed_caps(caps: Sequence[int]) -> str:
    """Write the most members of a class, where classes differ from least to most."""
    low, high = min(caps), max(caps)
    return str(low) if low == high else f"{low} to {high}"


def subset_part(page: SubsetPage) -> Part:
    """Write the part of a selection.

    Parameters
    ----------
    page : SubsetPage
        The selection.

    Returns
    -------
    Part
    """
    reasons = subset_reasons(page)
    sections = (
        Section("random", "What it scores beside random subsets", "Against random",
                parts=(score_figure(page), scores_table(page))),
        Section("members", "What was chosen", "Members",
                parts=(gains_figure(page), classes_table(page), members_table(page))),
    )  # fmt: skip
    machine = {
        "set_name": page.set_name, "n": page.n, "size": page.size, "objective": page.objective, "method": page.method,
        "options": dict(page.options), "score": page.score, "value": page.value, "z": page.z,
        "certificate": dict(page.certificate), "guarantee": dict(page.guarantee),
        "random": None if page.band is None else {"mean": page.band.mean, "sd": page.band.sd},
        "worth": None if page.worth is None else page.worth.to_dict(),
        "cap": None if page.cap is None else page.cap[1],
    }  # fmt: skip
    return Part(
        kind="selection", name=page.name, answer=subset_answer(page), made=page.made_of(),
        verdict=WEAK if reasons else OK, reasons=tuple(reasons), checks=tuple(subset_checks(page)), sections=sections,
        methods=_methods(page),
        machine=machine, command=page.command, sha256=page.sha256, created_at=page.created_at,
        sources=(page.source,) if page.source else (),
    )  # fmt: skip


def _methods(page: SubsetPage) -> tuple[tuple[str, str | Markup], ...]:
    own = ", ".join(
        f"{k} = {v}" for k, v in page.options.items() if not isinstance(v, Mapping | list) and v is not None
    )
    out: list[tuple[str, str | Markup]] = [
        ("Selection", f"{sentence(page.how)} maximisation of {page.objective}" + (f" ({own})" if own else "")
                      + (f"; seed {page.seed}." if page.seed is not None else "."))]  # fmt: skip
    if page.guarantee.get("why"):
        out.append(("What the objective promises", f"{sentence(str(page.guarantee['why']).rstrip('.'))}."))
    if page.certificate.get("share") is not None:
        score = page.certificate.get("score_share")
        also = (
            "" if score is None else f" (its score, a function of the value, at least {share_words(score)} of its own)"
        )
        share = share_words(page.certificate["share"])
        out.append(("Certificate", f"The value is at least {share} of the largest{also}: "
                                   f"{sentence(str(page.certificate['why']))[0].lower()}"
                                   f"{str(page.certificate['why'])[1:]}."))  # fmt: skip
    if page.matched:
        out.append(("Appraisal", f"Held against the selection {'because' if page.sure else 'only'} {page.matched}."))
    if page.band is not None and page.curve is not None:
        draws = len(page.curve.scores[0])
        free = f" (of all data: {page.curve_words})" if page.curve_words else ""
        alone = f" They match its size alone: {page.unmatched}." if page.unmatched else ""
        out.append(("Random subsets", f"{len(page.band.values)} {page.random_words}, and {draws} of each of "
                                      f"{len(page.curve.sizes)} sizes{free}, scored by the same objective; seed "
                                      f"{page.band.seed}.{alone} Random examples that score the same: the mean score, "
                                      "made monotone over the size, read backwards."))  # fmt: skip
    return tuple(out)
