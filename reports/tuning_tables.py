"""Tables of the page of learning rates and batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reports.batch_page import Origin, over
from reports.tables import Table, make_table
from reports.words import cited, count_interval, factor_text, level_text, mean_text, sentence
from scaling.formatting import format_count, format_interval, format_number, format_percent

if TYPE_CHECKING:
    from reports.tuning_page import TuningPage
    from scaling.hyperparameters.recommendation import Recommendation

_OFF = (1.5, 2.0, 4.0, 8.0)


def recommendations_table(page: TuningPage, found: Sequence[Recommendation], origin: Origin) -> Table | None:
    """Make the table of what to run."""
    if not found:
        return None
    rows = []
    for rec in found:
        batch = over(format_count(rec.batch), "given" if rec.batch_given else
                     count_interval(rec.batch_low, rec.batch_high))  # fmt: skip
        sequences = "–"
        if rec.context_length is not None:
            sequences = f"{rec.sequences()[0]} of {format_number(rec.context_length)}"
        rows.append((
            f"{format_count(rec.n_params)} parameters, {format_count(rec.n_tokens)} tokens",
            over(format_number(rec.lr, 3), format_interval(rec.lr_low, rec.lr_high)), batch, sequences,
            format_percent(rec.expected_regret), factor_text(rec.extrapolation_factor),
            *((page.weight_decay_text(rec),) if page.timescale is not None else ()),
        ))  # fmt: skip
    heads = ("run", "learning rate", "batch (tokens)", "sequences", "expected to give up", "extrapolation",
             *(("weight decay",) if page.timescale is not None else ()))  # fmt: skip
    note = (
        f"Below each: {level_text(origin.level)} interval of its law. Expected to give up: share of the loss, on "
        "average, by "
        f"the errors of the laws and the scatter of cells around them. {origin.made_of(data=page.data_words(origin))}"
    )
    return make_table("What to run", heads, rows, 1, note, strong=(0,))


def off_table(page: TuningPage, rec: Recommendation, origin: Origin) -> Table:
    """Make the table of what it costs to be off."""
    from scaling.hyperparameters.bowl import batch_cost, lr_cost

    hessian = page.laws.curvature.at(rec.n_params, rec.n_tokens)
    rows = [
        (f"x{factor:g} or 1/{factor:g}", format_percent(lr_cost(hessian, factor)),
         format_percent(batch_cost(hessian, factor, True)), format_percent(batch_cost(hessian, factor, False)))
        for factor in _OFF
    ]  # fmt: skip
    heads = ("off by", "learning rate, at the best batch", "batch, learning rate re-tuned", "batch, learning rate left")
    low, high = rec.plateau_lr
    note = (
        f"Share of the loss given up, of {format_count(rec.n_params)} parameters on {format_count(rec.n_tokens)} "
        "tokens. "
        f"Within {format_percent(rec.plateau_share)} of the lowest: learning rates {format_interval(low, high)}, "
        "batches "
        f"{count_interval(*rec.plateau_batch)} tokens with the learning rate re-tuned: when the batch doubles it "
        "changes by "
        f"the factor {format_number(2**rec.slope, 3)}. By the second derivatives of {page.laws.curvature.n} "
        "surfaces; far "
        "from the optimum, and towards higher learning rates, it is more. No intervals; "
        f"data: {page.data_words(origin)}."
    )
    return make_table("What it costs to be off", heads, rows, 1, note)


def laws_table(page: TuningPage, origin: Origin) -> Table:
    """Make the table of the laws' parameters."""
    rows = []
    laws = [("learning rate", page.laws.lr), ("batch, tokens", page.laws.batch)]
    laws += [("learning rate at a batch", page.laws.coupled)] if page.laws.coupled is not None else []
    laws += [("timescale of weight decay", page.timescale.law)] if page.timescale is not None else []
    for name, law in laws:
        for k, value in law.estimates.items():
            low, high = law.fit.interval(k, origin.level)
            rows.append((f"{name}: {k}", mean_text(value, low, high), format_interval(low, high), law.fit.law.formula,
                         f"{law.n} in {law.cells}", law.verdict))  # fmt: skip
    heads = ("parameter", "estimate", f"{level_text(origin.level)} interval", "law", "points in cells", "verdict")
    return make_table("The laws", heads, rows, (0, 3, 5), origin.made_of(data=page.data_words(origin)))


