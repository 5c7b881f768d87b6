"""Laws of the critical batch size as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reports.batch_rows import conventions_words
from reports.rows import Rows, saved_fit_row
from scaling.batch_size.published import definition_of
from scaling.formatting import (
    format_count,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)

_MOST_NOTES = 3  # of all points together, in a text


def law_row(
    saved: Any, rows: Any, law: Any, level: float, *, held: Any = None, forecasts: Sequence[Mapping[str, Any]] = (),
    conventions: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a law of the critical batch size as one row object.

    Parameters
    ----------
    saved : SavedFit
        The fit of the store.
    rows : DerivedSelection
        Its rows.
    law : CriticalLaw
        What it says.
    level : float
        Nominal coverage of the intervals.
    held : HeldOut, optional
        The largest point, forecast from the others.
    forecasts : sequence of mapping
        As of `forecast_rows`.
    conventions : ConventionTable, optional
        What conventions make of the exponent.

    Returns
    -------
    dict
        Keys as docs/batch_size.md lists them; then those of `reports.rows.saved_fit_row`.
    """
    own, said = saved_fit_row(saved, level), law.to_dict(level)
    table = {
        "name": own["name"],
        "fit_id": own["fit_id"],
        "law": own["law"],
        "written": said["written"],
        "unit": said["unit"],
        "fit_unit": said["fit_unit"],
        "tokens_per_sample": said["tokens_per_sample"],
        "overhead": said["overhead"],
        "anchor": said["anchor"],
        "convention": said["convention"],
        "tokens_from": getattr(rows.source, "tokens_from", "fit"),
        "estimates": said["estimates"],
        "design": said["design"],
        "interval_holds": said["interval_holds"],
        "points": points_of(rows, level, said),
        "held_out": None if held is None else held.to_dict(),
        "forecasts": list(forecasts),
        "conventions": None if conventions is None else conventions.to_dict(),
        "verdict": said["verdict"],
        "reasons": list(said["reasons"]),
        "notes": list(rows.notes),
        "argument": ", ".join(saved.arguments.values()),
        "command": saved.command,
    }
    return table | {k: v for k, v in own.items() if k not in table}


def points_of(rows: Any, level: float, said: Mapping[str, Any]) -> Rows:
    """Return what a law was fitted to: a row a point, with the interval of its own where it rests on a curve."""
    if hasattr(rows.source, "runs"):  # read across runs of several lengths
        return [asdict(point) | {"label": label, "beyond": point.beyond} for label, point in _labelled(rows)]
    out = []
    for i, (label, point) in enumerate(_labelled(rows)):
        own = point.steps.critical_batch(said["overhead"], said["anchor"], level=level)
        known = {name: float(values[i]) for name, values in rows.source.inputs.items()}
        out.append(
            {"label": label, "n_params": known.get("N"), "n_tokens": known.get("D"), "target": known.get("L")}
            | {"critical_batch": own.estimate, "low": own.low, "high": own.high, "unit": own.unit}
            | {"fewest_steps": point.steps.estimates["a"], "fewest_samples": point.steps.estimates["b"]}
            | {"batches": len(point.steps.batch), "verdict": point.steps.verdict}
        )
    return out


def forecast_rows(law: Any, targets: Sequence[Mapping[str, float]], level: float, force: bool) -> Rows:
    """Forecast critical batch sizes, with the published laws at the same place.

    Parameters
    ----------
    law : CriticalLaw
        The law.
    targets : sequence of mapping
        ``N``, ``D``, ``L``, those that are known.
    level : float
        Nominal coverage.
    force : bool
        Answer even where the law is not identified.

    Returns
    -------
    list of dict
        ``inputs``, the keys of `CriticalForecast.to_dict`, ``batch_tokens`` with ``batch_tokens_low`` and ``_high``
        (None where the tokens of a sample are not known), and ``published``.
    """
    from scaling.batch_size.published import published_at

    length, out = law.record["tokens_per_sample"], []
    for target in targets:
        at = {"n_params": target.get("N"), "n_tokens": target.get("D"), "loss": target.get("L")}
        found = law.predict(**at, level=level, force=force).to_dict()
        known = law.unit == "tokens" or length is not None
        factor = law.factor("tokens") / law.factor() if known else None
        tokens = {
            f"batch_tokens{end}": None if factor is None else found[name] * factor
            for end, name in (("", "estimate"), ("_low", "low"), ("_high", "high"))
        }
        published = [row.to_dict() for row in published_at(**at, context_length=length)]
        out.append({"inputs": dict(target)} | found | tokens | {"published": published})
    return out


