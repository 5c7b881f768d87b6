"""A comparison of two fits as rows, exact ones for programs and rounded ones for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scaling.formatting import format_factor, format_interval, format_number, format_percent

if TYPE_CHECKING:
    from scaling.comparison import Comparison

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
    for point in found.points:
        row = {
            "at": ", ".join(f"{k} = {format_number(v)}" for k, v in point.inputs.items()),
            f"loss of {found.name_a}": format_number(point.loss_a),
            f"loss of {found.name_b}": format_number(point.loss_b),
            "difference": format_number(point.difference),
            f"difference, {span}": format_interval(point.difference_low, point.difference_high),
            f"{found.name_a} better in": format_percent(point.share_a_better, 3),
        }
        if found.multiplied:
            row[f"{found.multiplied} multiplier"] = format_number(point.multiplier)
            row[f"multiplier, {span}"] = format_interval(point.multiplier_low, point.multiplier_high)
            row["never reached in"] = format_percent(point.never_share)
        row["beyond the data"] = f"{format_factor(point.extrapolation_a)}, {format_factor(point.extrapolation_b)}"
        row["verdict"] = point.verdict
        rows.append(row)
    return rows
