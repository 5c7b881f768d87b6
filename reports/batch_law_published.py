"""Published laws of other definitions of the batch, each definition in a panel of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.batch_law_axis import axis_label, axis_of, axis_unit, held_words, published_lines, same_definition
from reports.series import FigureData, Series
from reports.style import FORM, MUTED, PAST, new_figure, place_labels, scale_axis, styled
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.batch_law_page import LawPage
    from reports.batch_page import Origin

Array = NDArray[np.float64]
_CURVE = 41
DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (1, 1.6)), (0, (5, 2, 1, 2)), (0, (8, 3)))


def published_figure(page: LawPage, origin: Origin) -> tuple[FigureData, Figure] | None:
    """Draw published laws of other definitions, each definition in a panel of its own; None where there are none."""
    if page.fit_unit != "tokens":
        return None
    name = axis_of(page)
    x = page.inputs[name]
    wanted = [t[name] for t in page.asked if name in t]
    grid = np.geomspace(min([*x, *wanted]), max([*x, *wanted]) * 1.0001, _CURVE)
    lines = [line for line in published_lines(page, name, grid) if line[1] != same_definition(page)]
    groups = list(dict.fromkeys(definition for _, definition, _ in lines))
    if not groups or grid[-1] / grid[0] < 1.2:
        return None
    every = np.concatenate([said for _, _, said in lines])
    series = []
    with styled():
        figure, panels = new_figure(3.1, columns=len(groups), share_y=True)
        for axes, group in zip(panels, groups, strict=True):
            own = [(who, said) for who, definition, said in lines if definition == group]
            for k, (who, said) in enumerate(own):
                axes.plot(grid, said, color=PAST if k % 2 == 0 else FORM, linestyle=DASHES[k % 4], linewidth=1.4)
                columns = {name: grid, "batch (tokens)": said}
                series.append(
                    Series(f"{who}: {group}", columns, {name: axis_unit(name), "batch (tokens)": "count"}, True)
                )
            axes.set_xlim(grid[0], grid[-1])
            axes.set_ylim(every.min() / 1.6, every.max() * 1.6)
            scale_axis(axes.xaxis, axis_unit(name), name != "L", narrow=True)
            scale_axis(axes.yaxis, "count", True)
            axes.set_title(_wrapped(group, 96 // len(groups)), color=MUTED, fontsize=8)
            middle = len(grid) // 2
            place_labels(axes, [(grid[middle], float(said[middle])) for _, said in own], [who for who, _ in own],
                         np.concatenate([np.column_stack([grid, said]) for _, said in own]), 8)  # fmt: skip
        panels[0].set_ylabel("batch (tokens a step)")
        figure.supxlabel(axis_label(name, page).split(":")[0], fontsize=9)
    return (
        FigureData(
            key="fig-published",
            title="Published laws of other definitions of the batch, each definition apart",
            finding=f"{format_plural(len(lines), 'published law')} of {format_plural(len(groups), 'definition')}.",
            caption="Each panel is one definition, which is its heading. A batch of the lowest loss and a critical "
            "batch "
            "are other quantities than the one of this page and lie a factor of three to ten apart on the same runs, "
            "so "
            f"none is a check of it.{held_words(page, name)} Coefficients are as published, sources in the table of "
            f"published laws; they have no intervals. Data: none of this page's but the range, {origin.rows}.",
            series=tuple(series),
        ),
        figure,
    )


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, max(width, 24)))