def law_text(row: Mapping[str, Any], law: Any, conventions: Any = None) -> str:
    """Return a law of the critical batch size as a text."""
    from reports.terminal import render

    lines = [render(points_shown(row), "table").rstrip("\n"), repr(law)]
    unit = row["unit"]
    if unit != "tokens" and row["fit_unit"] == "tokens":
        lines.append(f"  in tokens: {law.written('tokens')}")
    if (held := row["held_out"]) is not None:
        said, others = held["forecast"], held["points"]
        ends = f"{format_number(said['estimate'])} ({format_interval(said['low'], said['high'])})"
        lines.append(
            f"held out: the largest point, forecast from the other {others} as {ends}, was "
            f"{format_number(held['measured'])} {unit}: off by {format_percent(held['missed'])}"
        )
    for one in row["forecasts"]:
        lines += ["", *forecast_lines(one, unit, definition_of(law))]
    if conventions is not None:
        lines += ["", conventions_words(conventions)]
    lines += [f"left out: {count} x {reason}" for reason, count in row["excluded"].items()]
    lines += [f"note: {note}" for note in row["notes"][:_MOST_NOTES]]
    if more := len(row["notes"]) - _MOST_NOTES:
        lines += [f"and {format_plural(more, 'more note')}, in --format json"] if more > 0 else []
    return "\n".join([*lines, f"saved as {row['name']} ({row['fit_id']}); in SQL: {row['name']}({row['argument']})"])


def points_shown(row: Mapping[str, Any]) -> Rows:
    """Return the points of a law as people read them."""
    level = format_percent(row["level"], 3)
    out = []
    for point in row["points"]:
        shown = {"point": point["label"]}
        shown |= {"parameters": format_count(point["n_params"])} if point.get("n_params") else {}
        tokens = point.get("n_tokens", point.get("fewest_tokens"))
        shown |= {"tokens" if row["fit_unit"] == "tokens" else row["fit_unit"]: format_count(tokens)} if tokens else {}
        shown |= {f"critical batch ({point.get('unit', 'tokens')})": format_number(point["critical_batch"])}
        if "low" in point:
            shown[f"{level} interval"] = format_interval(point["low"], point["high"])
        out.append(shown | {"batch sizes": point["batches"], "verdict": point.get("verdict", _beyond(point))})
    return out


def forecast_lines(one: Mapping[str, Any], unit: str, same: str) -> list[str]:
    """Write a forecast, and below it what published laws say there; only those of the same definition over it."""
    from reports.terminal import render

    at = ", ".join(
        f"{name} = {format_number(value) if name == 'L' else format_count(value)}"
        for name, value in one["inputs"].items()
    )  # fmt: skip
    interval = f"{format_percent(one['level'], 3)} interval {format_interval(one['low'], one['high'])}"
    tokens = "" if unit == "tokens" or one["batch_tokens"] is None else f" = {format_count(one['batch_tokens'])} tokens"
    lines = [
        f"{at}: {format_number(one['estimate'])} {unit} a step{tokens} ({interval}), {one['convention']}; "
        f"{one['verdict']}"
    ]
    lines += [f"  {note}" for note in one["notes"]]
    rows = [
        {
            "published law": row["name"],
            "source": row["source"],
            "batch (tokens)": "-" if row["batch_tokens"] is None else format_count(row["batch_tokens"]),
            "over the forecast": _ratio(
                row["batch_tokens"], one["batch_tokens"] if row["definition"] == same else None
            ),
            "definition": row["definition"],
        }
        for row in one["published"]
        if row["batch_tokens"] is not None
    ]
    if rows:
        lines += ["Published laws there; those of another definition are of another quantity:", render(rows, "table")]
    return [line.rstrip("\n") for line in lines]


def _labelled(rows: Any) -> list[tuple[str, Any]]:
    return list(zip(rows.run_ids, rows.source.points, strict=True))


def _beyond(point: Mapping[str, Any]) -> str:
    return "beyond the largest batch" if point.get("beyond") else "ok"


def _ratio(batch: float | None, forecast: float | None) -> str:
    return "-" if batch is None or forecast is None else f"x{format_number(batch / forecast, 3)}"
