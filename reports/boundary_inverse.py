"""The boundary read the other way: the compute that a score needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reports.boundary_answers import BoundaryAnswers
from reports.boundary_words import made_of, score_axis, share_above
from reports.series import FigureData, Series
from reports.style import LAW, MUTED, ZONE, new_figure, scale_axis, styled
from reports.words import level_text
from scaling.formatting import format_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVE = 121  # points of a curve


def inverse_figure(answers: BoundaryAnswers) -> tuple[FigureData, Figure]:
    """Draw the compute that a score needs, with the band of the boundary.

    Parameters
    ----------
    answers : BoundaryAnswers
        The numbers of the page.

    Returns
    -------
    FigureData, Figure
        Series ``compute a score needs``.
    """
    from scaling.bands import replicate_interval
    from scaling.boundary.inverse import reach

    page, b = answers.page, answers.page.boundary
    low, high = b.support
    scores = np.linspace(*_score_range(answers), _CURVE)
    at = np.array([float(reach(b.optimum.theta, x)) for x in scores])
    least = most = np.full(len(scores), np.nan)
    if answers.banded:
        replicates = np.stack([reach(b.fit.replicates, x) for x in scores], axis=1)
        least, most = replicate_interval(replicates, b.fit.percentile_level(page.level))
    bottom, top = low - 0.5, high + 2.0
    with styled():
        figure, (axes,) = new_figure(3.7)
        far = top + 5
        if answers.banded:
            cut = [10 ** np.clip(end, bottom - 5, far) for end in (least, most)]
            axes.fill_between(scores, *cut, color=LAW, alpha=0.25, linewidth=0, zorder=2)
        axes.plot(scores, 10 ** np.clip(at, bottom - 5, far), color=LAW, linewidth=2.0, zorder=4)
        axes.set_xlim(scores[0], scores[-1])
        axes.set_ylim(10**bottom, 10**top)
        scale_axis(axes.yaxis, "flop", True)
        scale_axis(axes.xaxis, "value", False)
        for edge, end, text, up in ((high, top, "beyond the compute seen ↑", True), (low, bottom, "", False)):
            axes.axhspan(10**edge, 10**end, color=ZONE, linewidth=0, zorder=0)
            axes.axhline(10**edge, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            axes.annotate(
                text, (0.012, 10**edge), xycoords=("axes fraction", "data"), xytext=(0, 4 if up else -4),
                textcoords="offset points", va="bottom" if up else "top", color=MUTED, fontsize=8.5,
            )  # fmt: skip
        ceiling = float(b.estimates["y0"] + b.estimates["L"])
        if scores[0] < ceiling < scores[-1]:
            axes.axvline(ceiling, color=MUTED, linewidth=0.9, zorder=1)
            axes.annotate(
                "unreachable →", (ceiling, 0.03), xycoords=("data", "axes fraction"), xytext=(-4, 0),
                textcoords="offset points", ha="right", color=MUTED, fontsize=8.5,
            )  # fmt: skip
        axes.set_xlabel(score_axis(page))
        axes.set_ylabel(f"FLOP at which {share_above(b.tau)} reach it")
    inside = (at >= low) & (at <= high)
    span = (
        f"Within the compute seen the boundary reaches scores from {format_number(scores[inside][0], 2)} to "
        f"{format_number(scores[inside][-1], 2)}."
        if inside.any()
        else "Within the compute seen the boundary hardly moves."
    )
    columns: dict[str, Any] = {"score": scores, "compute (FLOP)": 10**at}
    if answers.banded:
        columns |= {
            f"{level_text(page.level)} interval, low": 10**least,
            f"{level_text(page.level)} interval, high": 10**most,
        }
    units = dict.fromkeys(columns, "flop") | {"score": "value"}
    return (
        FigureData(
            key="fig-inverse",
            title="The compute that a score needs",
            finding=span,
            caption=f"Line: compute at which {share_above(b.tau)} of the models reach the score"
            f"{f', with its {level_text(page.level)} interval' if answers.banded else ''}; 'inf' in the table: at no "
            f"compute. Shaded: compute outside that seen. {span} {made_of(page)}",
            series=(Series("compute that a score needs", columns, units, curve=True),),
        ),
        figure,
    )


def _score_range(answers: BoundaryAnswers) -> tuple[float, float]:
    b = answers.page.boundary
    low, high = b.support
    first, last = (float(v) for v in b.predict(np.array([low, high + 1.5])))
    asked = [inverse.score for inverse in answers.inverses] if answers.page.scores else []
    first, last = min([first, *asked]), max([last, *asked])
    pad = max(0.06 * (last - first), 0.02)
    return max(0.0, first - pad), min(1.0, last + pad)
