"""How a boundary was made, in sentences with their sources."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from reports.boundary_answers import BoundaryAnswers
from reports.boundary_inputs import BoundaryPage
from reports.boundary_words import data_words, interval_words, share_below
from reports.words import cited, listed, sentence
from scaling.formatting import format_number, format_plural


def methods(answers: BoundaryAnswers) -> list[tuple[str, Markup]]:
    """Describe how everything was made, with sources."""
    page, b = answers.page, answers.page.boundary
    s = b.settings
    bias = math.log(s.tau / (1 - s.tau)) / s.kappa
    corner = (
        f"The rounded corner lifts the curve by at most {format_number(abs(bias), 2)}, where scores do not scatter."
    )
    named = f" Settings: {s.preset}." if s.preset else ""
    out: list[tuple[str, Any]] = [
        (
            "Boundary",
            "q(z) = y0 + L sigmoid(b (z - z_mid)) over z = log10 of the training compute in FLOP (arXiv:2602.15327), "
            "with y0 and y0 + L between 0 and 1. Compute is what the data give as such.",
        ),
        (
            "Objective",
            f"{sentence(b.objective)}, over {format_plural(b.n_obs, 'model')}: {format_number(b.objective_value)} at "
            f"the optimum, searched for from a grid of starts; the mean exact pinball loss "
            f"is {format_number(b.pinball)}. {corner}{named}",
        ),
        (
            "Bands",
            _bands(page),
        ),
        (
            "Other quantiles and chances",
            f"{listed([share_below(t) for t in answers.grid.taus.tolist()])} of the models, each fitted by itself, and "
            "put in order where two cross (arXiv:0704.3649); the chance of a score is linear between neighbouring "
            "quantiles, and cannot be told beyond the outermost. Where that order would move the boundary itself, "
            "neither chances nor other quantiles are given.",
        ),
        (
            "Margin of forecasts",
            f"{format_number(b.margin.value, 2)}, {b.margin.method}: the height above the boundary that the wanted "
            "share of models stays below which it was not fitted to (arXiv:1604.04173), the mean over these sources. "
            "Its own error is not in the band.",
        ),
        (
            "Verdict",
            "'ok' means that no check failed; 'weak' that it is usable with the reasons in mind; 'not identified' that "
            "the models do not determine it.",
        ),
        (
            "Rounding",
            "Estimates and intervals are cut by the rule of the Particle Data Group (Phys. Rev. D 98, 030001, section "
            "5.3); other numbers have up to four significant digits. The JSON in this file has all digits.",
        ),
    ]  # fmt: skip
    return [(term, cited(words)) for term, words in out]


def rows_used(page: BoundaryPage) -> str:
    """Say how many rows were used, and how many were not."""
    left, refused = sum(page.excluded_counts.values()), len(page.refused)
    parts = [f"{data_words(page)} went into the boundary"]
    if left:
        parts.append(f"{left} {'was' if left == 1 else 'were'} left out by the selection")
    if refused:
        parts.append(f"{refused} {'was' if refused == 1 else 'were'} refused")
    counts = [f"{int(mask.sum())} {name}" for name, mask in page.marks.items() if mask.any()]
    marked = f" Among those fitted are {listed(counts)}, fitted like the others." if counts else ""
    return f"{listed(parts)}.{marked}"


def _bands(page: BoundaryPage) -> str:
    b = page.boundary
    if not b.bootstrap:
        return "None: no bootstrap was made."
    said = f"{sentence(interval_words(page))}, pointwise: of the curve at each compute, not of a new model."
    if b.scores.groups is not None:
        return f"{said} Models of one group are resampled together."
    return f"{said} No groups were given, so each model counts as an independent draw."
