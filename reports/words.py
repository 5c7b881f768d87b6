"""How the page puts numbers and inputs into words. Every number goes through `scaling.formatting`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape

from reports.inputs import ReportInput
from scaling.fitting.objective import Objective
from scaling.formatting import (
    format_count,
    format_count_interval,
    format_estimate,
    format_factor,
    format_number,
    format_plural,
)
from scaling.laws.law import Law
from scaling.results import Fit

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
LOSS_FACTOR = " It is a ratio of losses, which differ by little where budgets differ by decades."
INSIDE = 1.05  # an extrapolation factor below this is not worth a word
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_POWER = re.compile(r"\((.*) ± .*\)e(.*)")
ASSUMED = ", assumed"  # how a unit ends that the logs did not state
_LONG = re.compile(r"(?<=above )\d+\.\d{5,}")
_PERCENT = re.compile(r"(\d) %")
_OPTION = re.compile(r"(?<![^\s(])--[a-z]+(-[a-z]+)*")
_COUNTED = {"N": "parameters", "D": "tokens"}


def above_floor(objective: Objective) -> str:
    """Say what a percentage of the residuals is a share of, where their logarithms have a floor."""
    return f" of what lies above {format_number(objective.floor)}" if objective.floor else ""


def rounded(text: str) -> str:
    """Cut the floor in the words of an objective, which has all its digits there, to those that other numbers have."""
    return _LONG.sub(lambda match: format_number(float(match[0])), text)


def is_map(fit: Fit) -> bool:
    """Tell whether a fit is a map from one loss to another, whose rows are pairs of runs."""
    return "loss_to_loss" in fit.settings


def how_chosen(fit: Fit) -> str:
    """Say how a law among others was come by: ``by its back-test``, ``asked for`` or ``for want of a back-test``."""
    record = fit.settings.get("loss_to_loss", fit.settings.get("accuracy", {}))
    return str(record.get("chosen", "by its back-test"))


def untested(fit: Fit) -> bool:
    """Tell whether the law was taken because none could be held against runs, so that weights say nothing of errors."""
    return how_chosen(fit) == "for want of a back-test"


def rows_of(fit: Fit) -> str:
    """Count the rows of a fit: ``83 rows``, or ``83 pairs`` of a map."""
    return format_plural(fit.n_obs, "pair" if is_map(fit) else "row")


def is_count(law: Law, name: str) -> bool:
    """Tell whether an input is a number of parameters or tokens, which is written as 70B."""
    return law.inputs.get(name, "") in _COUNTED.values() or (name in _COUNTED and not law.inputs.get(name))


def input_text(law: Law, name: str, value: float) -> str:
    """Write one value of an input, without its name."""
    if law.inputs.get(name, "").startswith("decimal year"):
        return f"{value:.7g}"  # four digits would round half a year away
    return format_count(value) if is_count(law, name) else shortest(value, most=4)


def input_name(law: Law, name: str) -> str:
    """Name an input with its unit, as on an axis."""
    unit = law.inputs.get(name, "").removesuffix(ASSUMED) or _COUNTED.get(name, "")
    if is_count(law, name):
        return f"{unit} {name}"
    if name == "C":
        return "training compute C (FLOP)"
    return f"{name} ({unit})" if unit and not unit.startswith("any") else name


def describe(law: Law, inputs: Mapping[str, float]) -> str:
    """Name a point in the space of inputs, such as ``70B parameters on 1.4T tokens``."""
    if set(law.inputs) == {"N", "D"}:
        return f"{format_count(inputs['N'])} parameters on {format_count(inputs['D'])} tokens"
    parts = []
    for name in law.inputs:
        unit = law.inputs[name].split(":")[0].split(", ")[0]
        plain = unit in ("", "any") or is_count(law, name)
        suffix = f" {_COUNTED.get(name, unit)}" if is_count(law, name) else ("" if plain else f" {unit}")
        parts.append(f"{name} = {input_text(law, name, inputs[name])}{suffix}")
    return ", ".join(parts)


def unit_of(law: Law) -> str:
    """Return the unit of the output, without the remark that it was assumed or what it was measured on."""
    return law.unit.split(", ")[0]


def output_name(law: Law) -> str:
    """Name what the law predicts, with its unit, as on an axis."""
    return f"{law.output} ({law.unit.removesuffix(ASSUMED)})" if law.unit else law.output


def with_unit(law: Law, text: str) -> str:
    """Put the unit of the output behind a number."""
    return f"{text} {unit_of(law)}" if law.unit else text


def level_text(level: float) -> str:
    """Write a nominal coverage: ``90 %``."""
    return f"{100 * level:g} %"


def mean_text(mean: float, low: float, high: float) -> str:
    """Write a forecast, cut at the decimal place of its interval where that is known."""
    half = (high - low) / 2
    if np.isfinite(half) and half > 0 and not high >= 10 * low > 0:
        text = format_estimate(mean, half)
        power = _POWER.fullmatch(text)
        return f"{power[1]}e{power[2]}" if power else text.split(" ± ")[0]
    return format_number(mean)


def count_interval(low: float, high: float) -> str:
    """Write an interval of counts of parameters or tokens."""
    return format_count_interval(low, high)


def factor_text(factor: float) -> str:
    """Write an extrapolation factor in a table: ``inside``, or ``x45``."""
    if not np.isfinite(factor):
        return "outside"
    return "inside" if factor < INSIDE else format_factor(factor)


def factor_words(factor: float) -> str:
    """Say how far a target lies from the data."""
    if not np.isfinite(factor):
        return "outside the data"
    return (
        f"extrapolating {format_factor(factor)} beyond the data" if factor >= INSIDE else "inside the range of the data"
    )


def shortest(value: float, most: int = 8) -> str:
    """Write a number that has few digits by nature, such as a tick or a published value, with just those digits."""
    for digits in range(1, most):
        text = format_number(value, digits)
        if np.isclose(float(f"{value:.{digits - 1}e}"), value, rtol=1e-9, atol=0):
            return text
    return format_number(value, most)


def unbroken(text: str) -> str:
    """Keep a number and its percent sign on one line."""
    return _PERCENT.sub("\\1\u00a0%", text)


def kept_together(text: str) -> Markup:
    """Keep an option of a command such as ``--source-fit`` on one line, as it is typed."""
    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', str(escape(text))))


def printable(text: str) -> str:
    """Put blanks in place of control characters, which neither SVG nor HTML may hold."""
    return _CONTROL.sub(" ", text)


def sentence(text: str) -> str:
    """Start with a capital letter."""
    return text[:1].upper() + text[1:]


def power_of_ten(value: float) -> str:
    """Write a tick: ``10²²``, ``5×10²²``, and plain digits from 0.001 to 99999."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return shortest(value)
    mantissa, exponent = f"{value:.3e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return power if mantissa == "1" else f"{mantissa}×{power}"


