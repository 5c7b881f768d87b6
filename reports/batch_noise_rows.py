"""Noise scales of runs, and critical batches of branches, as rows and as texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reports.rows import Rows
from scaling.formatting import format_count, format_interval, format_number, format_percent, format_plural


def noise_row(one: Any, *, saved: Any = None, calibration: Any = None, against: str | None = None) -> dict[str, Any]:
    """Return the noise scale of a run as one row object.

    Parameters
    ----------
    one : db.noise_fits.RunNoise
        What was found.
    saved : SavedFit, optional
        The law of its windows, where it was saved.
    calibration : Calibration, optional
        Of the critical batch size of a saved fit to it.
    against : str, optional
        Name of that fit.

    Returns
    -------
    dict
        Keys as docs/batch_size.md lists them.
    """
    from scaling.batch_size.noise_windows import describe_growth

    return {
        "run_id": one.run_id,
        **one.noise.to_dict(),
        "windows": one.curve.to_dict()["windows"],
        "time": one.curve.time,
        "growth": describe_growth(one.curve),
        "fit": None if saved is None else saved.name,
        "fit_id": None if saved is None else saved.fit_id,
        "estimates": None if saved is None else saved.fit.estimates,
        "against": against,
        "calibration": None if calibration is None else calibration.to_dict(),
    }


def noise_table(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Return the windows of noise scales, one a row, for sheets."""
    return [
        {"run_id": row["run_id"], "first": w["first"], "last": w["last"], "centre": w["centre"], **w["noise_scale"]}
        for row in rows
        for w in row["windows"]
    ]


def noise_text(found: Sequence[Any], rows: Sequence[Mapping[str, Any]], saved: Sequence[Any] = ()) -> str:
    """Return noise scales as a text."""
    from reports.terminal import render

    lines = []
    for one, row in zip(found, rows, strict=True):
        noise = one.noise
        level = format_percent(noise.level, 3)
        lines.append(f"run {one.run_id}: gradient noise scale {_known(noise)} ({level} interval {_interval(noise)})")
        lines.append(f"  tr(Sigma)/|G|^2, of {format_plural(noise.n, 'row')}; {noise.method}")
        lines.append(f"  {noise.verdict}: {noise.reason}")
        if noise.n_negative:
            lines.append(
                f"  {format_plural(noise.n_negative, 'row')} with a negative estimate of |G|^2 of their own, which "
                "count like all others"
            )
        if noise.n_left_out:
            lines.append(f"  {format_plural(noise.n_left_out, 'row')} left out: a number is missing or not finite")
        if len(found) == 1 and len(one.curve.windows) > 1:
            shown = [
                {f"{one.curve.time} from": format_number(w.first, 6), "to": format_number(w.last, 6),
                 f"noise scale ({w.noise.unit})": _known(w.noise), f"{level} interval": _interval(w.noise),
                 "verdict": w.noise.verdict}
                for w in one.curve.windows
            ]  # fmt: skip
            lines += [render(shown, "table").rstrip("\n"), row["growth"]]
        if (ratio := row["calibration"]) is not None:
            ends = format_interval(ratio["low"], ratio["high"]) if _finite(ratio["high"]) else "without an upper end"
            lines.append(
                f"critical batch size b/a of {row['against']} over the noise scale: {format_number(ratio['ratio'])} "
                f"({level} interval {ends}). {ratio['words']}"
            )
    lines += [fit.fit.summary(0.9) for fit in saved]
    lines += [f"saved as {fit.name} ({fit.fit_id})" for fit in saved]
    return "\n".join(lines)


def branches_text(found: Any) -> str:
    """Return the critical batches of branches as a text."""
    from reports.terminal import render

    shown = [
        {
            "after": format_count(one.anchor),
            f"critical batch ({found.unit})": _critical(one),
            "status": one.status + (", uneven" if one.uneven else ""),
            "batches": ", ".join(format_number(b, 6) for b in one.batch),
            "loss above smaller ones": ", ".join("-" if math.isnan(g) else format_number(g, 2) for g in one.gap),
        }
        for one in found.anchors
    ]
    lines = [f"critical: {found.convention}", render(shown, "table").rstrip("\n")]
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])


def branch_rows(found: Any) -> Rows:
    """Return the critical batches of branches as rows, one a checkpoint."""
    shared = {"unit": found.unit, "tolerance": found.tolerance, "window": found.window, "smoothing": found.smoothing}
    return [one.to_dict() | shared | {"convention": found.convention, "notes": found.notes} for one in found.anchors]


def _critical(one: Any) -> str:
    if one.status == "none":
        return f"below {format_number(one.above, 6)}"
    if one.status == "censored":
        return f"at least {format_number(one.critical, 6)}"
    return f"{format_number(one.critical, 6)} to {format_number(one.above, 6)}"


def _known(noise: Any) -> str:
    if noise.estimate <= 0:
        return f"not known: the estimate is {format_number(noise.estimate)}"
    return f"{format_number(noise.estimate)} {noise.unit}"


def _interval(noise: Any) -> str:
    if not noise.unbounded:
        return format_interval(noise.low, noise.high)
    return f"unbounded, at least {format_number(noise.low)}" if noise.low > 0 else "unbounded on both sides"


def _finite(value: Any) -> bool:
    return isinstance(value, float | int)
