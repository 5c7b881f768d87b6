"""The page: one HTML file without scripts, links to the network or a clock, so the same input gives the same bytes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from functools import cache
from importlib import resources
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from reports import backtest, tables
from reports.answers import Answers, answer
from reports.backtest_figure import backtest_figure
from reports.figures import all_figures
from reports.forest import forest
from reports.inputs import ReportInput
from reports.prose import cost_words, headline, methods, rows_used
from reports.rivals import ask_rivals, of_rivals, rivals_words
from reports.svg import formula_svg, themed_svg
from reports.trust import VERDICTS, checks, trust_words
from reports.width import contained, not_contained, of_parts, width_figure, width_words
from reports.words import cited, kept_together, level_text, rounded, unbroken
from scaling.errors import StoreError, UsageError
from scaling.formatting import format_number
from scaling.serial import plain

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

    from reports.series import FigureData

_LONG_NUMBER = re.compile(r"\d+\.\d{5,}")
JSON_ROWS = 2000  # more rows than this stay in the store alone


def render_report(data: ReportInput) -> str:
    """Write the page.

    Parameters
    ----------
    data : ReportInput
        What it is about.

    Returns
    -------
    str
        A complete HTML document; the same for the same input.
    """
    answers = answer(data)
    number = count(1)  # figures are numbered in the order of the page

    def picture(drawn: tuple[FigureData, Figure] | None) -> dict[str, Any] | None:
        return None if drawn is None else picture_of(*drawn, next(number))

    width, errors = picture(width_figure(answers)), picture(backtest_figure(answers))
    figures = [picture(drawn) for drawn in all_figures(answers)]
    several = len(answers.forecasts) > 1
    law = data.fit.law
    return environment().get_template("report.html.j2").render(
        data=data,
        fit=data.fit,
        law=law,
        answers=answers,
        headline=headline(answers),
        verdict_words=VERDICTS[data.fit.verdict],
        level=level_text(data.level),
        contained=contained(answers),
        not_contained=not_contained(answers),
        forecasts=tables.of_forecasts(answers),
        width_words=width_words(answers.forecasts[0], named=several) if answers.forecasts else "",
        parts=of_parts(answers),
        width=width,
        allocation=tables.of_allocation(answers) if answers.allocation is not None else None,
        growth=tables.of_growth(answers) if answers.allocation is not None else None,
        cost_words=cost_words(answers),
        history={
            "opening": backtest.opening(answers),
            "remedy": backtest.remedy(answers),
            "figure": errors,
            "tables": backtest.all_tables(answers),
            "rivals": of_rivals(answers),
            "rivals_words": rivals_words(answers),
        },
        trust_words=trust_words(answers),
        checks=tables.of_checks(checks(answers)),
        parameters=tables.of_parameters(answers),
        published=tables.of_published(answers),
        formula=formula_svg(
            f"{_latex_name(law.output)} = {_shorter(law.latex())}", "formula", f"{law.output} = {law.formula}"
        ),
        law_source=cited(law.source),
        figures=figures,
        forest=picture(forest(answers)),
        alternatives=tables.of_alternatives(answers),
        covered=tables.of_inputs(answers),
        rows_used=rows_used(answers),
        sources=tables.of_sources(answers),
        excluded=tables.of_excluded(answers),
        refused=tables.of_refused(answers),
        methods=methods(answers),
        css=Markup(resource("theme.css")),
        machine=_json(answers),
    ) + "\n"  # fmt: skip


def check_place(path: str | os.PathLike[str]) -> Path:
    """Check that a report could be written somewhere, before the work of making one.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Path
        The file, links followed.

    Raises
    ------
    UsageError
        Where `path` is a directory or a device, or its folder does not exist.
    """
    goal = Path(os.path.realpath(path))
    if goal.is_dir():
        raise UsageError(f"{path} is a directory, but a report is one file", hint=f"Try {Path(path) / 'report.html'}.")
    if goal.exists() and not goal.is_file():
        raise UsageError(
            f"{path} is a device or a pipe, but a report is a file", hint="Name a file, such as report.html."
        )
    if not goal.parent.is_dir():
        raise UsageError(
            f"there is no folder {goal.parent} to write the report to", hint="Make it, or name another one."
        )
    return goal


def write_report(data: ReportInput, path: str | os.PathLike[str]) -> Path:
    """Write the page to a file, whole or not at all.

    Parameters
    ----------
    data : ReportInput
        What it is about.
    path : str or path-like
        The file; one that is there is replaced at the end, in one step.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    UsageError
        Where `path` is a directory or a device, or its folder does not exist.
    StoreError
        Where the place cannot be written to, or the disk is full; what was there is as it was.
    """
    check_place(path)  # before the work of drawing it
    return write_page(render_report(data), path)


def write_page(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a finished page to a file, as `write_report` does and with the same errors."""
    goal = check_place(path)
    beside = goal.with_name(f".{goal.name}.{os.getpid()}.part")
    try:
        with open(beside, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, goal)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return goal


