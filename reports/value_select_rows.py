"""A selection as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

from typing import Any

from reports.rows import Rows
from reports.value_gain_words import gain_shown
from reports.value_objectives_rows import promise
from reports.value_scores_rows import z_shown
from scaling.formatting import format_interval, format_number, format_percent, format_plural


def first_shown(found: Any) -> Rows:
    """Return the first members as people read them."""
    rows = []
    for entry in found.first():
        row = {"rank": entry["rank"], "position": entry["position"]}
        if entry["example_id"] is not None:
            row["example"] = entry["example_id"]
        row["gain"] = gain_shown(entry["gain"], found.selected.gains)
        row["of the value"] = _share_shown(entry["share"])
        rows.append(row)
    return rows


def _share_shown(share: float | None) -> str:
    """Write the share of the value so far; a first member that added nothing but rounding has none of it."""
    return "-" if share is None else format_percent(0.0 if abs(share) < 1e-7 else share, 3)


def selection_text(found: Any) -> str:
    """Return a selection as a text: the set, what is certain of it, random sets beside it, and its first members."""
    from reports.terminal import render

    chosen = found.selected
    lines = [
        f"{len(chosen)} of {format_plural(chosen.n, 'example')} of {found.data.name} by {chosen.objective}, "
        f"{chosen.method}, seed {chosen.seed}",
        f"score: {format_number(chosen.score)}" + _units(chosen),
        f"random: {_random(found)}",
    ]
    if found.worth is not None:
        lines.append(f"worth: {found.worth!r}")
    lines += [
        f"certificate: {chosen.certificate}",
        f"guarantee: {_promised(chosen)}",
        f"  why: {chosen.guarantee.why}",
        render(first_shown(found), "table").rstrip("\n"),
    ]
    if len(chosen) > len(found.first()):
        lines.append(f"and {format_plural(len(chosen) - len(found.first()), 'more member')}")
    lines += [f"note: {note}" for note in found.notes]
    if found.output is not None:
        lines.append(f"positions written to {found.output}")
    if found.name is not None:
        lines.append(f"kept as the subset {found.name}; in SQL: chosen_examples WHERE subset_name = '{found.name}'")
    return "\n".join(lines)


def _promised(chosen: Any) -> str:
    said = promise(chosen.guarantee)
    if not chosen.promise.startswith("none"):
        return f"{said}; {chosen.promise}"
    why = chosen.promise.removeprefix("none").removeprefix(": ").strip()
    return f"{said}; {why}" if chosen.guarantee.kind == "none" else f"{said}; nothing is promised here: {why}"


def _units(chosen: Any) -> str:
    close = abs(chosen.score - chosen.value) <= 1e-12 * max(1.0, abs(chosen.value))
    evaluated = f"{format_plural(chosen.evaluations, 'gain')} evaluated"
    return f"; {evaluated}" if close else f" (value {format_number(chosen.value)} in its own units); {evaluated}"


def _random(found: Any) -> str:
    if found.band is None:
        return "not compared"
    band = found.band
    balanced = "class-balanced " if band.balanced else ""
    what = f"{balanced}subsets of {band.k}"
    if band.within:
        what = "subsets within the budget" if band.within == "budget" else f"subsets of {band.k} under the caps"
    return (
        f"{format_plural(len(band.values), 'draw')} of {what} have {format_number(band.mean)} "
        f"on average, 95 % of them {format_interval(band.quantile(0.025), band.quantile(0.975))}: z {z_shown(found.z)}"
    )
