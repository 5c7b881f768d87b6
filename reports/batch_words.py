"""How pages on batch sizes put numbers into words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.trust import NO, NONE, YES, Check
from reports.words import count_interval, level_text, listed, printable, sentence
from scaling.fitting.diagnostics import SPARE_ROWS, STRUCTURE_P
from scaling.formatting import (
    UNKNOWN,
    format_count,
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
    format_whole,
)

if TYPE_CHECKING:
    from scaling.batch_size.critical import CriticalBatch
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

INSIDE = 1.05  # a factor below this is no extrapolation


def size_text(value: float, unit: str) -> str:
    """Write a batch size without its unit: tokens as counts such as 1.4M, samples and sequences as they are."""
    if not math.isfinite(value):
        return "no end" if value > 0 else UNKNOWN
    return format_count(value) if unit == "tokens" else format_number(value)


def tried_text(value: float, unit: str) -> str:
    """Write a batch size that somebody ran, without its unit: tokens as counts, others whole."""
    return format_count(value) if unit == "tokens" else format_whole(value)


def ends_text(low: float, high: float, unit: str) -> str:
    """Write an interval of batch sizes without its unit; one without an upper end says so."""
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    if math.isinf(high):
        return f"above {size_text(low, unit)}, no upper end" if low > 0 else "no end on either side"
    return count_interval(low, high) if unit == "tokens" else format_interval(low, high)


def critical_text(found: CriticalBatch) -> str:
    """Write a critical batch size with its unit and interval."""
    ends = ends_text(found.low, found.high, found.unit)
    if math.isinf(found.estimate):
        return f"none in sight ({level_text(found.level)} interval {ends} {found.unit})"
    return f"{size_text(found.estimate, found.unit)} {found.unit} ({level_text(found.level)} interval {ends})"


def short_definition(found: CriticalBatch) -> str:
    """Name the convention in few letters, as for a label in a figure."""
    if found.overhead is None:
        return "b/a"
    above = format_percent(found.overhead, 3)
    return f"{above} above perfect" if found.anchor is None else f"{above} above {format_whole(found.anchor)}"


def change(share: float, more: str = "more", less: str = "less") -> str:
    """Write a relative change: ``20 % more``, ``33 % less`` or ``x2.4 of it`` where percentages mislead."""
    if not math.isfinite(share):
        return UNKNOWN
    if abs(share) < 5e-4:
        return "the same"
    if share >= 2:
        return f"{format_factor(1 + share)}"
    return f"{format_percent(abs(share))} {more if share > 0 else less}"


def reach_words(value: float, low: float, high: float) -> str:
    """Say how far a value lies from a range that was tried."""
    factor = max(value / high, low / value) if value > 0 else math.inf
    if not math.isfinite(factor):
        return "not reached"
    return "inside" if factor < INSIDE else f"{format_factor(factor)} {'above' if value > high else 'below'}"


def fit_checks(fit: Fit) -> list[Check]:
    """List the checks that every fit has, the most telling ones."""
    said = fit.diagnostics
    p = len(fit.law.parameters)
    out = [
        Check(
            "Enough rows",
            YES if said.enough_rows and said.enough_points and fit.n_obs > p + SPARE_ROWS else NO,
            f"{fit.n_obs} for {format_plural(p, 'parameter')}",
            f"At least {p + SPARE_ROWS + 1} of different inputs are needed to judge the law at all.",
        ),
        Check(
            "Every parameter determined",
            NO if said.wide or said.at_bound else YES,
            f"{p - len({*said.wide, *said.at_bound})} of {p}",
            f"The data hardly determine {listed([*said.wide, *said.at_bound])}, or a bound holds it."
            if said.wide or said.at_bound
            else "No standard error is a factor of 20 or more, and no bound holds a parameter.",
        ),
        Check(
            "Residuals without a trend",
            NONE if math.isnan(said.structure_p) else YES if said.residuals_unstructured else NO,
            "too few rows" if math.isnan(said.structure_p) else f"p = {format_number(said.structure_p, 2)}",
            f"Chance of such a trend over the inputs if the law had the right shape; the limit is "
            f"{format_number(STRUCTURE_P, 1)}.",
        ),
        Check(
            "Scatter around the law",
            NONE,
            f"{format_percent(said.residual_rms)} rms",
            "Root mean square of the residuals of logarithms.",
        ),
    ]
    if said.replicates:
        out.append(
            Check(
                "Bootstrap sound",
                YES if said.bootstrap_sound else NO,
                format_plural(said.replicates, "replicate"),
                f"{format_percent(said.replicates_converged, 3)} converged, "
                f"{format_percent(said.replicates_at_bound, 3)} ended at a bound.",
            )
        )
    return out


def past_check(found: Backtest | None, what: str) -> Check:
    """Say what the largest rows, held out, say of the law."""
    if found is None or not len(found):
        why = "It was not held against its own largest rows." if found is None else f"{sentence(found.reason)}."
        return Check("Back-tested", NO, "not possible" if found is not None else "none", printable(why))
    farthest = found.summary()[-1] if found.summary() else None
    parts = [
        f"{part.range}: off by {format_percent(math.expm1(part.rms))}"
        + ("" if math.isnan(part.coverage) else f", {100 * part.coverage:.0f} % of intervals held")
        for part in found.summary()
        if part.n and math.isfinite(part.rms)
    ]
    return Check(
        "Back-tested",
        YES,
        f"{format_plural(len(found), 'forecast')}",
        f"The {what} held out and forecast from the others. Beyond what was fitted by {'; '.join(parts)}. "
        f"Nominal coverage {level_text(found.level)}, of parameters and scatter alone."
        if parts and farthest is not None
        else "No held-out forecast has an error.",
    )
