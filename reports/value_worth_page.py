"""What a loss is worth on a page: the law's curve, the loss on it, and how many random tokens give as much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from reports.batch_page import Section, estimates_table, name_cell
from reports.batch_words import fit_checks
from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, MUTED, beyond, new_figure, place_labels, scale_axis, styled
from reports.tables import NOTHING, Table, make_table
from reports.trust import NO, NONE, YES, Check
from reports.value_page import Part
from reports.words import INSIDE, count_interval, factor_words, level_text
from scaling.bands import replicate_interval
from scaling.formatting import format_count, format_interval, format_number, format_percent
from scaling.valuation.equivalence.token_curve import TokenCurve
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.batch_page import Origin
    from scaling.results import Fit
    from scaling.valuation.equivalence.worth_result import Worth

Array = NDArray[np.float64]
_CURVE = 61


@dataclass(frozen=True)
class WorthPage:
    """Losses in random tokens.

    Parameters
    ----------
    fit : Fit
        The law of random data.
    origin : Origin
        Of the fit.
    worths : tuple of Worth
        One a loss; the first is the answer.
    runs : tuple of str
        What each loss is of.
    trend : SizeTrend or None
        Over sizes.
    no_trend : str
        Why there is none.
    """

    fit: Fit
    origin: Origin
    worths: tuple[Worth, ...]
    runs: tuple[str, ...]
    trend: Any = None
    no_trend: str = ""

    def made_of(self, one: Worth | None = None) -> str:
        """Say what stands behind numbers."""
        how = (one or self.worths[0]).method
        return self.origin.made_of(f"{level_text(self.worths[0].level)}, {how}")


def worth_part(page: WorthPage) -> Part:
    """Write the part of losses in random tokens.

    Parameters
    ----------
    page : WorthPage
        The losses.

    Returns
    -------
    Part
    """
    first, fit = page.worths[0], page.fit
    verdict = fit.verdict if fit.verdict in (OK, WEAK, NOT_IDENTIFIED) else WEAK
    reasons = list(fit.diagnostics.reasons)
    if first.extrapolation_factor > INSIDE and first.d_eq > 0:
        verdict = WEAK if verdict == OK else verdict
        far = f": {factor_words(first.extrapolation_factor)}" if math.isfinite(first.extrapolation_factor) else ""
        reasons.append(f"The model, or the tokens it is worth, lie outside the data of the law{far}.")
    if math.isinf(first.interval[1]):
        verdict = WEAK if verdict == OK else verdict
        reasons.append("The interval has no upper end: the loss may be one that no amount of random data reaches.")
    trend = (str(page.trend.words),) if page.trend is not None and hasattr(page.trend, "words") else ()
    return Part(
        kind="worth", name=page.origin.name, answer=_answer(first), made=page.made_of(), verdict=verdict,
        reasons=tuple(reasons), checks=tuple(_checks(page, first)),
        sections=(
            Section("worth", "What the loss is worth in random tokens", "Worth", words=trend,
                    parts=(_figure(page, first), _table(page))),
            Section("law", "The law of random data", "Law", parts=(estimates_table(fit, page.origin),)),
        ),
        methods=(
            ("Worth", "The number of random tokens at which the law, fitted to random data, has the loss of the model "
                      "that was trained on the subset, at the same number of parameters."),
            ("Intervals of the worth", f"{level_text(first.level)}: {first.method}; standard error of the loss "
                                       f"{format_number(first.loss_se, 2)} ({first.loss_se_from}); seed {first.seed}."),
            ("Law", f"{fit.law.output} = {fit.law.formula}; objective: {fit.objective}; {fit.law.name} of the law "
                    "book."),
        ),
        machine={"fit": page.origin.name, "worths": [one.to_dict() for one in page.worths]},
        command=page.origin.command, sha256=page.origin.data_sha256, created_at=page.origin.created_at,
        sources=page.origin.sources, notes=page.origin.notes, simulated=page.origin.simulated,
    )  # fmt: skip


def _answer(one: Worth) -> Markup:
    at = "" if one.n_params is None else f" at {format_count(one.n_params)} parameters"
    loss, level = format_number(one.loss), level_text(one.level)
    if math.isinf(one.d_eq):
        low = one.interval[0]
        least = f" With what is not known of it, at least {format_count(low)} {one.of}." if (
            math.isfinite(low) and low > 0) else ""  # fmt: skip
        return Markup("A loss of {}{} is worth <strong>more than any amount of random data</strong> under this law: "
                      "the loss that no data take away is {}.{}").format(loss, at, format_number(one.asymptote),
                      least)  # fmt: skip
    if one.d_eq == 0:
        return Markup("A loss of {}{} is worth <strong>nothing</strong>: the law has a lower one without any data."
                      ).format(loss, at)  # fmt: skip
    ends = f"{level} interval {count_interval(*one.interval)}"
    said = Markup("A loss of {}{} is worth <strong>{} {}</strong> ({})").format(
        loss, at, format_count(one.d_eq), one.of, ends)  # fmt: skip
    if one.n_tokens is None:
        return said + "."
    word = "more" if one.ratio > 1 else "less"
    low, high = one.ratio_interval
    sure = low > 1 or high < 1
    words = ": each token that it was trained on counts for <strong>{}</strong> random ones ({}), {}."
    return said + Markup(words).format(
        format_number(one.ratio, 3), format_interval(low, high),
        f"so this data is worth {word} than random data" if sure else "so it is not told apart from random data",
    )  # fmt: skip


def _checks(page: WorthPage, one: Worth) -> list[Check]:
    lines = fit_checks(page.fit)
    inside = one.extrapolation_factor < INSIDE
    if one.d_eq > 0:
        lines.append(Check("Is the answer inside the data of the law?", YES if inside else NO,
                           format_count(one.d_eq) if math.isfinite(one.d_eq) else "no end",
                           f"{factor_words(one.extrapolation_factor).capitalize()}."))  # fmt: skip
    room = one.loss - one.asymptote
    lines.append(Check("Is the loss clear of what no data take away?", YES if room > 3 * one.loss_se else NO,
                       f"{format_number(room, 3)} above",
                       f"The law ends at {format_number(one.asymptote)} at this size; the standard error of the loss "
                       f"is {format_number(one.loss_se, 2)}. Close to the end a small error of the loss is a large "
                       "one of the tokens."))  # fmt: skip
    if not math.isnan(one.endless_share):
        lines.append(Check("Does every replicate of the law give an answer?", YES if one.endless_share == 0 else NO,
                           format_percent(1 - one.endless_share, 3),
                           "Where one gives none, no amount of random data has this loss."))  # fmt: skip
    if page.trend is None and len(page.worths) > 1:
        lines.append(Check("Is the worth the same at every size?", NONE, "–", f"Not known: {page.no_trend}."))
    return lines


def _figure(page: WorthPage, one: Worth) -> tuple[FigureData, Figure]:
    curve = TokenCurve.of(page.fit, one.n_params, force=True)
    low, high = curve.support
    known = [v for v in (one.d_eq, one.n_tokens, *one.interval) if v is not None and 0 < v < math.inf]
    grid = np.geomspace(min([low, *known]) / 1.5, min(max([high, *known]) * 1.5, 1e4 * high), _CURVE)
    losses = curve.loss(np.log(grid))
    below, above = replicate_interval(losses[1:], page.fit.percentile_level(one.level)) if curve.replicates else (
        np.full(_CURVE, np.nan),) * 2  # fmt: skip
    level = level_text(one.level)
    with styled():
        figure, (axes,) = new_figure(4.0)
        if np.isfinite(below).all():
            axes.fill_between(grid, below, above, color=LAW, alpha=0.25, linewidth=0, zorder=1)
        [line] = axes.plot(grid, losses[0], color=LAW, zorder=3)
        flat = axes.axhline(one.asymptote, color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)))
        own = axes.axhline(one.loss, color=INK, linewidth=1.0, linestyle=(0, (1, 1.5)))
        handles = [(line, f"loss of random data, {level} band"), (own, f"loss {format_number(one.loss)}"),
                   (flat, "what no data take away")]  # fmt: skip
        axes.set_xlim(grid[0], grid[-1])
        scale_axis(axes.xaxis, "count", True)
        top = max(float(losses[0].max()), one.loss)
        room = top - min(one.asymptote, one.loss)
        axes.set_ylim(min(one.asymptote, one.loss) - 0.08 * room, top + 0.06 * room)
        scale_axis(axes.yaxis, "value", False)
        axes.set_xlabel(f"{one.of}")
        axes.set_ylabel("loss" if not page.fit.law.unit else f"loss ({page.fit.law.unit})")
        if grid[-1] > 1.7 * high:
            beyond(axes, high, float(grid[-1]), text="the data of the law end here")
        if grid[0] < low / 1.7:
            beyond(axes, low, float(grid[0]), text="the data of the law begin here", top=False)
        at, names = [], []
        if 0 < one.d_eq < math.inf:
            ends = [max(one.interval[0], grid[0]), min(one.interval[1], grid[-1])]
            if np.isfinite(ends).all():
                axes.plot(ends, [one.loss] * 2, color=INK, linewidth=2.0, zorder=4)
            axes.plot([one.d_eq], [one.loss], "D", color=INK, markersize=6, markeredgewidth=0, zorder=5)
            at.append((one.d_eq, one.loss))
            names.append(f"worth {format_count(one.d_eq)}")
        if one.n_tokens is not None:
            axes.plot([one.n_tokens], [one.loss], "o", color=DATA, markersize=6, markeredgewidth=0, zorder=5)
            at.append((one.n_tokens, one.loss))
            names.append(f"trained on {format_count(one.n_tokens)}")
        busy = np.concatenate([np.column_stack([grid, losses[0]]), np.column_stack([grid, np.full(_CURVE, one.loss)])])
        place_labels(axes, at, names, busy, 8.5)
        key(figure, handles)
    where = "" if one.n_params is None else f" at {format_count(one.n_params)} parameters"
    columns: dict[str, Any] = {"tokens": grid, "loss": losses[0]}
    if np.isfinite(below).all():
        columns |= {f"{level} low": below, f"{level} high": above}
    return (
        FigureData(
            key="fig-worth",
            title=f"The loss over {one.of}{where}, and what the measured loss is worth",
            finding=one.words,
            caption=f"Line: the law, with the {level} band of the curve. Dotted: the measured loss; diamond: the "
            "tokens at which the law has it, and their interval. Dashed: what no data take away, "
            f"{format_number(one.asymptote)}. {page.made_of(one)}",
            series=(Series("law", columns, dict.fromkeys(columns, "value") | {"tokens": "count"}, curve=True),),
        ),
        figure,
    )  # fmt: skip


def _table(page: WorthPage) -> Table:
    rows = []
    for run, one in zip(page.runs, page.worths, strict=True):
        rows.append((
            name_cell(run or "the loss"), NOTHING if one.n_params is None else format_count(one.n_params),
            format_number(one.loss), format_count(one.d_eq) if math.isfinite(one.d_eq) else "more than any amount",
            count_interval(*one.interval), NOTHING if one.n_tokens is None else format_count(one.n_tokens),
            NOTHING if one.n_tokens is None else
            f"{format_number(one.ratio, 3)} ({format_interval(*one.ratio_interval)})",
            one.verdict,
        ))  # fmt: skip
    level = level_text(page.worths[0].level)
    heads = ("of", "parameters", "loss", page.worths[0].of, f"{level} interval", "trained on", "ratio", "verdict")
    left = f"40 of {len(rows)} losses. " if len(rows) > 40 else ""
    return make_table("Worth in random tokens", heads, rows[:40], (0, 7), f"{left}{page.made_of()}")
