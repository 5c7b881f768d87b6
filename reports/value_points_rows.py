"""Values of examples as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.rows import Rows
from scaling.formatting import format_number, format_percent, format_plural

_LONG = 8  # entries of a fact beyond which only their number is said


def added_shown(row: Mapping[str, Any]) -> Rows:
    """Return what was read into a set as people read it; losses by role, with their checkpoints."""
    out = {"set": row["set_name"], "status": row["status"], "examples": row["n_examples"]}
    if "roles" in row:
        return [out | {"losses": row["n_losses"], "roles": row["roles"], "nan, inf or missing": row["n_not_ok"]}]
    steps: dict[str, list[str]] = {}
    for entry in row["losses"]:
        steps.setdefault(entry["role"], []).extend([] if entry["step"] is None else [str(entry["step"])])
    losses = [f"{role} at {', '.join(at)}" if at else role for role, at in steps.items()]
    counts = {"dimensions": row["n_dims"], "classes": row["n_labels"], "groups": row["n_groups"]}
    return [out | counts | {"losses": "; ".join(losses)}]


def ends_shown(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Return examples at one end of the values as people read them."""
    shown = []
    for row in rows:
        line = {"position": row["position"], "example": row["item"], "value": format_number(row["value"])}
        line |= {name: row[name] for name in ("label", "grp") if row.get(name) is not None}
        shown.append(line)
    return shown


def ends_rows(found: Any) -> Rows:
    """Return examples at both ends as rows of a sheet."""
    return [{"end": end, **row} for end in ("highest", "lowest") for row in getattr(found, end)]


def points_text(found: Any) -> str:
    """Return values of examples as a text: what they are, how they lie, both ends, and what was kept."""
    from reports.terminal import render

    own, how = found.definition, found.distribution
    missing = how["n"] - how["n_finite"]
    lines = [
        f"{own.method} of {format_plural(found.data.n, 'example')} of {found.data.name}: {found.what} ({own.unit})"
    ]
    if how["n_finite"]:
        lines.append(
            f"mean {format_number(how['mean'])}, median {format_number(how['median'])}, 5 % below "
            f"{format_number(how['q05'])}, 5 % above {format_number(how['q95'])}, from {format_number(how['min'])} to "
            f"{format_number(how['max'])}; {format_percent(how['share_negative'], 3)} negative"
        )
    if missing:
        lines.append(f"{format_plural(missing, 'example')} without a value")
    lines += [f"{name.replace('_', ' ')}: {_fact(value)}" for name, value in found.facts.items() if value is not None]
    for end in ("highest", "lowest"):
        rows = getattr(found, end)
        if rows:
            lines += [f"{end}:", render(ends_shown(rows), "table").rstrip("\n")]
    if found.kept is not None:
        lines.append(_kept(found.kept))
    lines += [f"note: {note}" for note in found.notes]
    done = f"{format_plural(found.shards, 'shard')}, {found.before} of them done before; " if found.before else ""
    lines.append(f"{done}kept as the values {own.name}; in SQL: ranked_examples WHERE valuation_name = '{own.name}'")
    return "\n".join(lines)


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_fact(entry)} {name}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(_fact(entry) for entry in value[:_LONG])
        return shown + (f", ... ({len(value)} in all)" if len(value) > _LONG else "")
    return format_number(value) if isinstance(value, float) else str(value)


def _kept(kept: Mapping[str, Any]) -> str:
    share = "" if kept["share"] is None else f", the {kept['end']} {format_percent(kept['share'], 3)}"
    threshold = "" if kept["threshold"] is None else f", down to {format_number(kept['threshold'])}"
    if kept["end"] == "lowest":
        threshold = threshold.replace("down", "up")
    where = "" if kept["output"] is None else f", written to {kept['output']}"
    return f"kept: {format_plural(kept['n'], 'example')}{share}{threshold}{where}"
