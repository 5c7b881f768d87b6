"""Scores of a set of examples as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

import math
from typing import Any

from reports.rows import Rows
from scaling.formatting import format_interval, format_number, format_plural


def score_rows(found: Any) -> Rows:
    """Return scores as sheets have them, one row a score, with what random subsets score beside it."""
    rows = []
    for score in found.to_dict()["scores"]:
        random = score.pop("random") or {}
        z = score.pop("z")
        rows.append(
            score | {f"random_{key}": random.get(key) for key in ("draws", "mean", "sd", "low", "high")} | {"z": z}
        )
    return rows


def scores_shown(found: Any) -> Rows:
    """Return scores as people read them, one row a score."""
    rows = []
    for one in found.scores:
        row = {
            "score": one.measure.objective,
            "order": "" if one.measure.order is None else format_number(one.measure.order),
            "value": format_number(one.value),
        }
        if one.band is not None:
            row |= {
                "random mean": format_number(one.band.mean),
                "95 % of random": format_interval(one.band.quantile(0.025), one.band.quantile(0.975)),
                "z": z_shown(one.z),
            }
        rows.append(row | {"kernel": one.measure.kernel or "", "how": how(one.measure)})
    return rows


def how(measure: Any) -> str:
    """Say what a score was normalised by and how it comes about."""
    return ", ".join(word for word in (measure.normalisation, measure.method) if word)


def z_shown(z: float) -> str:
    """Write how far a score lies from random ones."""
    return "-" if math.isnan(z) else f"{z:+.1f}"


def scores_text(found: Any) -> str:
    """Return scores as a text: what was scored, the scores, and what to know."""
    from reports.terminal import render

    data = found.data
    what = f"all {format_plural(data.n, 'example')} of {data.name}"
    if found.subset is not None:
        what = f"{format_plural(found.size, 'example')} ({found.subset}) of {data.n} in {data.name}"
    source = "" if data.shards is None else f"; embeddings {data.shards.uri}, {data.shards.m} x {data.shards.dtype}"
    weighted = ", weighted" if found.weighted else ""
    rows, common = scores_shown(found), ""
    if len({(row["kernel"], row["how"]) for row in rows}) == 1:
        common = f"kernel {rows[0]['kernel']}, {rows[0]['how']}" if rows[0]["kernel"] else str(rows[0]["how"])
        rows = [{key: cell for key, cell in row.items() if key not in ("kernel", "how")} for row in rows]
    lines = [f"{what}{weighted}{source}", *([common] if common else []), render(rows, "table").rstrip("\n")]
    bands = [one.band for one in found.scores if one.band is not None]
    if bands:
        balanced = "class-balanced " if bands[0].balanced else ""
        lines.append(
            f"random: {format_plural(len(bands[0].values), 'draw')} of {balanced}subsets of {found.size}, seed "
            f"{found.seed}; z counts their standard deviations"
        )
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])
