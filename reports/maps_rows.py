"""Tables of the sheet of maps: rows of finished texts; a map is one row wherever that is possible."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from markupsafe import Markup

from reports.tables import NOTHING, Cell, Table, make_table
from reports.words import level_text, listed, mean_text
from scaling.formatting import (
    UNKNOWN,
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)

_INSIDE = 1.05
_NAMED = 8  # runs that a row names
_WHOLE = 42  # letters of a name that is not broken


def signed(share: float) -> str:
    """Write a relative difference with its sign."""
    if not math.isfinite(share):
        return UNKNOWN
    text = format_percent(abs(share))
    return f"{'+' if share > 0 else '−' if share < 0 else ''}{text}"


def heading(sheet: Any) -> str:
    """Head the column that names the maps: with the source, where there is one, so that rows name the target alone."""
    return f"from {sheet.maps[0].data.source} to" if _one_source(sheet) else "map"


def named(sheet: Any, one: Any) -> Cell:
    """Name a map in a row under `heading`; on one line, unless it is very long."""
    text = str(one.data.target if _one_source(sheet) else one.label)
    return Markup('<span class="whole">{}</span>').format(text) if len(text) <= _WHOLE else text


def _one_source(sheet: Any) -> bool:
    sources = {one.data.source for one in sheet.maps}
    return len(sources) == 1 and not sources & {one.data.target for one in sheet.maps}


def made_of_maps(sheet: Any, intervals: str = "") -> str:
    """Say what stands behind a figure or table: objective, interval method and data."""
    maps = [one for one in sheet.maps if one.fit is not None]
    goals = list(dict.fromkeys(goal_text(one.fit.objective, False) for one in maps))
    goal = goals[0] if len(goals) == 1 else f"{listed(goals)}, by map as the table of the maps says"
    asked = sheet.question
    how = intervals or interval_words(sheet)
    files = [source.uri.replace("\\", "/").rsplit("/", 1)[-1] for source in sheet.sources]
    of = f" from {listed(files)}" if 0 < len(files) <= 3 else f" from {format_plural(len(files), 'file')}"
    where = f", where {asked.where}" if asked.where else ""
    pairs = sum(one.fit.n_obs for one in maps)
    return (
        f"Objective: {goal}; intervals: {how}; data: {format_plural(pairs, 'pair')} of runs in "
        f"{format_plural(len(maps), 'map')}{of if files else ''}{where}."
    )


def goal_text(objective: Any, exact: bool = True) -> str:
    """Write an objective; its floor with as many digits as other numbers have, or in words."""
    if not objective.floor:
        return str(objective)
    floor = format_number(objective.floor) if exact else "the floor of y"
    return f"{objective.text} on log residuals above {floor}"


def interval_words(sheet: Any) -> str:
    """Say how the intervals of the forecasts were made."""
    ways = [one.chained.method if one.chained else one.forecast.prediction.method for one in sheet.maps if one.forecast]
    known = list(dict.fromkeys(way for way in ways if not way.startswith("unknown")))
    if not known:
        return f"percentile of {sheet.question.bootstrap} bootstrap replicates, seed {sheet.question.seed}"
    return known[0] if len(known) == 1 else f"{known[0]} (others differ in the parts they have)"


def factor_words(one: Any) -> str:
    """How far the large run lies beyond the pairs: ``x21``, in budgets unless its compute is not known."""
    if not math.isfinite(one.factor):
        return NOTHING if one.forecast is None else "outside"
    text = "inside" if one.factor < _INSIDE else format_factor(one.factor)
    return text if one.in_budgets else f"{text} (of the loss)"


def floor_text(record: dict[str, Any], side: str) -> Cell:
    """Write a floor, and below it its interval and its source."""
    floor = record[f"floor_{side}"]
    if floor["kind"] == "none" or floor["value"] is None:
        return "none"
    low, high = floor["low"], floor["high"]
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high) and high > low
    within = f"{format_interval(low, high)}; " if known else ""
    source = {"free": "found by the map", "given": floor["source"], "unused": "not used by this form"}
    mark = Markup('{}<span class="below">{}</span>')
    return mark.format(format_number(floor["value"]), f"{within}{source[floor['kind']]}")


def of_answers(sheet: Any) -> Table:
    """Make the table of the answer: one row a map, source by source."""
    level = level_text(sheet.question.level)
    outcomes = any(one.large is not None and math.isfinite(one.large.outcome) for one in sheet.maps)
    rows: list[tuple[Cell, ...]] = []
    for one in sheet.maps:
        mean, low, high = one.y
        x = NOTHING if one.large is None else format_number(one.large.x)
        if math.isfinite(mean):
            said: tuple[Cell, ...] = (mean_text(mean, low, high), _below(format_interval(low, high), half_width(one)))
            verdict = one.verdict if one.in_budgets else f"{one.verdict} (of the loss)"
        elif one.undefined:
            f = one.forecast
            instead = (
                f"{format_number(f.instead)} by {f.instead_form}" if f.instead_form else "no other map has a value"
            )
            said, verdict = (_below("undefined", instead), NOTHING), "no value at this x"
        else:
            said, verdict = (UNKNOWN, UNKNOWN), one.refused or "no run is left to forecast"
        told = (_outcome(one),) if outcomes else ()
        rows.append((named(sheet, one), x, *said, *told, verdict, _form(one)))
    heads = [heading(sheet), "loss x", "forecast y", f"{level}, a new run", *(["outcome"] if outcomes else [])]
    note = (
        f"{question_note(sheet)} Below an interval: its half width, as a share of the forecast. "
        + ("An outcome is what the same run scored on the target, which no map and no floor saw; below it, what the "
           "forecast missed it by, and whether the interval held it. " if outcomes else "")
        + "Extrapolating: times the budget of the largest pair, unless the row says that it is of the loss. "
        + made_of_maps(sheet)
    )  # fmt: skip
    texts = (0, len(heads), len(heads) + 1)
    return make_table("Forecasts", [*heads, "verdict", "form"], rows, texts, note=note)


def _below(first: str, second: str) -> Cell:
    return Markup('{}<span class="below">{}</span>').format(first, second)


def _outcome(one: Any) -> Cell:
    if one.large is None or not math.isfinite(one.large.outcome):
        return NOTHING
    held = {True: ", held", False: ", not held", None: ""}[one.held]
    if not math.isfinite(one.error):
        return format_number(one.large.outcome)
    return _below(format_number(one.large.outcome), f"{signed(one.error)}{held}")


def question_note(sheet: Any) -> str:
    """Say in a few words which question the table answers."""
    if sheet.question.source_fit is not None:
        return f"The loss x is predicted, by the fit {sheet.question.source_fit}, whose error is in every interval."
    return "The loss x is measured, so no interval holds an error of x."


def half_width(one: Any) -> str:
    """The mean of both half widths, as a share of the forecast."""
    mean, low, high = one.y
    return f"± {format_percent((high - low) / 2 / mean)}" if math.isfinite(high - low) and mean > 0 else UNKNOWN


def _form(one: Any) -> Cell:
    """The form of a map, and below it its floors."""
    if one.fit is None:
        return NOTHING
    record = one.fit.settings["loss_to_loss"]
    floors = []
    for side in ("x", "y"):
        floor = record[f"floor_{side}"]
        if floor["kind"] in ("given", "free") and floor["value"] is not None:
            floors.append(f"{side} {format_number(floor['value'])} {floor['kind']}")
    return _below(record["form"], f"floor of {', of '.join(floors)}" if floors else "no floor")


def of_maps(sheet: Any) -> Table:
    """Make the table of the maps: their parameters, floors, fit and back-test."""
    level = sheet.question.level
    rows = []
    for one in sheet.maps:
        if one.fit is None:
            rows.append((named(sheet, one), "refused", *[NOTHING] * 8))
            continue
        record = one.fit.settings["loss_to_loss"]
        rows.append(
            (
                named(sheet, one),
                _below(record["form"], record["chosen"]),
                one.fit.verdict,
                _tested(one),
                _below(str(record["n_pairs"]), f"R² {format_number(record['r2'], 5)}"),
                _parameter(one.fit, "kappa", level),
                _parameter(one.fit, "K", level),
                floor_text(record, "x"),
                floor_text(record, "y"),
                goal_text(one.fit.objective),
            )
        )
    heads = (
        heading(sheet), "form", "verdict", "back-test error", "pairs", "kappa", "K", "floor of x", "floor of y",
        "objective",
    )  # fmt: skip
    note = (
        f"Small: {level_text(level)} intervals of parameters; where floors come from, with their 68 % intervals; R² of "
        "the losses as they are. A form without a parameter of that name shows a dash; all parameters are in the JSON "
        "of this file. The back-test error is the root mean square relative error on pairs held out as far beyond a "
        "cut-off as the large run lies beyond all pairs, or the farthest there are (small: their factors, and how many "
        f"of the nominal {_nominal(sheet)} intervals of parameters and scatter alone held the pair). "
        f"{made_of_maps(sheet)}"
    )
    return make_table("The maps", heads, rows, (0, 1, 2, 7, 8, 9), note=note)


def _nominal(sheet: Any) -> str:
    """Level of the intervals of the back-tests, which is that of the page where there are none."""
    levels = {one.fit.backtest.level for one in sheet.maps if one.fit is not None and one.fit.backtest is not None}
    return level_text(min(levels, default=sheet.question.level))


def _parameter(fit: Any, name: str, level: float) -> Cell:
    if name not in fit.estimates:
        return NOTHING
    low, high = fit.interval(name, level)
    return Markup('{}<span class="below">{}</span>').format(
        mean_text(fit.estimates[name], low, high), format_interval(low, high)
    )


def _tested(one: Any) -> Cell:
    """Back-test error and coverage nearest to the factor of the large run."""
    found = one.fit.backtest
    if found is None or not found.says_something:
        return "none"
    entries = [entry for entry in found.summary() if entry.n > entry.undefined]
    if not entries:
        return "none"
    factor = one.factor if math.isfinite(one.factor) and one.in_budgets else math.inf
    near = [entry for entry in entries if entry.low <= factor]
    entry = (near or entries)[-1]
    size = math.expm1(entry.rms) if found.log else entry.rms / float(np.mean(found.observed))
    held = "" if math.isnan(entry.coverage) else f"; {100 * entry.coverage:.0f} % held"
    return _below(format_percent(size), f"{entry.range}{held}")


def of_candidates(sheet: Any) -> Table:
    """Make the table of the forms that were tried: held-out error and weight, the chosen one marked."""
    maps = [one for one in sheet.maps if one.fit is not None]
    forms = list(
        dict.fromkeys(row["form"] for one in maps for row in one.fit.settings["loss_to_loss"]["candidates"])
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    why: dict[str, None] = {}
    for one in maps:
        record = one.fit.settings["loss_to_loss"]
        tried = {row["form"]: row for row in record["candidates"]}
        rows.append((named(sheet, one), *(_candidate(tried.get(form)) for form in forms)))
        for row in record["candidates"]:
            if row["reason"]:
                why[f"{one.label}, {row['form']}: {row['reason'].rstrip('.')}."] = None
    shown = list(why)[:_NAMED]
    more = f" And {len(why) - len(shown)} more such remarks, in the JSON of this file." if len(why) > len(shown) else ""
    note = (
        "Root mean square error on the largest budgets, held out and forecast from the smaller ones, and below it the "
        "weight that the form has in the intervals. Bold: the map of this page. Forms are compared cut-off by cut-off, "
        "by the mean logarithm of the ratio of their errors, so another may have the smaller error here. "
        f"{' '.join(shown)}{more} {made_of_maps(sheet)}"
    )
    heads = (heading(sheet), *forms)
    return make_table("Forms that were tried", heads, rows, note=note)


def _candidate(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return NOTHING
    size = row["verdict"] if row["score"] is None else format_percent(row["score"])
    weight = f"weight {format_number(row['weight'], 2)}" if row["weight"] is not None else "no weight"
    mark = '<strong>{}</strong><span class="below">{}</span>' if row["verdict"] in ("chosen", "asked for") else (
        '{}<span class="below">{}</span>'
    )  # fmt: skip
    return Markup(mark).format(size, weight)


def of_unpaired(sheet: Any) -> Table:
    """Make the table of runs that are in no pair, by map and reason."""
    rows = []
    for one in sheet.maps:
        reasons = Counter(reason for _, reason in one.data.unpaired)
        for reason, count in sorted(reasons.items()):
            names = [run for run, why in one.data.unpaired if why == reason]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            rows.append((named(sheet, one), reason, str(count), f"{', '.join(names[:_NAMED])}{more}"))
    note = f"All of them are in the JSON of this file. {made_of_maps(sheet)}"
    return make_table("Runs left unpaired", (heading(sheet), "reason", "runs", "which"), rows, (0, 1, 3), note=note)


def of_parts(sheet: Any) -> Table | None:
    """Make the table of what the widths are made of; None without a forecast."""
    from reports.width import NAMES

    known = [(one, one.forecast.prediction.parts) for one in sheet.maps if one.forecast is not None]
    known = [(one, parts) for one, parts in known if parts and all(map(math.isfinite, parts.values()))]
    if not known:
        return None
    names = [name for name in NAMES if any(name in parts for _, parts in known)]
    chained = any(one.chained is not None for one, _ in known)
    rows = []
    for one, parts in known:
        said = one.forecast.prediction
        alone = f"± {format_percent((said.high - said.low) / 2 / said.mean)}"
        shares = (format_percent(parts[name]) if name in parts else NOTHING for name in names)
        rows.append((named(sheet, one), *shares, alone, *([half_width(one)] if chained else [])))
    heads = [heading(sheet), *(NAMES[name] for name in names), "half width at a known x"]
    heads += ["half width with the error of x"] if chained else []
    note = (
        "Shares of the squared half width; taken as independent, the parts add in quadrature. Parameters: of the map. "
        "Scatter: how far single runs lie from the map. Form: the other forms that the back-test leaves some weight, "
        "and the ends of floors with an error. Back-test: what the map missed its own held-out budgets by, beyond the "
        "form. " + made_of_maps(sheet)
    )
    return make_table("Shares of the squared width of each forecast", heads, rows, note=note)


def of_provenance(sheet: Any) -> Table:
    """Make the table of what each map was made from, by hash."""
    from hashlib import sha256

    code = Markup("<code>{}</code>").format
    rows = [
        (
            named(sheet, one),
            str(len(one.data.x)),
            code(one.data.sha256),
            code(sha256(one.data.sql.encode()).hexdigest()),
        )
        for one in sheet.maps
        if one.data.sql
    ]
    heads = (heading(sheet), "pairs", "SHA-256 of the pairs", "SHA-256 of the query")
    return make_table("Pairs and queries", heads, rows, (0, 2, 3), note="The queries are in the JSON of this file.")


def of_files(sheet: Any) -> Table:
    """Make the table of files."""
    code = Markup("<code>{}</code>").format
    rows = [(s.uri.replace("\\", "/").rsplit("/", 1)[-1], str(s.n_runs), code(s.sha256)) for s in sheet.sources]
    return make_table("Files", ("file", "runs of this page", "SHA-256"), rows, (0, 2))