def regrets_table(page: TuningPage, origin: Origin) -> Table:
    """Make the table of what laws give up in the cells, this page's and published ones."""
    words = {
        "fitted": "these laws, where they were fitted", "one_cell_out": "these laws, each cell left out in turn",
        "largest_parameters_out": "laws of the smaller models, in the largest",
        "largest_compute_out": "laws of the smaller cells, in those of most compute",
    }  # fmt: skip
    rows = [
        (words[name], str(len(found.cells)), format_percent(found.mean, 3), format_percent(found.worst, 3),
         "–" if math.isnan(found.mean_by_bowl) else format_percent(found.mean_by_bowl, 3), "")
        for name, found in page.regrets.items()
    ]  # fmt: skip
    for one in page.published_regrets:
        told = f"; the {one.tuned} is the best one run, because the law gives none" if one.tuned else ""
        rows.append((one.rule, str(len(one.by_cell)), format_percent(one.mean, 3), format_percent(one.worst, 3), "–",
                     cited(f"{one.source}{told}")))  # fmt: skip
    heads = ("learning rate and batch by", "cells", "mean", "worst", "mean by the surface", "source")
    note = (
        "Share of the loss given up: the loss between the runs of a cell above that of its best run, which is a low "
        "bar, so "
        "even the true optimum gives something up; by the surface: above its vertex. Published laws were made on "
        "other data "
        f"and models. Data: {page.data_words(origin)}."
    )
    return make_table("What was given up in the cells", heads, rows, (0, 5), note)


def published_table(page: TuningPage, rec: Recommendation | None) -> Table | None:
    """Make the table of published laws at the first run."""
    if rec is None:
        return None
    rows = [
        (r.name, "best" if r.kind == "best" else "critical batch", "–" if r.lr is None else format_number(r.lr, 3),
         "–" if r.batch is None else format_count(r.batch), cited(f"{r.source}. {sentence(r.note).rstrip('.')}."))
        for r in page.published(rec)
    ]  # fmt: skip
    own = ("these laws", "best", format_number(rec.lr, 3), format_count(rec.batch), "this page")
    note = (
        f"At {format_count(rec.n_params)} parameters and {format_count(rec.n_tokens)} tokens; as published, without "
        "intervals. A critical batch bounds what can be spent on speed and is no batch of the lowest loss."
    )
    heads = ("law", "gives", "learning rate", "batch (tokens)", "source and remarks")
    return make_table("Published laws for this run", heads, [own, *rows], (0, 1, 4), note, strong=(0,))


def cells_table(page: TuningPage, origin: Origin) -> Table:
    """Make the table of cells."""
    rows = []
    for bowl in page.laws.bowls:
        cell = bowl.cell
        known = bowl.ok
        lr = over(format_number(bowl.lr, 3), _spread(bowl.lr, bowl.covariance[0, 0])) if known else "–"
        batch = over(format_count(bowl.batch), f"factor {_factor(bowl.covariance[1, 1])}") if known else "–"
        rows.append((
            cell.name, f"{cell.n}, {cell.diverged}", lr, batch, format_number(bowl.loss, 4) if known else "–",
            format_percent(bowl.cost_of_lr()) if known else "–", format_percent(bowl.cost_of_batch()) if known else "–",
            "; ".join([*([] if known else [bowl.status]), *("best run at the "
                                                            f"{edge}" for edge in cell.edges)]) or "ok",
        ))  # fmt: skip
    heads = ("cell", "runs, diverged", "best learning rate", "best batch (tokens)", "loss there", "2x learning rate",
             "2x batch", "surface")  # fmt: skip
    note = (
        "Vertex of the surface fitted to the runs near the best of each cell; below: one standard error, of a batch "
        "as a "
        "factor. 2x: share of the loss given up by twice or half of it; of the batch with the learning rate re-tuned. "
        f"{origin.data}."
    )
    return make_table("Cells: one model size at one number of tokens", heads, rows, (0, 7), note)


def _spread(value: float, variance: float) -> str:
    error = math.sqrt(variance) if variance >= 0 else math.nan
    return f"± {format_percent(error)}" if math.isfinite(error) and value > 0 else "unknown"


def _factor(variance: float) -> str:
    return format_number(float(np.exp(math.sqrt(variance))), 3) if variance >= 0 else "unknown"
