"""What the sheet of maps says in sentences: the answer, the question it answers, and how far to trust it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from markupsafe import Markup

from reports.maps_rows import half_width, signed
from reports.words import level_text, listed, mean_text
from scaling.formatting import (
    format_count,
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)


def about(sheet: Any) -> str:
    """Name the metrics and sides of the sheet."""
    metrics = {(one.data.metric_source, one.data.metric_target) for one in sheet.maps}
    if len(metrics) > 1:
        return "several metrics"
    [(x, y)] = metrics
    return x if x == y else f"{x} to {y}"


def _sides(sheet: Any) -> tuple[list[str], list[str]]:
    return (
        list(dict.fromkeys(one.data.source for one in sheet.maps)),
        list(dict.fromkeys(one.data.target for one in sheet.maps)),
    )


def title(sheet: Any) -> str:
    """Name the page."""
    sources, targets = _sides(sheet)
    if len(sheet.maps) == 1:
        [one] = sheet.maps
        return str(one.label) if one.data.source == one.data.target else f"{one.label}, {about(sheet)}"
    if len(sources) == 1:
        return f"{format_plural(len(sheet.maps), 'map')} from {sources[0]}, {about(sheet)}"
    if len(targets) == 1:
        return f"{format_plural(len(sheet.maps), 'map')} to {targets[0]}, {about(sheet)}"
    return f"{format_plural(len(sheet.maps), 'map')} between losses, {about(sheet)}"


def headline(sheet: Any) -> Markup:
    """The answer in a sentence."""
    said = [one for one in sheet.maps if math.isfinite(one.y[0])]
    level = level_text(sheet.question.level)
    if not said:
        return Markup("{}: {}").format(title(sheet), _nothing(sheet))
    if len(said) == 1:
        [one] = said
        mean, low, high = one.y
        return Markup("{} on {}: <strong>{}</strong> ({} of new runs: {}), {}.").format(
            _run_words(one), _goal(one), mean_text(mean, low, high), level, format_interval(low, high), _far(one)
        )
    sources, _ = _sides(sheet)
    widths = [(one.y[2] - one.y[1]) / 2 / one.y[0] for one in said if math.isfinite(one.y[2] - one.y[1])]
    spread = (
        f"{level} intervals of ±\u00a0{format_percent(min(widths))} to ±\u00a0{format_percent(max(widths))}"
        if widths
        else "intervals that are unknown"
    )
    if len(sources) == 1 and len(said) <= 6:
        values = [f"{mean_text(*one.y)} on {_goal(one)}" for one in said]
        return Markup("{} <strong>{}</strong>, with {}; {}.").format(
            _run_words(said[0]), listed(values), spread, _far(said[0])
        )
    what = "the large run" if len(sources) == 1 else "the large run of each source"
    return Markup("{} forecast {} with <strong>{}</strong>; {}.").format(
        format_plural(len(said), "map"), what, spread, _all_far(said)
    )


def _nothing(sheet: Any) -> Markup:
    """Say why there is no forecast, and what the maps say that have a value."""
    undefined = [one for one in sheet.maps if one.undefined]
    if not undefined:
        return Markup("no forecast. {}").format(
            next((one.refused for one in sheet.maps if one.refused), "No run of a source is left to forecast.")
        )
    said = [one for one in undefined if one.forecast.instead_form]
    others = [f"{format_number(o.forecast.instead)} on {_goal(o)} ({o.forecast.instead_form})" for o in said[:6]]
    at = list(dict.fromkeys(format_number(one.large.x) for one in undefined))
    where = f" at x = {at[0]}" if len(at) == 1 else ""
    rest = f"Maps that have one say {listed(others)}, without an interval." if others else "No other map has one."
    return Markup("<strong>no forecast</strong>, because the maps have no value{}. {}").format(where, rest)


def _goal(one: Any) -> str:
    d = one.data
    return str(d.metric_target.rsplit("/", 1)[-1] if d.source == d.target else d.target)


def _run_words(one: Any) -> str:
    """Name the large run, and say whether its x was measured."""
    large, d = one.large, one.data
    run = f"run {large.run_id} of {d.source}" if large.run_id else f"a run of {d.source}"
    if large.inputs:
        run = f"a run of {format_count(large.inputs['N'])} parameters on {format_count(large.inputs['D'])} tokens"
    size = f", {format_number(large.compute_flop)} FLOP" if math.isfinite(large.compute_flop) else ""
    how = "measured" if large.source_fit is None else "predicted"
    text = f"{run}{size}, {d.metric_source} {how} to be {format_number(large.x)} on {d.source}"
    if large.source_fit is None:
        text = f"{run}{size}, whose measured {d.metric_source} is {format_number(large.x)}"
    return f"{text[:1].upper()}{text[1:]}, would score"


def _far(one: Any) -> str:
    if not math.isfinite(one.factor):
        return "outside the pairs"
    if not one.in_budgets:
        return f"its loss {format_factor(one.factor)} beyond those of the pairs; its compute is not known"
    if one.factor < 1.05:
        return "inside the budgets of the pairs"
    return f"{format_factor(one.factor)} the budget of the largest pair"


def _all_far(said: list[Any]) -> str:
    """The same for several runs, with the range of their factors."""
    factors = [one.factor for one in said if one.in_budgets and math.isfinite(one.factor)]
    if len(factors) < len(said) or format_factor(min(factors)) == format_factor(max(factors)):
        return _far(said[0])
    return f"up to {format_factor(max(factors))} the budget of the largest pair"


def outcomes_words(sheet: Any) -> str:
    """Say how the forecasts did, where the store knows the outcome."""
    known = [one for one in sheet.maps if math.isfinite(one.error)]
    if not known:
        return ""
    held = [one.held for one in known if one.held is not None]
    level = level_text(sheet.question.level)
    if len(known) == 1:
        [one] = known
        inside = {True: f"inside the {level} interval", False: f"outside the {level} interval"}.get(one.held, "")
        return (
            f"The target has that run ({one.large.outcome_run}): it scored {format_number(one.large.outcome)}, "
            f"{inside}; the forecast missed it by {signed(one.error)}. The map did not see it."
        )
    sizes = [abs(one.error) for one in known]
    return (
        f"For {len(known)} of {len(sheet.maps)} the target has that run, which no map saw: the mean size of the errors "
        f"is {format_percent(sum(sizes) / len(sizes))}, the largest {format_percent(max(sizes))}, and {sum(held)} of "
        f"{len(held)} intervals ({level}) held the outcome."
    )


def question_words(sheet: Any) -> list[str]:
    """Say which question the page answers."""
    large = [one.large for one in sheet.maps if one.large is not None]
    if not large:
        return ["No run of a source is left to forecast: all of them are in pairs. The maps stand on their own."]
    whys = list(dict.fromkeys(run.why for run in large))
    why = whys[0] if len(whys) == 1 else "Each is the run of largest budget of its source that is in none of the pairs."
    if sheet.question.source_fit is None:
        return [
            "The large run exists on the source, and the question is what it would have scored on the "
            f"target. The interval holds no error of x, because x was seen. {why}",
            "To ask about a run that nobody trained, x has to be forecast too, which is another question with a larger "
            "error: --source-fit with --params and --tokens.",
        ]
    parts = []
    for one in sheet.maps:
        if one.chained is not None and one.forecast is not None:
            said = one.forecast.prediction
            alone = (said.high - said.low) / 2 / said.mean
            parts.append(
                f"{one.label}: ± {format_percent(alone)} if x were known, {half_width(one)} with the error of x"
            )
    return [
        f"Nobody trained the run on the source. {why} The error of that law is in every interval, so "
        "that a law that errs is not taken for a measurement.",
        *([f"Half widths: {'; '.join(parts[:6])}."] if parts else []),
    ]


def verdicts(sheet: Any) -> tuple[str, str]:
    """The worst verdict, and the counts of all."""
    words = Counter("refused" if one.fit is None else one.fit.verdict for one in sheet.maps)
    worst = next((word for word in ("not identified", "weak", "refused") if words[word]), "ok")
    undefined = sum(one.undefined for one in sheet.maps)
    counts = listed([f"{words[word]} {word}" for word in ("ok", "weak", "not identified", "refused") if words[word]])
    counts += f"; {format_plural(undefined, 'forecast')} undefined" if undefined else ""
    return ("weak" if worst == "refused" or (worst == "ok" and undefined) else worst), counts


def reasons(sheet: Any) -> list[str]:
    """Why maps are not ok: each reason with its maps."""
    about: dict[str, list[str]] = {}
    for one in sheet.maps:
        found = list(one.fit.diagnostics.reasons) if one.fit is not None else []
        for reason in [*found, *([one.refused] if one.refused else [])]:
            about.setdefault(reason, []).append(one.label)
    return [f"{listed(labels)}: {reason}" for reason, labels in list(about.items())[:12]] + (
        [f"And {len(about) - 12} more, in the table of the maps."] if len(about) > 12 else []
    )


def floors_words(sheet: Any) -> str:
    """Say which floors the maps have, and what is shown of others."""
    asked = sheet.question
    told = {
        "free": "No floor was given: a form that has one finds it by itself.",
        "source": f"The floor of x was given, E of the law {asked.floor_law} of the source; that of y was not.",
        "both": f"Both floors were given, E of the law {asked.floor_law}, fitted to the runs of either side.",
    }
    used = Counter(one.fit.settings["loss_to_loss"]["form"] for one in sheet.maps if one.fit is not None)
    with_floor = sum(number for form, number in used.items() if form == "shifted_power")
    have = "has" if with_floor <= 1 else "have"
    rest = f"{with_floor or 'None'} of {format_plural(sum(used.values()), 'map')} {have} a floor of x."
    return (
        f"{told[asked.floors]} {rest} Below stands what the forecasts would be on other floors. Their spread is no "
        "part of the intervals above, unless a floor was given with an error."
    )


def remarks(maps: tuple[Any, ...]) -> list[str]:
    """What is to be known of the pairs: each sentence once, with the maps that it is about."""
    about: dict[str, list[str]] = {}
    for one in maps:
        for note in one.data.notes:
            about.setdefault(note, []).append(one.label)
    out = []
    for note, labels in about.items():
        if len(labels) == len(maps):
            out.append(note)
        else:
            some = listed(labels) if len(labels) <= 3 else f"{', '.join(labels[:3])} and {len(labels) - 3} more"
            out.append(f"{some}: {note}")
    return out