def _not_written(path: str | os.PathLike[str], error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"the report {path} was not written: the disk is full", hint="Free some space, or write elsewhere."
        )
    return StoreError(
        f"the report {path} was not written: {error.strerror or error}", hint="Write to a folder that you may write to."
    )


def picture_of(one: FigureData, picture: Figure, number: int) -> dict[str, Any]:
    """Turn a figure into what the template sets: its SVG, its words, and the table of what it shows."""
    return {
        "key": one.key,
        "number": number,
        "title": one.title,
        "caption": one.caption,
        "svg": themed_svg(picture, one.key, one.title, one.finding, one.tooltips),
        "tables": [tables.of_series(series) for series in one.series],
    }


def _shorter(latex: str) -> str:
    """Cut the numbers of a formula, such as the floors of a map, to the digits that numbers of the page have."""
    return _LONG_NUMBER.sub(lambda match: format_number(float(match[0])), latex)


def _latex_name(name: str) -> str:
    return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"


def _json(answers: Answers) -> Markup:
    """Everything for machines."""
    data = answers.data
    table: dict[str, Any] = {
        "report_version": 1,
        "name": data.name,
        "created_at": data.created_at,
        "simulated": data.simulated,
        "level": data.level,
        "fit": json.loads(data.fit.to_json(replicates=False)),
        "forecasts": [
            {
                "target": f.target.label,
                "inputs": dict(f.target.inputs),
                "mean": f.run.mean,
                "run": {"low": f.run.low, "high": f.run.high, "method": f.run.method},
                "curve": {"low": f.curve.low, "high": f.curve.high, "method": f.curve.method},
                "extrapolation_factor": f.run.extrapolation_factor,
                "parts": f.run.parts,
                "backtest": f.run.backtest,
                "verdict": f.run.verdict,
            }
            for f in answers.forecasts
        ],
        "target_choice": answers.choice,
        "rivals": [{"law": r.rival.law.name, "weight": r.rival.weight, "mean": r.mean} for r in ask_rivals(answers)],
        "allocation": answers.allocation.rows() if answers.allocation is not None else [],
        "no_allocation": answers.no_allocation,
        "alternatives": [
            {
                "label": a.alternative.label,
                "verdict": a.alternative.fit.verdict if a.alternative.fit else None,
                "forecast": {"mean": a.forecast.mean, "low": a.forecast.low, "high": a.forecast.high}
                if a.forecast
                else None,
                "refusal": a.refusal,
            }
            for a in answers.alternatives
        ],
        "data": {
            "sha256": data.data_sha256,
            "sources": [vars(s) for s in data.sources],
            "excluded": data.excluded_counts,
            "refused": [vars(r) for r in data.refused],
            "rows": _rows(data),
        },
        "command": data.command,
        "sql": data.sql,
        "store": data.store,
        "versions": data.versions,
    }
    return machine_text(table)


def machine_text(table: dict[str, Any]) -> Markup:
    """Write data for machines into a page. ``<``, ``>`` and ``&`` are escaped, so no text can end the element."""
    text = json.dumps(plain(table), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _rows(data: ReportInput) -> dict[str, list[Any]] | None:
    if len(data.run_ids) > JSON_ROWS:
        return None
    columns: dict[str, list[Any]] = {"run_id": list(data.run_ids)}
    columns |= {name: values.tolist() for name, values in data.inputs.items()}
    return columns | {data.fit.law.output: data.observed.tolist(), "residual": data.fit.residuals.tolist()}


def resource(name: str) -> str:
    """Read a file that lies beside the pages."""
    return resources.files("reports").joinpath(name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """The templates; text is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(lambda name: resource(f"templates/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["rounded"] = rounded
    made.filters["unbroken"] = lambda text: kept_together(type(text)(unbroken(text)))  # Markup stays Markup
    return made
