"""A comparison of two fits as rows, exact ones for programs and rounded ones for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scaling.comparison.comparison import difference_text, multiplier_text
from scaling.formatting import format_factor, format_interval, format_number, format_percent

if TYPE_CHECKING:
    from scaling.comparison.comparison import Comparison

Rows = list[dict[str, Any]]


def comparison_shown(found: Comparison) -> Rows:
    """Return a comparison as people read it, one row a target.

    Parameters
    ----------
    found : Comparison
        The comparison.

    Returns
    -------
    list of dict
    """
    span = f"{100 * found.level:g} %"
    rows = []
    same = found.name_a == found.name_b  # a fit and itself still have a column each
    name_a, name_b = (f"A, {found.name_a}", f"B, {found.name_b}") if same else (found.name_a, found.name_b)
    for point in found.points:
        row = {
            "at": ", ".join(f"{k} = {format_number(v)}" for k, v in point.inputs.items()),
            f"loss of {name_a}": format_number(point.loss_a),
            f"loss of {name_b}": format_number(point.loss_b),
            "difference": difference_text(point),
            f"difference, {span}": format_interval(point.difference_low, point.difference_high),
            f"{name_a} better in": format_percent(point.share_a_better, 3),
        }
        if found.multiplied:
            row[f"{found.multiplied} multiplier"] = multiplier_text(point)
            row[f"multiplier, {span}"] = format_interval(point.multiplier_low, point.multiplier_high)
            row["never reached in"] = format_percent(point.never_share)
            row["no multiplier in"] = format_percent(point.multiplier_lost_share)
        row["beyond the data"] = f"{format_factor(point.extrapolation_a)}, {format_factor(point.extrapolation_b)}"
        row["laws"] = " / ".join(dict.fromkeys((found.law_a, found.law_b)))
        row["verdict of the fits"] = f"{found.verdict_a}, {found.verdict_b}"
        row["verdict here"] = point.verdict
        rows.append(row)
    return rows
