"""Tables of the page, as rows of finished texts; the template only sets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from reports.allocation_rows import form_note, rival_lines
from reports.answers import Answers
from reports.comparison import AlternativeAnswer, relative_residuals, shortcomings, typical_residual
from reports.series import Series
from reports.words import (
    cited,
    count_interval,
    data_words,
    factor_text,
    input_name,
    input_text,
    is_count,
    is_map,
    level_text,
    made_of,
    mean_text,
    output_name,
    sentence,
    shortest,
    trim_words,
)
from scaling.alternatives import Alternative
from scaling.formatting import format_count, format_interval, format_number, format_percent

if TYPE_CHECKING:
    from reports.trust import Check  # which needs the tables itself

LONGEST = 40  # rows of a figure's table
CURVE_ROWS = 15
NOTHING = "–"
Cell = str | Markup


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    caption : str
        What it holds.
    heads : tuple of str
        Headings; the first column names the rows.
    rows : tuple of tuple of str
        Finished texts.
    numeric : tuple of bool
        Which columns are set flush right.
    note : str
        Below the table; may be empty.
    strong : tuple of int
        Rows to be set apart.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[bool, ...]
    note: str = ""
    strong: tuple[int, ...] = ()


def make_table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]], texts: int | Sequence[int] = 1, note: str = "",
    strong: tuple[int, ...] = (),
) -> Table:  # fmt: skip
    """Make a table in which all columns are numeric but the first `texts` ones, or those listed."""
    plain = set(range(texts)) if isinstance(texts, int) else set(texts)
    numeric = tuple(i not in plain for i in range(len(heads)))
    return Table(caption, tuple(heads), tuple(tuple(r) for r in rows), numeric, note, strong)


def of_series(series: Series) -> Table:
    """Make the table below a figure; long ones are cut, and say so."""
    n, note = len(series), ""
    keep = np.arange(n)
    if series.curve and n > CURVE_ROWS:
        keep = np.unique(np.round(np.linspace(0, n - 1, CURVE_ROWS)).astype(int))
        note = f"{len(keep)} of {n} points drawn, evenly spaced."
    elif n > LONGEST:
        keep = keep[:LONGEST]
        order = f", {series.order}" if series.order else ""
        note = f"{LONGEST} of {n} rows{order}; all rows are in the store, under the query below."
    texts = [i for i, unit in enumerate(series.units[c] for c in series.columns) if unit == "text"]
    return make_table(series.name, list(series.columns), [series.cells(int(i)) for i in keep], texts, note)


def of_forecasts(answers: Answers) -> Table:
    """Make the table of forecasts."""
    law, level = answers.data.fit.law, level_text(answers.data.level)
    rows = []
    many = len(answers.forecasts) > 1
    for i, f in enumerate(answers.forecasts):
        interval = format_interval(f.run.low, f.run.high)
        rows.append(
            (
                f"{i + 1}. {f.target.label}" if many else f.target.label,
                *(input_text(law, name, f.target.inputs[name]) for name in law.inputs),
                mean_text(f.run.mean, f.run.low, f.run.high),
                interval,
                format_interval(f.curve.low, f.curve.high),
                factor_text(f.run.extrapolation_factor),
            )
        )
    heads = (
        "target",
        *(input_name(law, name) for name in law.inputs),
        output_name(law),
        f"{level}, a new run",
        f"{level}, the curve",
        "extrapolation of the loss x" if is_map(answers.data.fit) else "extrapolation",
    )
    note = made_of(answers.data, answers.forecasts[0].run.method) if answers.forecasts else ""
    return make_table("Forecasts", heads, rows, note=note)


def of_allocation(answers: Answers) -> Table:
    """Make the compute-optimal table, each interval below its value."""
    best = answers.allocation
    assert best is not None
    law = answers.data.fit.law
    rows = []
    for i, compute in enumerate(best.compute_flop):
        n, d, ratio, loss = (
            tuple(float(end[i]) for end in ends)
            for ends in (
                best.n_params_interval, best.n_tokens_interval, best.tokens_per_param_interval, best.loss_interval,
            )
        )  # fmt: skip
        rows.append(
            (
                format_number(float(compute), 3),
                _over(format_count(best.n_params[i]), count_interval(*n)),
                _over(format_count(best.n_tokens[i]), count_interval(*d)),
                _over(format_number(best.tokens_per_param[i], 3), format_interval(*ratio)),
                _over(mean_text(best.loss[i], *loss), format_interval(*loss)),
                factor_text(best.extrapolation_factor[i]),
            )
        )
    heads = ("compute (FLOP)", "parameters", "tokens", "tokens a parameter", output_name(law), "extrapolation")
    lost = float(np.nanmax(best.edge_share)) if np.any(np.isfinite(best.edge_share)) else 0.0
    left = f" Up to {format_percent(lost)} of the replicates have no optimum and are left out." if lost > 0 else ""
    note = " ".join([made_of(answers.data, best.method) + left, form_note(best), *rival_lines(best)])
    note += f" {answers.data.no_untied}" if answers.data.no_untied else ""
    return make_table("Compute-optimal models", heads, rows, note=note)


def _over(value: str, interval: str) -> Markup:
    return Markup('{}<span class="below">{}</span>').format(value, interval)


def of_growth(answers: Answers) -> Table:
    """Make the table of how the optimum grows with compute: the exponents a and b, and what ten times as much buys."""
    best = answers.allocation
    assert best is not None
    level = level_text(best.level)
    ends = [0] if np.allclose(best.exponent_params, best.exponent_params[0], rtol=1e-3) else [0, -1]
    rows = []
    for i in ends:
        at = f" at {format_number(float(best.compute_flop[i]), 3)} FLOP" if len(ends) > 1 else ""
        for letter, name, values, interval in (
            ("a", "parameters", best.exponent_params, best.exponent_params_interval),
            ("b", "tokens", best.exponent_tokens, best.exponent_tokens_interval),
        ):
            value, low, high = (float(x[i]) for x in (values, *interval))
            rows.append(
                (
                    f"{name}, {letter}{at}",
                    mean_text(value, low, high),
                    format_interval(low, high),
                    f"{format_number(10**value, 3)} times",
                    format_interval(10**low, 10**high),
                )
            )
    heads = ("grows as a power of compute", "exponent", level, "for ten times the compute", level)
    where = "at that budget" if len(ends) > 1 else "the same at all of these budgets"
    made = (
        "The law fixes them, they were not estimated." if best.exponents_fixed else made_of(answers.data, best.method)
    )
    note = f"Exponents are slopes of the optimum on logarithmic scales, {where}. {made}"
    return make_table("How the optimum grows with compute", heads, rows, note=note)


def of_checks(lines: Sequence[Check]) -> Table:
    """Make the panel of checks; the answer is marked up, so that it does not rest on colour alone."""
    rows = []
    for line in lines:
        word = {"yes": "yes", "no": "no"}.get(line.answer, "none")
        answer = Markup('<span class="answer {}">{}</span>').format(word, line.answer)
        rows.append((line.question, answer, line.number, line.sentence))
    return make_table("Checks", ("check", "answer", "number", "what it means"), rows, texts=4)


def of_parameters(answers: Answers) -> Table:
    """Make the table of parameters, beside the published values of the same law."""
    fit, level = answers.data.fit, level_text(answers.data.level)
    published = fit.law.published
    said = any(parameter.meaning for parameter in fit.law.parameters)
    rows = []
    for parameter in fit.law.parameters:
        name = parameter.name
        low, high = fit.interval(name, answers.data.level)
        rows.append(
            (
                name,
                *([parameter.meaning] if said else []),
                mean_text(fit.estimates[name], low, high),
                format_interval(low, high),
                format_number(fit.standard_errors[name], 2),
                *(shortest(entry.values[name]) for entry in published),
            )
        )
    names = ("parameter", "meaning") if said else ("parameter",)
    heads = (*names, "estimate", f"{level} interval", "standard error", *(e.name for e in published))
    note = "" if answers.identified else "Quite different values fit as well; these are shown to help find out why."
    return make_table("Parameters", heads, rows, texts=len(names), note=note)


def of_alternatives(answers: Answers) -> Table:
    """Make the table of alternatives, this report's fit first."""
    data, fit, level = answers.data, answers.data.fit, level_text(answers.data.level)
    own = AlternativeAnswer(
        Alternative("this report", fit),
        answers.forecasts[0].run if answers.forecasts else None,
        "",
        typical_residual(fit, data.observed),
        True,
    )
    rows = []
    for a in (own, *answers.alternatives):
        other, said = a.alternative.fit, a.forecast
        if other is None:
            rows.append((a.alternative.label, "refused", *[NOTHING] * 4, sentence(a.refusal)))
            continue
        relative = relative_residuals(other, data.observed) is not None
        same = str(other.objective) == str(fit.objective)
        remarks = sentence("; ".join(filter(None, (shortcomings(other.diagnostics), a.refusal))))
        rows.append(
            (
                a.alternative.label,
                other.verdict,
                format_number(other.objective_value) if same else NOTHING,
                format_percent(a.typical_residual) if relative else format_number(a.typical_residual, 2),
                mean_text(said.mean, said.low, said.high) if said else NOTHING,
                format_interval(said.low, said.high) if said else NOTHING,
                remarks or NOTHING,
            )
        )
    heads = ("fit", "verdict", "objective", "typical residual", "forecast", f"{level} interval", "remarks")
    note = (
        "The objective is left out where it is another one than that of this report, because two such values do not "
        "compare. The typical residual, the median of their sizes, compares throughout."
    )
    if trim := trim_words(data):
        note += f" All of them see the same rows, those that are left ({trim})."
    note += f" Data: {data_words(data)}."
    return make_table("The same rows, fitted otherwise", heads, rows, texts=(0, 1, 6), note=note, strong=(0,))