def listed(words: Sequence[str]) -> str:
    """Join words: ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def a_value_of(name: str) -> str:
    """Lead over to a value of the output: ``a loss of``, or ``y =`` for a symbol."""
    if len(name) == 1:
        return f"{name} ="
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name} of"


def cited(text: str) -> Markup:
    """Turn arXiv numbers of a text into links; everything else is escaped."""
    return Markup(_ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', str(escape(text))))


def numbering(targets: int) -> str:
    """Say how several targets are told apart in a figure."""
    return ", numbered as in the table of forecasts" if targets > 1 else ""


def made_of(data: ReportInput, intervals: str = "") -> str:
    """Say what stands behind a figure: law, objective, intervals (those of the parameters unless told) and data."""
    how = intervals or data.fit.interval_method
    goal = rounded(str(data.fit.objective))
    return f"Law: {data.fit.law.name}; objective: {goal}; intervals: {how}; data: {data_words(data)}."


def data_words(data: ReportInput) -> str:
    """Name the rows of the fit: how many, of which files, under which condition, and what a trimming left out."""
    files = [source.file for source in data.sources]
    shown = listed(files) if 0 < len(files) <= 3 else format_plural(len(files), "file")
    of = f" of {shown}" if files else ""
    where = f" where {printable(data.where)}" if data.where else ""
    trim = trim_words(data)
    return f"{rows_of(data.fit)}{of}{where}{f' ({trim})' if trim else ''}"


def trim_words(data: ReportInput) -> str:
    """Say how many rows the trimming of the fit left out of how many; empty without one."""
    fit, trim = data.fit, data.trim
    if trim == "none":
        return ""
    # The back-test of a trimmed fit sees all the rows, and trims anew at every cut-off.
    seen = 0 if fit.backtest is None else fit.backtest.n_rows
    if seen <= fit.n_obs:
        return f"trimmed: {trim}"
    return f"trimmed: {trim}, {seen - fit.n_obs} of {format_plural(seen, 'row')} left out"
