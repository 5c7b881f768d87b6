"""The page of learning rates and batches: what to run, what it costs to be off, and how far to trust the laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from markupsafe import Markup

from reports.batch_page import Decision, Origin, Section
from reports.batch_words import fit_checks, past_check
from reports.tables import of_checks
from reports.trust import NO, NONE, YES, Check
from reports.tuning_cells_figure import cells_figure
from reports.tuning_figures import laws_figure, recommendation_figure
from reports.tuning_tables import (
    cells_table,
    laws_table,
    off_table,
    published_table,
    recommendations_table,
    regrets_table,
)
from reports.words import INSIDE, cited, count_interval, factor_words, level_text
from scaling.errors import ScalingError
from scaling.formatting import format_count, format_interval, format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from scaling.fitting.backtest import Backtest
    from scaling.hyperparameters import LossSurface, Regrets, TunedLaws, TunedTimescale
    from scaling.hyperparameters.laws import TunedLaw
    from scaling.hyperparameters.published import PublishedRegret, PublishedRule
    from scaling.hyperparameters.recommendation import Recommendation

VERDICT_ORDER = (OK, WEAK, NOT_IDENTIFIED)


@dataclass(frozen=True)
class TuningPage:
    """What the page shows.

    Parameters
    ----------
    laws : TunedLaws
        Of the best learning rate and batch.
    targets : tuple of dict
        ``N`` and ``D`` of runs asked for, and ``B``, tokens a step, where the batch is settled.
    regrets : mapping of str to Regrets
        What the laws gave up in the cells, where they were fitted and where they were not.
    timescale : TunedTimescale or None
        Law of the weight decay.
    surface : LossSurface or None
        The loss of all runs at once.
    backtest : Backtest or None
        The largest cells held out, of the law that the page was asked by.
    base : str
        What the names of the saved laws begin with.
    names : mapping of str to str
        Name of the saved fit of each part.
    """

    laws: TunedLaws
    targets: tuple[dict[str, float], ...] = ()
    regrets: Mapping[str, Regrets] = field(default_factory=dict)
    timescale: TunedTimescale | None = None
    surface: LossSurface | None = None
    backtest: Backtest | None = None
    base: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[dict[str, float], ...]:
        """Runs asked for, or the cell of most compute."""
        if self.targets:
            return self.targets
        largest = max(self.laws.cells, key=lambda c: c.n_params * c.n_tokens)
        return ({"N": largest.n_params, "D": largest.n_tokens},)

    def recommend(self, level: float) -> tuple[list[Recommendation], str]:
        """Recommend for each run; where that cannot be done, nothing and the reason."""
        from scaling.hyperparameters import recommend

        try:
            found = [recommend(self.laws, t["N"], t["D"], batch=t.get("B"), level=level) for t in self.asked]
        except ScalingError as error:
            return [], error.message
        return found, ""

    def published(self, rec: Recommendation) -> tuple[PublishedRule, ...]:
        """Published laws of a run; laws of the loss get that of the surface of all runs, where it was fitted."""
        from scaling.hyperparameters.published import published_rules

        loss = None
        if self.surface is not None and self.surface.closed:
            loss = self.surface.optimum(rec.n_params, rec.n_tokens).loss
        return published_rules(rec.n_params, rec.n_tokens, loss=loss)

    @cached_property
    def published_regrets(self) -> tuple[PublishedRegret, ...]:
        """What published laws gave up in the cells."""
        from scaling.hyperparameters.published import published_regrets

        return published_regrets(self.laws.cells)

    def weight_decay_text(self, rec: Recommendation) -> str:
        """Write the weight decay of a recommendation; empty without a law of it."""
        if self.timescale is None:
            return ""
        return format_number(self.timescale.weight_decay(rec.lr, rec.batch, rec.n_params, rec.n_tokens), 3)

    def data_words(self, origin: Origin) -> str:
        """Say what the laws rest on: cells, runs and files."""
        counts = self.laws.cells.counts
        files = origin.data.partition(" of ")[2]
        of = f" of {files}" if files else ""
        diverged = f", {counts['diverged']} of them diverged" if counts["diverged"] else ""
        cells, runs = format_plural(counts["cells"], "cell"), format_plural(counts["runs"], "run")
        return f"{cells} of {runs}{of}{diverged}"


def decide(page: TuningPage, origin: Origin) -> Decision:
    """Make the page; as `reports.batch_steps_page.decide`."""
    found, why = page.recommend(origin.level)
    first = found[0] if found else None
    target = {k: v for k, v in page.asked[0].items() if k in ("N", "D")}
    return Decision(
        overline="Learning rate and batch size",
        title=f"Learning rate and batch size: {page.base or origin.name}",
        headline=_headline(page, first, why, origin),
        quote=_quote(page, first) if first is not None else "",
        choice="" if page.targets or first is None else "No run was asked for; the answer is for the largest cell, by "
        "parameters times tokens. Ask for another with --params ... --tokens ..., or --at N=1e9,D=1e11,B=1e6 where "
        "the "
        "batch is settled.",
        verdict=max((law.verdict for _, law in _laws_of(page, found)), key=VERDICT_ORDER.index),
        reasons=_reasons(page, found),
        sections=(
            Section("answer", "What to run", "What to run", parts=(
                recommendations_table(page, found, origin),
                None if first is None else recommendation_figure(page, first, origin),
                None if first is None else off_table(page, first, origin),
            )),
            Section("trust", "Can it be trusted?", "Trust", parts=(
                of_checks(_checks(page, found, origin)), regrets_table(page, origin))),
            Section("published", "Published laws", "Published laws", parts=(published_table(page, first),)),
            Section("laws", "The laws", "The laws",
                    parts=(laws_figure(page, target, origin), laws_table(page, origin))),
            Section("cells", "The loss surfaces", "Loss surfaces",
                    parts=(cells_figure(page, origin), cells_table(page, origin))),
        ),
        methods=_methods(page, origin),
        machine={
            "kind": "tuning",
            "base": page.base,
            "fits": page.names,
            "recommendations": [rec.to_dict() for rec in found],
            "no_recommendation": why,
            "laws": page.laws.to_dict(origin.level),
            "regrets": {name: one.to_dict() for name, one in page.regrets.items()},
            "published": [vars(r) for r in page.published(first)] if first is not None else [],
            "published_regrets": [one.to_dict() for one in page.published_regrets],
            "timescale": None if page.timescale is None else page.timescale.to_dict(origin.level),
            "loss_surface": None if page.surface is None else page.surface.to_dict(origin.level),
            "backtest": None if page.backtest is None else page.backtest.to_dict(),
        },
    )  # fmt: skip


def _laws_of(page: TuningPage, found: list[Recommendation]) -> list[tuple[str, TunedLaw]]:
    """Return the laws that the answer rests on: where the batch is given, not that of both at their best."""
    laws = page.laws
    named = [("Learning rate", laws.lr)] if not found or not all(rec.batch_given for rec in found) else []
    if laws.coupled is not None and any(rec.batch_given for rec in found):
        named.append(("Learning rate at a batch", laws.coupled))
    return [*named, ("Batch", laws.batch)]


def _reasons(page: TuningPage, found: list[Recommendation]) -> tuple[str, ...]:
    """Findings on the laws, and those on the recommendations that do not say the same again."""
    laws = [f"{name}: {reason}" for name, law in _laws_of(page, found) for reason in law.reasons]
    own = (*laws, *page.laws.optima.left_out, *page.laws.cells.warnings)
    more = dict.fromkeys(r for rec in found for r in rec.reasons if not any(one.endswith(r) for one in own))
    return (*own, *more)


def _headline(page: TuningPage, rec: Recommendation | None, why: str, origin: Origin) -> Markup:
    if rec is None:
        return Markup("No learning rate and batch can be recommended from {}: {}.").format(
            page.data_words(origin), why.partition(". ")[0].rstrip(".")
        )  # the box below has the reasons
    batch = f"{format_count(rec.batch)} tokens"
    notes = []
    if rec.context_length is not None:
        notes.append(f"{rec.sequences()[0]} sequences of {format_number(rec.context_length)}")
    notes.append("given" if rec.batch_given else count_interval(rec.batch_low, rec.batch_high))
    return Markup("{} parameters on {} tokens: learning rate <strong>{}</strong> ({} interval {}) and a batch of "
                  "<strong>{}</strong> ({}), expected to give up {} of the loss, {}.").format(
        format_count(rec.n_params), format_count(rec.n_tokens), format_number(rec.lr, 3), level_text(rec.level),
        format_interval(rec.lr_low, rec.lr_high), batch, "; ".join(notes), format_percent(rec.expected_regret),
        factor_words(rec.extrapolation_factor).replace("the data", "the cells"),
    )  # fmt: skip


def _quote(page: TuningPage, rec: Recommendation) -> str:
    said = (
        f"Twice or half the learning rate costs {format_percent(rec.cost_of_2x_lr)} of the loss; twice or half the "
        "batch "
        f"{format_percent(rec.cost_of_2x_batch)} with the learning rate re-tuned and "
        f"{format_percent(rec.cost_of_2x_batch_lr_held)} with it left. "
    )
    share, rates = format_percent(rec.plateau_share), format_interval(*rec.plateau_lr)
    batches = f"{count_interval(*rec.plateau_batch)} tokens"
    if rec.batch_given:
        said += (
            f"That is around the best batch, {format_count(rec.best_batch)} tokens: {batches} lose no more than "
            f"{share} of the loss there. At the batch given, learning rates of {rates} lose no more than {share} on "
            "top of what it gives up."
        )
    else:
        said += f"Anything within a learning rate of {rates} or, re-tuned, a batch of {batches} loses no more than "
        said += f"{share}."
    if page.timescale is not None:
        said += f" The weight decay to go with it is {page.weight_decay_text(rec)}."
    return said


def _checks(page: TuningPage, found: list[Recommendation], origin: Origin) -> list[Check]:
    laws, counts = page.laws, page.laws.cells.counts
    good = sum(b.ok for b in laws.bowls)
    edged = [c for c in laws.cells if c.edges]
    apart = [c for c in laws.cells if c.apart is not None]
    size = len(laws.bowls)
    out = [
        Check("Every surface has a minimum inside its grid", YES if good == size else NO, f"{good} of {size}",
              "A cell whose surface is not convex, or whose vertex lies beyond the grid, gives no optimum."),
        Check("Best run inside its grid", NO if edged else YES, f"{size - len(edged)} of {size}",
              f"At an end in {', '.join(c.name for c in edged[:5])}{' and others' if len(edged) > 5 else ''}."
              if edged else "No cell has its best run at an end of learning rates or batches."),
        Check("Learning rates tried overlap across batches", NO if apart else YES, f"{size - len(apart)} of {size}",
              "Where they do not, a batch may look worse because it was not tuned as the other was."),
        Check("Runs that diverged", NONE, str(counts["diverged"]),
              "Told by their loss beside the best of their cell; far above every cut-off of the surfaces."),
    ]  # fmt: skip
    if found:
        inside = sum(r.extrapolation_factor < INSIDE for r in found)
        out.append(Check("Asked inside the cells", YES if inside == len(found) else NO, f"{inside} of {len(found)}",
                         "Beyond the cells the laws are extrapolated; how steep the loss is there is that of their "
                         "edge."))  # fmt: skip
    if (one := page.regrets.get("largest_compute_out") or page.regrets.get("one_cell_out")) is not None:
        out.append(Check("Laws hold where they were not fitted", NONE, f"{format_percent(one.mean, 3)} given up",
                         f"On average over {format_plural(len(one.cells), 'cell')} held out, "
                         f"{format_percent(one.worst, 3)} "
                         "at most; see the table below for all ways of holding out."))  # fmt: skip
    if page.surface is not None and page.surface.closed and found:
        best = page.surface.optimum(found[0].n_params, found[0].n_tokens, origin.level)
        same = (best.lr_interval[0] <= found[0].lr <= best.lr_interval[1]) or (
            found[0].lr_low <= best.lr <= found[0].lr_high)  # fmt: skip
        out.append(Check("The loss of all runs at once agrees", YES if same else NO, format_number(best.lr, 3),
                         f"Learning rate of the lowest loss by one law of all runs, interval "
                         f"{format_interval(*best.lr_interval)}; batch {format_count(best.batch)} tokens; loss there "
                         f"{format_number(best.loss)}."))  # fmt: skip
    return [*out, past_check(page.backtest, "largest cells"), *fit_checks(laws.lr.fit)]


def _methods(page: TuningPage, origin: Origin) -> tuple[tuple[str, str | Markup], ...]:
    laws = page.laws
    coupled = "" if laws.coupled is None else (
        f" Where the batch is given, {laws.coupled.fit.law.output} = {laws.coupled.fit.law.formula} through the best "
        "learning "
        f"rates of {laws.coupled.n} single batches."
    )  # fmt: skip
    return (
        ("Cells", "All runs of one model size and one number of tokens, over learning rate and batch. Parameters are "
                  "counted "
                  "as in the runs."),
        ("Optima", f"{laws.method.words.capitalize()}. The logarithm of the loss is fitted over ln lr and ln B by "
                   "least "
                   "squares."),
        ("Laws", cited(f"{laws.lr.fit.law.output} = {laws.lr.fit.law.formula} and {laws.batch.fit.law.output} = "
                       f"{laws.batch.fit.law.formula}, the forms of arXiv:2503.04715; objective: "
                       f"{laws.lr.fit.objective}.{coupled}")),
        ("Intervals", f"{level_text(origin.level)}, cells drawn whole, {laws.bootstrap} times with the seed "
                      f"{laws.seed}, the same "
                      f"draws for all laws: {laws.lr.fit.interval_method}."),
        ("Loss given up", "Half of the second derivatives of the logarithm of the loss, over ln lr and ln B, times "
                          "the squared "
                          "distance from the optimum. They have a trend over parameters and tokens where there are "
                          "seven "
                          "surfaces or more, and stop at the edge of the cells."),
        ("Units", "Batches in tokens a step; learning rates are peaks."),
        ("Saved laws", ", ".join(f"{name} ({part})" for part, name in page.names.items()) or origin.name),
    )  # fmt: skip