def of_inputs(answers: Answers) -> Table:
    """Make the table of the ranges that the rows cover."""
    data, law = answers.data, answers.data.fit.law
    columns = [(input_name(law, name), is_count(law, name), values) for name, values in data.inputs.items()]
    if answers.of_n_and_d and answers.course is not None:
        columns.append((answers.course.label, False, answers.course.at_runs))
    columns.append((output_name(law), False, data.observed))
    rows = []
    for name, counted, values in columns:
        write = format_count if counted else format_number
        rows.append((name, *(write(float(q)) for q in (values.min(), np.median(values), values.max()))))
    return make_table("What the rows cover", ("quantity", "smallest", "median", "largest"), rows)


def of_sources(answers: Answers) -> Table:
    """Make the table of files."""
    rows = [
        (s.file, str(s.rows), s.imported_at, Markup("<code>{}</code>").format(s.sha256)) for s in answers.data.sources
    ]
    return make_table("Sources", ("file", "rows", "imported", "SHA-256"), rows, texts=(0, 2, 3))


def of_excluded(answers: Answers) -> Table:
    """Make the table of rows that the selection left out."""
    rows = [(reason, str(count)) for reason, count in answers.data.excluded_counts.items()]
    return make_table("Rows left out by the selection", ("reason", "rows"), rows)


def of_refused(answers: Answers) -> Table:
    """Make the table of rows that were refused one by one."""
    refused = answers.data.refused
    rows = [(r.file, NOTHING if r.line is None else str(r.line), r.reason) for r in refused[:LONGEST]]
    note = f"{LONGEST} of {len(refused)} rows; all are in the JSON of this file." if len(refused) > LONGEST else ""
    return make_table("Rows refused", ("file", "line", "reason"), rows, texts=(0, 2), note=note)


def of_published(answers: Answers) -> Table:
    """Make the table of where published values come from."""
    rows = [(e.name, cited(e.source), cited(e.note)) for e in answers.data.fit.law.published]
    return make_table("Published values of this law", ("name", "source", "note"), rows, texts=3)
