"""Values of sources on a page: what each takes off the loss, by several ways to divide it, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from reports.batch_page import Section
from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, FORM, INK, LAW, MUTED, PAST, new_figure, scale_axis, styled
from reports.tables import NOTHING, Table, make_table
from reports.trust import NO, NONE, YES, Check
from reports.value_page import Part
from reports.words import ASSUMED, level_text, listed, printable, sentence
from scaling.formatting import format_count, format_interval, format_number, format_percent, format_plural
from scaling.valuation.sources.valued import EFFICIENT, TITLES
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_LOOKS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "color": DATA}, {"marker": "D", "color": LAW}, {"marker": "s", "color": FORM},
    {"marker": "^", "color": PAST}, {"marker": "v", "color": INK},
)  # fmt: skip

_SURE = 2.0  # standard errors of a difference beyond which a sample of orders leaves no doubt


@dataclass(frozen=True)
class Way:
    """Values of the sources by one method.

    Parameters
    ----------
    name, method : str
        Of the valuation, and how the loss was divided.
    values, low, high : ndarray (k,)
        Loss taken away; NaN ends where intervals are not known.
    level : float
        Of the intervals.
    interval_method : str
    command, sha256, created_at : str
    error : ndarray (k,) or None
        Standard errors of values that were found from sampled orders; None where all coalitions were counted.
    """

    name: str
    method: str
    values: Array
    low: Array
    high: Array
    level: float
    interval_method: str
    command: str = ""
    sha256: str = ""
    created_at: str = ""
    error: Array | None = None

    @property
    def title(self) -> str:
        """The method as its name is written."""
        return TITLES.get(self.method, self.method)

    def interval(self, i: int) -> str:
        """Write the interval of a source."""
        return format_interval(float(self.low[i]), float(self.high[i])) if math.isfinite(self.low[i]) else NOTHING


@dataclass(frozen=True)
class SourcesPage:
    """What sources are worth under a law.

    Parameters
    ----------
    names : tuple of str (k,)
    ways : tuple of Way
        The first is what the answer rests on.
    fit, law, unit, verdict : str
        Of the law.
    tokens : ndarray (k,)
        Of each source; NaN where unknown.
    total : float
        By how much all of them lower the loss; NaN where unknown.
    base : float
        Tokens that are there without them.
    reasons : tuple of str
        Of the verdict of the law.
    simulated : bool
    name : str
        What to call them; the name of the first valuation where missing.
    """

    names: tuple[str, ...]
    ways: tuple[Way, ...]
    fit: str
    law: str
    unit: str
    verdict: str
    tokens: Array
    total: float
    base: float = 0.0
    reasons: tuple[str, ...] = field(default=())
    simulated: bool = False
    name: str = ""

    @property
    def first(self) -> Way:
        """The method that the answer rests on."""
        return self.ways[0]

    @property
    def order(self) -> list[int]:
        """Sources, the most valuable first."""
        return [int(i) for i in np.argsort(-self.first.values, kind="stable")]

    @property
    def sampled(self) -> bool:
        """Whether values of the first method rest on a sample of orders."""
        return self.first.error is not None

    def told(self, a: int, b: int) -> bool:
        """Say whether source `a` is told to be worth more than `b`: neither the law nor the sample leaves it open."""
        first = self.first
        if first.error is not None:
            apart = _SURE * math.hypot(float(first.error[a]), float(first.error[b]))
            if not first.values[a] - first.values[b] > apart:
                return False
        return not math.isfinite(first.low[a]) or bool(first.low[a] > first.high[b])

    def made_of(self) -> str:
        """Say what stands behind numbers."""
        how = listed(list(dict.fromkeys(way.title for way in self.ways)))
        base = f" beside {format_count(self.base)} tokens of others" if self.base > 0 else ""
        return (
            f"Utility: loss taken away under the law {self.law} of the fit {printable(self.fit)}; methods: {how}; "
            f"intervals: {level_text(self.first.level)}, {self.first.interval_method}; data: "
            f"{format_plural(len(self.names), 'source')}{base}."
        )


def sources_part(page: SourcesPage) -> Part:
    """Write the part of values of sources.

    Parameters
    ----------
    page : SourcesPage
        The values.

    Returns
    -------
    Part
    """
    first, order = page.first, page.order
    best = order[0]
    share = f", {format_percent(first.values[best] / page.total)} of what all {len(order)} take off it" if (
        page.total > 0 and len(order) > 1) else ""  # fmt: skip
    bare = page.unit.removesuffix(ASSUMED)
    unit = f" {bare}" if bare else ""
    each = ""
    if np.isfinite(page.tokens).all() and np.all(page.tokens > 0) and len(order) > 1:
        dear = int(np.argmax(first.values / page.tokens))
        if dear != best:
            each = f" Token for token {page.names[dear]} is worth most."
    told = len(order) < 2 or page.told(best, order[1])
    words = "<strong>{}</strong> is the source worth most: by {} it takes" if told else (
        "<strong>{}</strong> is worth most, but the next is not told apart from it: by {} it takes")  # fmt: skip
    if len(order) == 1:
        words = "<strong>{}</strong> is the only source: by {} it takes"
    answer = Markup(words + " {}{} off the loss ({} interval {}){}.{}")
    verdict = page.verdict if page.verdict in (OK, WEAK, NOT_IDENTIFIED) else WEAK
    reasons = [*page.reasons] + ([f"The law was {page.verdict}."] if verdict != page.verdict else [])
    sums = {way.title: float(way.values.sum()) / page.total for way in page.ways if page.total > 0}
    return Part(
        kind="sources",
        name=page.name or first.name,
        answer=answer.format(page.names[best], first.title, format_number(first.values[best], 3), unit,
                             level_text(first.level), first.interval(best), share, each),
        made=page.made_of(),
        verdict=verdict,
        reasons=tuple(reasons),
        checks=tuple(_checks(page, told, sums)),
        sections=(Section("sources", "What each source is worth", "Sources",
                          parts=(_figure(page), _table(page))),),
        methods=(
            ("Values of sources", "Utility of a set of sources: how much lower the law's loss is with them. Shapley "
                                  "and Aumann-Shapley divide it among all; values by Banzhaf, Beta and leave one out "
                                  "do not add up to it."),
            ("Intervals of the sources", f"{level_text(first.level)}: {first.interval_method}." + (
                " They know how well the law is known, not that orders of the sources were sampled: that is the "
                "standard error in the table." if page.sampled else "")),
        ),
        machine={"sources": [
            {"source": page.names[i], "method": way.method, "value": way.values[i], "low": way.low[i],
             "high": way.high[i]} for way in page.ways for i in order
        ], "total": page.total, "fit": page.fit},
        command="\n".join(dict.fromkeys(way.command for way in page.ways if way.command)),
        sha256=first.sha256,
        created_at=first.created_at,
        simulated=page.simulated,
    )  # fmt: skip


def _checks(page: SourcesPage, told: bool, sums: dict[str, float]) -> list[Check]:
    first, order = page.first, page.order
    lines = [Check("Do the data determine the law?", YES if page.verdict == OK else NO, page.verdict,
                   f"Verdict on the fit {printable(page.fit)}.")]  # fmt: skip
    if len(order) > 1:
        a, b = order[:2]
        also = ", and the values lie 2 standard errors of the sample of orders apart" if page.sampled else ""
        lines.append(Check("Is the best source told apart from the next?", YES if told else NO,
                           f"{first.interval(a)} against {first.interval(b)}",
                           f"{sentence(printable(page.names[a]))} and {printable(page.names[b])}; a yes where the "
                           f"intervals do not meet{also}."))  # fmt: skip
    if len(page.ways) > 1:
        firsts = {way.title: page.names[int(np.argmax(way.values))] for way in page.ways}
        agree = len(set(firsts.values())) == 1
        lines.append(Check("Do all methods name the same best source?", YES if agree else NO,
                           format_plural(len(page.ways), "method"),
                           "; ".join(f"{title}: {printable(name)}" for title, name in firsts.items()) + ".",
                           ))  # fmt: skip
    for way in page.ways:
        if way.title in sums:
            whole = way.method in EFFICIENT
            ok = abs(sums[way.title] - 1) < 1e-6
            lines.append(Check(f"Do the values of {way.title} add up to the whole?",
                               (YES if ok else NO) if whole else NONE, format_percent(sums[way.title], 3),
                               "Of what all sources together take off the loss."
                               + ("" if whole else " This method does not promise it.")))  # fmt: skip
    return lines


def _figure(page: SourcesPage) -> tuple[FigureData, Figure]:
    order, many = page.order, len(page.ways)
    with styled():
        figure, (axes,) = new_figure(1.0 + len(order) * (0.24 + 0.13 * many))
        for j, way in enumerate(page.ways):
            look = _LOOKS[j % len(_LOOKS)]
            for place, i in enumerate(order):
                y = place + (j - (many - 1) / 2) * 0.7 / max(many, 2)
                if math.isfinite(way.low[i]):
                    axes.plot([way.low[i], way.high[i]], [y, y], color=look["color"], linewidth=1.3, zorder=2)
                axes.plot([way.values[i]], [y], linestyle="", markersize=5, zorder=3, **look)
        axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
        axes.set_yticks(range(len(order)), [printable(page.names[i]) for i in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.yaxis.grid(False)
        scale_axis(axes.xaxis, "value", False)
        axes.set_xlabel(f"loss taken away{f' ({page.unit})' if page.unit else ''}")
        if many > 1:
            key(figure, [(Line2D([], [], linestyle="", markersize=5, **_LOOKS[j % len(_LOOKS)]), way.title)
                         for j, way in enumerate(page.ways)])  # fmt: skip
    columns: dict[str, Any] = {"source": tuple(page.names[i] for i in order)}
    for way in page.ways:
        columns[way.title] = way.values[order]
        columns[f"{way.title}, {level_text(way.level)}"] = tuple(way.interval(i) for i in order)
    units = {name: "text" if name == "source" or "," in name else "value" for name in columns}
    return (
        FigureData(
            key=f"fig-sources-{page.first.name}",
            title="What each source takes off the loss",
            finding="; ".join(f"{page.names[i]} {format_number(page.first.values[i], 3)}" for i in order) + ".",
            caption=f"Marks: values by each method; bars: their {level_text(page.first.level)} intervals. "
            f"{page.made_of()}",
            series=(Series("values of sources", columns, units),),
        ),
        figure,
    )


def _table(page: SourcesPage) -> Table:
    rows = []
    for i in page.order:
        value, tokens = float(page.first.values[i]), float(page.tokens[i])
        share = format_percent(value / page.total) if page.total > 0 else NOTHING
        each = format_number(value / (tokens / 1e9), 3) if tokens > 0 else NOTHING
        error = () if page.first.error is None else (format_number(float(page.first.error[i]), 2),)
        rows.append((printable(page.names[i]), format_count(tokens) if tokens > 0 else NOTHING, format_number(value, 3),
                     page.first.interval(i), *error, share, each))  # fmt: skip
    level = level_text(page.first.level)
    sampled = ("error of sampling",) if page.sampled else ()
    heads = ("source", "tokens", f"value, {page.first.title}", level, *sampled, "of all", "a billion tokens")
    return make_table("Values of sources", heads, rows, note=page.made_of())
