"""Tables of the page of a boundary: attainable scores, chances, the compute that scores need, and what was used."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup

from reports.boundary_answers import BoundaryAnswers
from reports.boundary_inputs import BoundaryPage
from reports.boundary_words import (
    away_text,
    coming_text,
    flop,
    flop_interval,
    made_of,
    share_above,
    share_below,
    three,
)
from reports.tables import LONGEST, NOTHING, Cell, Table, make_table
from reports.words import level_text, mean_text, printable, shortest
from scaling.boundary.inverse import ANYWAY, UNREACHABLE, Inverse
from scaling.formatting import UNKNOWN, format_interval, format_number, format_percent

_CHANCES = 6  # columns of compute
_CROSS = "crosses"


def of_scores(answers: BoundaryAnswers) -> Table:
    """Make the table of attainable scores."""
    page, level = answers.page, level_text(answers.page.level)
    tau = page.boundary.tau
    others = [answers.line(line, answers.z) for line in answers.lines]
    rows = []
    for i, z in enumerate(answers.z.tolist()):
        mean, low, high = (float(v[i]) for v in (answers.mean, answers.low, answers.high))
        rows.append(
            (
                flop(z),
                mean_text(mean, low, high) if answers.banded else three(mean),
                format_interval(low, high) if answers.banded else UNKNOWN,
                coming_text(answers, i),
                *(_CROSS if math.isnan(line[i]) else three(float(line[i])) for line in reversed(others)),
                away_text(page, z) or "inside",
            )
        )
    heads = (
        "compute (FLOP)", f"{share_below(tau)} of the models score at most", f"{level} band of that curve",
        f"{share_below(tau)} of models to come", *(f"{share_below(t)} at most" for t in reversed(answers.lines)),
        "extrapolation",
    )  # fmt: skip
    note = (
        f"The band is of the curve, not of a new model. Models to come: with a margin of "
        f"{format_number(page.boundary.margin.value, 2)}, whose own error is in no band.{_crosses_words(rows)} "
        f"{made_of(page)}"
    )
    return make_table("Attainable scores", heads, rows, note=note, strong=(answers.asked,))


def of_inverse(answers: BoundaryAnswers) -> Table:
    """Make the table of the compute that scores need."""
    page, level = answers.page, level_text(answers.page.level)
    tau = page.boundary.tau
    rows = []
    for i, inverse in enumerate(answers.inverses):
        rows.append(
            (
                shortest(inverse.score),
                _compute(page, inverse),
                flop_interval(inverse.low, inverse.high, page.boundary.support),
                away_text(page, inverse.log10_compute) or (NOTHING if math.isinf(inverse.log10_compute) else "inside"),
                *(_other(answers, answers.others[t][i]) for t in reversed(answers.lines)),
            )
        )
    heads = (
        "score", f"FLOP at which {share_above(tau)} of the models reach it", f"{level} interval", "extrapolation",
        *(f"{share_above(t)} of the models" for t in reversed(answers.lines)),
    )  # fmt: skip
    note = (
        f"{_words_of(rows)}The interval is that of the second column; below the others stands how far they are "
        f"extrapolated.{_crosses_words(rows)} {made_of(page)}"
    )
    return make_table("Compute that a score needs", heads, rows, note=note)


def _compute(page: BoundaryPage, inverse: Inverse, with_factor: bool = False) -> Cell:
    if inverse.status in (UNREACHABLE, ANYWAY):
        return "unreachable" if inverse.status == UNREACHABLE else "any"
    text, far = flop(inverse.log10_compute), away_text(page, inverse.log10_compute)
    return Markup('{}<span class="below">{}</span>').format(text, far) if with_factor and far else text


def _other(answers: BoundaryAnswers, inverse: Inverse) -> Cell:
    if math.isfinite(inverse.log10_compute) and answers.crossing(np.array([inverse.log10_compute]))[0]:
        return _CROSS
    return _compute(answers.page, inverse, True)


def _words_of(rows: list[tuple[Cell, ...]]) -> str:
    """Explain the words that stand in place of numbers, where they do."""
    cells = " ".join(str(cell) for row in rows for cell in row)
    said = {
        "unreachable": "Unreachable: the curve levels off below the score. ",
        "never": "Never: at that end of the interval no compute reaches it. ",
        "any": "Any: at that end every compute does. ",
        "far ": "Far below or above: more than a million times outside the compute seen. ",
    }
    return "".join(words for word, words in said.items() if word in cells)


def _crosses_words(rows: list[tuple[Cell, ...]]) -> str:
    if not any(cell == _CROSS for row in rows for cell in row):
        return ""
    return f" {_CROSS.capitalize()}: quantiles cross there, so that these models do not tell them apart."


def of_chances(answers: BoundaryAnswers) -> Table:
    """Make the table of chances that a model of some compute scores at least so much."""
    page = answers.page
    z = answers.z if len(answers.z) <= _CHANCES else answers.z[-_CHANCES:]
    rows = []
    for inverse in answers.inverses:
        found = answers.grid.probability(inverse.score, z)
        cells = [
            _CROSS if lost else ("at most " if under else "at least " if over else "") + format_percent(value)
            for value, under, over, lost in zip(
                found.value.tolist(), found.at_most.tolist(), found.at_least.tolist(), answers.crossing(z).tolist(),
                strict=True,
            )
        ]  # fmt: skip
        rows.append((shortest(inverse.score), *cells))
    heads = ("score of at least", *(flop(v) + (f", {far}" if (far := away_text(page, v)) else "") for v in z.tolist()))
    note = (
        "Share of models like those fitted, by a grid of quantiles; 'at most' and 'at least' stand where the score "
        f"lies outside all of them.{_crosses_words(rows)} {made_of(page, 'none for these chances')}"
    )
    return make_table("Chance that a model of some compute (FLOP) scores at least so much", heads, rows, note=note)


def of_estimates(page: BoundaryPage) -> Table:
    """Make the table of parameters."""
    meanings = {
        "y0": "score of little compute",
        "L": "height of the rise",
        "b": "steepness (logits for ten times the compute)",
        "z_mid": "middle of the rise (log10 FLOP)",
    }
    rows = [(name, meanings[name], format_number(value)) for name, value in page.boundary.estimates.items()]
    held = ["L" if name == "rise" else name for name in page.boundary.fit.diagnostics.at_bound]
    note = "Quite different parameters give nearly the same curve, so these have no intervals: the curve has. "
    note += f"At a bound: {', '.join(held)}. " if held else ""
    return make_table("Parameters", ("parameter", "meaning", "estimate"), rows, 2, note=note + made_of(page))


def of_margin(page: BoundaryPage) -> Table:
    """Make the table of what the margin was learned from."""
    margin = page.boundary.margin
    left = page.group_word if page.boundary.scores.groups is not None else "model"
    rows = [
        (f"{left}s left out" if name == "left out" else printable(name).replace(">", "→"), format_number(value, 3))
        for name, value in margin.parts.items()
    ]
    note = f"Their mean, {format_number(margin.value, 3)}, is the margin. {made_of(page, 'none for the margin')}"
    return make_table("What the margin of forecasts was learned from", ("source", "height"), rows, note=note)


def of_sources(page: BoundaryPage) -> Table:
    """Make the table of files."""
    rows = [
        (Markup('<span class="name">{}</span>').format(printable(s.file)), str(s.rows), s.imported_at,
         Markup("<code>{}</code>").format(s.sha256))
        for s in page.sources
    ]  # fmt: skip
    return make_table("Sources", ("file", "rows", "imported", "SHA-256"), rows, texts=(0, 2, 3))


def of_excluded(page: BoundaryPage) -> Table:
    """Make the table of rows that the selection left out."""
    rows = [(printable(reason), str(count)) for reason, count in page.excluded_counts.items()]
    return make_table("Rows left out by the selection", ("reason", "rows"), rows)


def of_refused(page: BoundaryPage) -> Table:
    """Make the table of rows that were refused one by one."""
    rows = [
        (Markup('<span class="name">{}</span>').format(printable(r.file)), NOTHING if r.line is None else str(r.line),
         r.reason)
        for r in page.refused[:LONGEST]
    ]  # fmt: skip
    note = f"{LONGEST} of {len(page.refused)} rows." if len(page.refused) > LONGEST else ""
    return make_table("Rows refused", ("file", "line", "reason"), rows, texts=(0, 2), note=note)
