"""Tables of the page of a law of the critical batch size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.batch_law_axis import run_names, same_definition
from reports.batch_page import Origin
from reports.batch_steps_tables import costs_of
from reports.batch_words import ends_text, size_text
from reports.tables import Table, make_table
from reports.words import cited, factor_text, level_text
from scaling.errors import ScalingError
from scaling.formatting import UNKNOWN, format_count, format_interval, format_number

if TYPE_CHECKING:
    from reports.batch_law_page import Forecast, LawPage

_OFF = (0.25, 0.5, 1.0, 2.0, 4.0)


def forecasts_table(page: LawPage, forecasts: list[Forecast], origin: Origin) -> Table | None:
    """Make the table of the runs that were asked for."""
    if not forecasts:
        return None
    unit, other = page.law.unit, page.fit_unit
    both = unit != other
    rows = []
    for name, f in zip(run_names(page, [f.target for f in forecasts]), forecasts, strict=True):
        rows.append((
            name, size_text(f.estimate, unit), ends_text(f.low, f.high, unit),
            *((size_text(f.fit_estimate, other), ends_text(f.fit_low, f.fit_high, other)) if both else ()),
            factor_text(f.factor),
        ))  # fmt: skip
    level = level_text(origin.level)
    heads = ("run", f"batch ({unit})", f"{level} interval",
             *((f"batch ({other})", f"{level} interval") if both else ()), "extrapolation")  # fmt: skip
    note = f"Critical: {page.law.convention}. The interval is of the law; {page.law.interval_holds}. {origin.made_of()}"
    return make_table("Critical batch size of a run", heads, rows, 1, note)


def costs_table(page: LawPage, forecasts: list[Forecast], origin: Origin) -> Table | None:
    """Make the table of what a batch off the critical one costs, for the first run."""
    if not forecasts or "D" not in forecasts[0].target or page.fit_unit != "tokens":
        return None
    from scaling.batch_size.planner.curve import curve_from_law

    first = forecasts[0]
    try:
        curve = curve_from_law(page.law, first.target["D"], first.target.get("N"), first.target.get("L"))
    except ScalingError:
        return None
    sizes = [first.fit_estimate * factor for factor in _OFF]
    [name] = run_names(page, [first.target])
    data = f"the law at {name}; these tokens are taken as what a small batch needs"
    return costs_of(curve, first.fit_estimate, sizes, [f"x{factor:g}" for factor in _OFF], origin, data)


def growth_words(page: LawPage, origin: Origin) -> str:
    """Say what ten times as much makes of the critical batch size."""
    fit, said = page.law.fit, []
    for parameter, word in (("p", "parameters"), ("q", page.data_unit)):
        if parameter in fit.estimates:
            low, high = fit.interval(parameter, origin.level)
            value = fit.estimates[parameter]
            said.append(
                f"ten times the {word} makes it {format_number(10**value, 3)} times as large "
                f"({level_text(origin.level)} interval {format_interval(10**low, 10**high)})"
            )
    if "alpha_B" in fit.estimates:
        value = fit.estimates["alpha_B"]
        said.append(f"a loss lower by a tenth makes it {format_number(0.9 ** (-1 / value), 3)} times as large")
    return f"{'; '.join(said).capitalize()}." if said else ""


def published_table(page: LawPage) -> Table | None:
    """Make the table of published laws at the first run, those of the same definition first; None without tokens."""
    if page.fit_unit != "tokens":
        return None
    from scaling.batch_size.published import published_at

    first = page.asked[0]
    length = page.law.record["tokens_per_sample"]
    known = None if length is None or not math.isfinite(float(length)) else float(length)
    rows_in = published_at(first.get("N"), first.get("D"), first.get("L"), None, known)
    same = same_definition(page)
    order = sorted(range(len(rows_in)), key=lambda i: (rows_in[i].definition != same, rows_in[i].batch_tokens is None))
    rows, strong = [], []
    for place, i in enumerate(order):
        row = rows_in[i]
        tokens = "–" if row.batch_tokens is None else format_count(row.batch_tokens)
        sequences = "" if row.batch_sequences is None else format_number(row.batch_sequences)
        remark = " ".join([row.why, *row.notes]).strip()
        rows.append((row.name, row.definition, row.formula or "–", tokens, *((sequences or "–",) if known else ()),
                     cited(f"{row.source}. {remark}")))  # fmt: skip
        if same and row.definition == same:
            strong.append(place)
    [where] = run_names(page, [first])
    heads = ("law", "gives", "formula, tokens a "
                             "step", "tokens", *((f"sequences of {format_number(known)}",) if known else ()),
             "source and remarks")  # fmt: skip
    texts = (0, 1, 2, len(heads) - 1)
    note = (
        f"At {where or UNKNOWN}. Shaded: of the definition of this page, {page.law.convention}. As published, without "
        "intervals."
    )
    return make_table("Published laws of the batch size", heads, rows, texts, note, tuple(strong))


def published_words(page: LawPage) -> str:
    """Say what may be made of published laws beside this one, or why there are none."""
    if page.fit_unit != "tokens":
        return (
            f"The batches are in {page.fit_unit}, and how many tokens one has was not given, so no published law can "
            "be "
            "put beside them: fit again with --context-length, the tokens of one."
        )
    return (
        "Which batch a law gives is part of the law: rows of different definitions are not to be held against each "
        "other, and no row is an average."
    )


def points_table(page: LawPage, origin: Origin) -> Table:
    """Make the table of the points."""
    unit, level = page.fit_unit, level_text(origin.level)
    rows = []
    for i, p in enumerate(page.points):
        inputs = tuple(
            format_number(float(v[i])) if k == "L" else format_count(float(v[i])) for k, v in page.inputs.items()
        )
        rows.append((p.label, *inputs, size_text(p.critical, unit), ends_text(p.low, p.high, unit), str(p.batches),
                     "beyond" if p.beyond else "inside"))  # fmt: skip
    words = {"N": "parameters", "D": page.data_unit, "L": "loss"}
    heads = (
        "point", *(words[k] for k in page.inputs), f"batch ({unit})", f"{level} interval", "batch sizes",
        "batches tried",
    )  # fmt: skip
    note = (
        f"Critical: {page.law.convention}. {page.data_unit.capitalize()}: {page.tokens_are}. Intervals: "
        f"{page.point_method}. {origin.data}."
    )
    return make_table("Critical batch sizes of the points", heads, rows, (0, len(heads) - 1), note)
