"""The objectives of a selection as rows: what each promises, why, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scaling.formatting import format_number, format_percent

if TYPE_CHECKING:
    from reports.rows import Rows
    from scaling.valuation.guarantee import Guarantee


def promise(guarantee: Guarantee) -> str:
    """Say in a few words what an objective promises."""
    words = {"submodular": "submodular", "none": "no guarantee"}
    said = words.get(guarantee.kind, f"weakly submodular, ratio {format_number(guarantee.ratio, 3)}")
    return said if guarantee.monotone or guarantee.kind == "none" else f"{said}, not monotone"


def share(guarantee: Guarantee) -> str:
    """Write the share of the optimum that a greedy set has at least."""
    return "nothing promised" if guarantee.greedy_share is None else format_percent(guarantee.greedy_share, 3)


def objectives_shown(found: Sequence[Any]) -> Rows:
    """Return objectives as a sheet has them, numbers with all their digits."""
    return [
        {
            "objective": one.objective,
            "what": one.what,
            "kind": one.guarantee.kind,
            "monotone": one.guarantee.monotone,
            "ratio": one.guarantee.ratio,
            "greedy_share": one.guarantee.greedy_share,
            "why": one.guarantee.why,
            "options": ", ".join(_option(name, default) for name, default in one.options),
            "needs": ", ".join(one.needs),
        }
        for one in found
    ]


def objectives_text(found: Sequence[Any]) -> str:
    """Return objectives as a text, some lines each: what it is, what it promises and why, what it takes."""
    lines = []
    for one in found:
        lines += [
            f"{one.objective}: {one.what}",
            f"  guarantee: {promise(one.guarantee)}; a greedy set has at least {share(one.guarantee)} of the optimum"
            if one.guarantee.greedy_share is not None
            else f"  guarantee: {promise(one.guarantee)}; nothing is promised of a greedy set",
            f"  why: {one.guarantee.why}",
        ]
        if one.options:
            lines.append(f"  options: {', '.join(_option(name, default) for name, default in one.options)}")
        if one.needs:
            needed = one.to_dict()["needs"]
            lines.append("  needs: " + "; ".join(f"{entry['option']}, {entry['what']}" for entry in needed))
    ratio = any(one.guarantee.kind == "weak" for one in found)
    if ratio:
        lines.append(
            f"Ratios of weakly submodular objectives are for sets of {found[0].k}: they fall as sets grow (-k), and "
            "that of v_optimal depends on the data."
        )
    return "\n".join(lines)


def _option(name: str, default: Any) -> str:
    if default is None:
        return name
    if isinstance(default, bool):
        return f"{name}={'yes' if default else 'no'}"
    return f"{name}={default:g}" if isinstance(default, float) else f"{name}={default}"
