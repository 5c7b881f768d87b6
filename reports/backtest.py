"""How the law did before: its errors on its own largest runs, held out, in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reports.answers import Answers
from reports.tables import NOTHING, Table, make_table
from reports.words import INSIDE, how_chosen, level_text, listed, printable, rounded
from scaling.fitting.backtest import Backtest, FactorSummary
from scaling.formatting import UNKNOWN, format_factor, format_number, format_percent, format_plural
from scaling.results import Fit

_HEADS = ("extrapolation", "forecasts", "held-out runs", "cut-offs", "mean error", "rms error")


def made_of_backtest(answers: Answers, found: Backtest) -> str:
    """Say what stands behind the figure and the tables of the back-test."""
    trim = "" if found.trim == "none" else f", trimmed: {found.trim}"
    data = answers.data
    files = [source.file for source in data.sources]
    where = f" where {printable(data.where)}" if data.where else ""
    goal = rounded(found.objective)
    return (
        f"Law: {found.law}; objective: {goal}{trim}; intervals: nominal {level_text(found.level)} of a new run, from "
        f"the parameters and the scatter of the fit up to each cut-off alone (seed {found.seed}); data: "
        f"{format_plural(found.n_rows, 'row')}{f' of {_files(files)}' if files else ''}{where}, by {axis_name(found)}."
    )


def verdict_words(found: Backtest) -> str:
    """Say in a sentence or two how the law did over all."""
    whole = found.summary((1.0,))[0]
    held = ""
    if np.isfinite(whole.coverage):
        held = (
            f" Of the {level_text(found.level)} intervals, which took the form of the law as true, "
            f"{100 * whole.coverage:.0f} % held the run."
        )
    what = (
        f"{format_plural(whole.n, 'forecast')} of {format_plural(whole.runs, 'held-out run')} from "
        f"{format_plural(whole.cuts, 'cut-off')}, up to {format_factor(found.largest_factor)} beyond what was fitted"
    )
    if whole.undefined == whole.n:
        return f"{what}: none of them was {found.no_number}."
    fail = f" {failed_words(whole.undefined, found)}" if whole.undefined else ""
    return (
        f"{what}, missed by {error_text(whole.rms, found)} (root mean square), {error_text(abs(whole.bias), found)} "
        f"too {'high' if whole.bias > 0 else 'low'} on average.{held}{fail}"
    )


def failed_words(count: int, found: Backtest) -> str:
    """Say how many forecasts have no error, and what became of them; an empty text where none."""
    if not count:
        return ""
    were, have = ("was", "it has") if count == 1 else ("were", "they have")
    outside = ", and counts as outside its interval" if count == 1 else ", and count as outside their intervals"
    return f"{count} of the forecasts {were} not {found.no_number}: {have} no error{outside}."


def all_tables(answers: Answers) -> list[Table]:
    """Make the tables of the back-test: by factor, at the targets, and the cut-offs that were not tried."""
    return [table for table in (of_factors(answers), of_targets(answers), of_skipped(answers)) if table is not None]


def of_factors(answers: Answers) -> Table | None:
    """Make the table of errors by extrapolation factor; None without a hold-out."""
    found = answers.data.fit.backtest
    if found is None or not len(found):
        return None
    rows = [(entry.range, *_entry(entry, found)) for entry in found.summary()]
    note = (
        "A positive error is a forecast that was too high. A run that was forecast from several cut-offs counts as "
        f"often, and its errors go together. {made_of_backtest(answers, found)}"
    )
    if fail := failed_words(int(np.sum(~found.defined)), found):
        note = f"{fail} {note}"
    return make_table("Errors by extrapolation factor", (*_HEADS, covered_name(found)), rows, note=note)


def of_targets(answers: Answers) -> Table | None:
    """Make the table of what the back-test says at the factor of each target; None without a target or hold-out."""
    found = answers.data.fit.backtest
    if found is None or not len(found) or not answers.forecasts:
        return None
    many = len(answers.forecasts) > 1
    rows, reasons = [], []
    for i, forecast in enumerate(answers.forecasts):
        label = f"{i + 1}. {forecast.target.label}" if many else forecast.target.label
        entry = found.at(forecast.backtest_factor)
        at = _factor(forecast.backtest_factor)
        if entry.n:
            near = replace(entry, low=max(entry.low, 1.0)).range
            rows.append((label, at, near, *_entry(entry, found)))
        else:
            rows.append((label, at, "none", *[NOTHING] * 6))
            reasons.append(f"No back-test is possible for {label}: {entry.reason}.")
    heads = ("target", f"its factor, {axis_name(found)}", "runs held out at", *_HEADS[1:], covered_name(found))
    return make_table(
        "What it says at the targets", heads, rows, note=" ".join([*reasons, made_of_backtest(answers, found)])
    )


def of_skipped(answers: Answers) -> Table | None:
    """Make the table of cut-offs that were not tried; None where there are none."""
    found = answers.data.fit.backtest
    if found is None or not found.skipped:
        return None
    rows = [(format_number(cut), reason) for cut, reason in found.skipped]
    return make_table("Cut-offs that were not tried", (f"largest {axis_name(found)} left", "why"), rows, texts=2)


def opening(answers: Answers) -> str:
    """Say what was done, or that nothing was and why."""
    fit = answers.data.fit
    found = fit.backtest
    if found is None:
        return (
            "No back-test came with this fit: none of its runs was held out and forecast from the smaller ones, so "
            "nothing here tells how its forecasts have done, and their intervals take the form of the law as true."
        )
    if not len(found):
        return f"No back-test is possible: {found.reason}. So nothing here tells how forecasts of this law have done."
    cuts = len(np.unique(found.cut))
    chosen = " The law was chosen by errors like these, which flatters them a little." if _was_chosen(fit) else ""
    return (
        f"The law was fitted anew to the runs up to {format_plural(cuts, 'cut-off')} of {axis_name(found)}, and each "
        f"fit forecast the larger runs, which it had not seen. {verdict_words(found)}{chosen}"
    )


def _was_chosen(fit: Fit) -> bool:
    """Whether the law of a fit with rivals is the one that its back-test preferred."""
    return bool(fit.rivals) and how_chosen(fit) == "by its back-test" and "translated" not in fit.settings


def remedy(answers: Answers) -> tuple[str, str]:
    """Say how to get a back-test where there is none: a command and what else to know; empty texts otherwise."""
    data = answers.data
    if data.fit.backtest is not None:
        return "", ""
    law = data.fit.law
    if len(law.inputs) > 1 and not {"N", "D"} <= set(law.inputs) and "C" not in law.inputs:
        return "", (
            f"The law has the inputs {', '.join(law.inputs)}, and none of them is the size of a run. In Python, "
            "scaling.backtest_law(..., by=...) takes what makes a run large."
        )
    return f"scaling backtest {data.name}", "keeps one with the fit; then write this page again."


def error_text(value: float, found: Backtest, signed: bool = False) -> str:
    """Write an error of a back-test, kept as a logarithm where it has one, as a share of the observed value."""
    if not np.isfinite(value):
        return UNKNOWN
    size = np.expm1(value) if found.log else value
    text = format_percent(abs(size)) if found.log else format_number(abs(size), 2)
    return text if not signed or size == 0 else f"{'+' if size > 0 else '−'}{text}"


def _entry(entry: FactorSummary, found: Backtest) -> tuple[str, ...]:
    return (
        str(entry.n),
        str(entry.runs),
        str(entry.cuts),
        error_text(entry.bias, found, signed=True),
        error_text(entry.rms, found),
        UNKNOWN if np.isnan(entry.coverage) else f"{100 * entry.coverage:.0f} %",
    )


def axis_name(found: Backtest) -> str:
    """Name what the runs were ordered by, as the page writes it."""
    return found.axis.replace("*", "")


def covered_name(found: Backtest) -> str:
    """Head a column that tells what the nominal intervals held."""
    return f"inside the {level_text(found.level)} interval"


def _factor(value: float) -> str:
    if np.isnan(value):
        return UNKNOWN
    return "inside the data" if value < INSIDE else format_factor(value)


def _files(files: Sequence[str]) -> str:
    return printable(listed(files)) if 0 < len(files) <= 3 else format_plural(len(files), "file")
