"""An imitation threshold on a page: how often a concept has to be trained on before it is imitated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from reports.batch_page import Section, estimates_table
from reports.batch_words import fit_checks
from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, MUTED, new_figure, points, scale_axis, styled
from reports.tables import make_table
from reports.trust import NO, YES, Check
from reports.value_page import Part
from reports.words import count_interval, level_text, sentence
from scaling.formatting import format_count, format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.batch_page import Origin

Array = NDArray[np.float64]
_ERROR_RATE = 0.05
_CURVE = 81


@dataclass(frozen=True)
class ImitationPage:
    """An imitation threshold.

    Parameters
    ----------
    origin : Origin
        Of the fit of the smooth rise.
    found : mapping
        The change point, as `ImitationThreshold.to_dict` gives it.
    counts, scores : ndarray (n,)
        Training examples of each concept, 0 included, and how well it is imitated.
    names : tuple of str (n,)
        Of the concepts.
    metric : str
        What the score is.
    count : str
        What examples are counted in.
    """

    origin: Origin
    found: dict[str, Any]
    counts: Array
    scores: Array
    names: tuple[str, ...]
    metric: str
    count: str

    @property
    def threshold(self) -> float:
        """The count; NaN where there is none."""
        value = self.found["threshold"]
        return math.nan if value is None else float(value)

    @property
    def ends(self) -> tuple[float, float]:
        """Its interval."""
        low, high = (math.nan if v is None else float(v) for v in self.found["interval"])
        return low, high

    def made_of(self) -> str:
        """Say what stands behind the change point."""
        return (
            f"Change points: least squares, a further stretch has to take {format_number(self.found['penalty'], 3)} "
            f"off; interval: {level_text(self.found['level'])}, bootstrap of concepts, {self.found['bootstrap']} "
            f"replicates; data: {format_plural(self.found['n'], 'concept')}, {self.origin.data}."
        )


def imitation_part(page: ImitationPage) -> Part:
    """Write the part of an imitation threshold.

    Parameters
    ----------
    page : ImitationPage
        The threshold.

    Returns
    -------
    Part
    """
    found, fit = page.found, page.origin.fit
    assert fit is not None
    level = level_text(found["level"])
    told = found["p_value"] <= _ERROR_RATE and math.isfinite(page.threshold)
    falls = math.isfinite(page.threshold) and found["means"][1] < found["means"][0]
    if not math.isfinite(page.threshold):
        words = "<strong>No imitation threshold</strong> was found: the {} of {} does not change with how often they "
        answer = Markup(words + "were trained on.").format(page.metric, format_plural(found["n"], "concept"))
    elif falls or not told:
        words = "<strong>No imitation threshold</strong> is told: the best place, {} training examples, "
        words += "parts a mean {} of {} below from {} above, "
        below, above = (format_number(v, 3) for v in found["means"][:2])
        why = "which is no rise." if falls else (
            f"which scores in any other order do with a chance of {format_percent(found['p_value'])}.")  # fmt: skip
        answer = Markup(words).format(format_count(page.threshold), page.metric, below, above) + why
    else:
        words = "A concept is imitated from <strong>{} training examples</strong> on ({} interval {}): its {} is {} on "
        words += "average below that, and {} from there on."
        below, above = (format_number(v, 3) for v in found["means"][:2])
        answer = Markup(words).format(
            format_count(page.threshold), level, count_interval(*page.ends), page.metric, below, above)  # fmt: skip
    chance = f"p = {format_number(found['p_value'], 2)}"
    checks = [
        Check("Is there a break at all?", YES if found["p_value"] <= _ERROR_RATE else NO, chance,
              f"Share of {found['permutations']} permutations of the scores that break as clearly."),
        Check("Does every replicate have a threshold?", YES if found["without"] <= _ERROR_RATE else NO,
              format_percent(1 - found["without"]), f"Of {found['bootstrap']} bootstrap replicates of the concepts."),
        *(replace(check, question=f"Smooth rise: {check.question[:1].lower()}{check.question[1:]}")
          for check in fit_checks(fit)),
    ]  # fmt: skip
    verdict = (fit.verdict if fit.verdict in (OK, NOT_IDENTIFIED) else WEAK) if told else WEAK
    reasons = [f"{sentence(text).rstrip('.')}." for text in found["warnings"]] + (
        [] if verdict == OK else list(fit.diagnostics.reasons)
    )
    if verdict == NOT_IDENTIFIED:
        verdict = WEAK
        reasons.append("The smooth rise is not determined by the data; the change point does not rest on it.")
    stretches = _stretches(page)
    return Part(
        kind="imitation", name=page.origin.name, answer=answer, made=page.made_of(), verdict=verdict,
        reasons=tuple(reasons), checks=tuple(checks),
        sections=(
            Section("threshold", "Where imitation sets in", "Threshold", parts=(_figure(page), stretches)),
            Section("rise", "The smooth rise", "Rise", parts=(estimates_table(fit, page.origin),)),
        ),
        methods=(
            ("Imitation threshold", "Concepts in the order of how often they were trained on are split into stretches "
                                    "of one mean; the first change point is the threshold. A further stretch has to "
                                    "take 2 noise² ln n off the sum of squares, the noise being that of neighbours."),
            ("Smooth rise", f"{fit.law.output} = {fit.law.formula}; objective: {fit.objective}; intervals: "
                            f"{fit.interval_method}."),
        ),
        machine={"fit": page.origin.name, "threshold": dict(found)},
        command=page.origin.command, sha256=page.origin.data_sha256, created_at=page.origin.created_at,
        sources=page.origin.sources, notes=page.origin.notes, simulated=page.origin.simulated,
    )  # fmt: skip


def _bounds(page: ImitationPage) -> list[tuple[float, float, float]]:
    """Return from where, to where, and at which mean each stretch is."""
    edges = [float(page.counts.min()), *page.found["change_points"], float(page.counts.max())]
    return [(edges[i], edges[i + 1], float(mean)) for i, mean in enumerate(page.found["means"])]


def _stretches(page: ImitationPage) -> Any:
    rows = []
    for i, (low, high, mean) in enumerate(_bounds(page)):
        last = i == len(page.found["means"]) - 1
        inside = (page.counts >= low) & ((page.counts <= high) if last else (page.counts < high))
        rows.append((f"{format_count(low)} to {'' if last else 'below '}{format_count(high)}", str(int(inside.sum())),
                     format_number(mean, 3)))  # fmt: skip
    return make_table("Stretches", (page.count, "concepts", f"mean {page.metric}"), rows, note=page.made_of())


def _figure(page: ImitationPage) -> tuple[FigureData, Figure]:
    fit, found = page.origin.fit, page.found
    assert fit is not None
    seen = page.counts > 0
    grid = np.geomspace(float(page.counts[seen].min()), float(page.counts.max()), _CURVE)
    rise = fit.predict({next(iter(fit.law.inputs)): grid}, page.origin.level, kind="curve", force=True)
    with styled():
        figure, (axes,) = new_figure(3.9)
        points(axes, page.counts[seen], page.scores[seen], gid="concepts")
        if np.isfinite(rise.low).all():
            axes.fill_between(grid, rise.low, rise.high, color=LAW, alpha=0.2, linewidth=0, zorder=1)
        axes.plot(grid, rise.mean, color=LAW, zorder=3)
        axes.set_xlim(grid[0] / 1.15, grid[-1] * 1.15)
        scale_axis(axes.xaxis, "count", True)
        scale_axis(axes.yaxis, "value", False)
        for low, high, mean in _bounds(page):
            axes.plot([max(low, grid[0]), high], [mean, mean], color=INK, linewidth=1.6, zorder=4)
        handles: list[tuple[Any, str]] = [
            (Line2D([], [], linestyle="", marker="o", color=DATA, markersize=4), "concept"),
            (Line2D([], [], color=INK, linewidth=1.6), "mean of a stretch"),
            (Line2D([], [], color=LAW), f"smooth rise, {level_text(page.origin.level)} band"),
        ]
        if math.isfinite(page.threshold):
            axes.axvline(page.threshold, color=INK, linewidth=1.0, linestyle=(0, (3, 2)), zorder=2)
            if np.isfinite(page.ends).all():
                axes.axvspan(*page.ends, color=MUTED, alpha=0.15, linewidth=0, zorder=0)
            handles.append((Line2D([], [], color=INK, linewidth=1.0, linestyle=(0, (3, 2))), "threshold and interval"))
        axes.set_xlabel(f"{page.count} in training")
        axes.set_ylabel(page.metric)
        key(figure, handles)
    never = int((~seen).sum())
    left = f" {format_plural(never, 'concept')} of a count of 0 cannot be drawn on this axis." if never else ""
    order = np.argsort(page.counts, kind="stable")
    units = {"concept": "text", page.count: "count", page.metric: "value"}
    columns: dict[str, Any] = {"concept": tuple(page.names[i] for i in order), page.count: page.counts[order]}
    concepts = Series("concepts", columns | {page.metric: page.scores[order]}, units, order="the rarest first")
    drawn = {page.count: grid, page.metric: rise.mean, "low": rise.low, "high": rise.high}
    curve = Series("smooth rise", drawn, dict.fromkeys(drawn, "value") | {page.count: "count"}, curve=True)
    return (
        FigureData(
            key="fig-imitation",
            title=f"{page.metric} over how often a concept was trained on",
            finding=f"Threshold {format_count(page.threshold) if math.isfinite(page.threshold) else 'none'}, p = "
            f"{format_number(found['p_value'], 2)} of a break.",
            caption="Points: concepts; level lines: the mean of each stretch; shaded: the interval of the threshold."
            f"{left} {page.made_of()} Smooth rise: {page.origin.made_of()}",
            series=(curve, concepts),
        ),
        figure,
    )
