"""Tables and sentences of the page of a boundary that a year moves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from reports.boundary_words import flop, flop_interval, share_above, share_below, shortened, three
from reports.tables import Table, make_table
from reports.trust import NO, NONE, YES, Check
from reports.words import INSIDE, cited, level_text, listed, mean_text, printable, shortest
from scaling.boundary.drift.dates import iso_day
from scaling.formatting import UNKNOWN, format_factor, format_interval, format_number, format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from reports.boundary_dated_page import DatedPage

VERDICTS = {
    OK: "No check found a reason to distrust the boundary within the compute and the dates seen.",
    WEAK: "Read the reasons below before relying on the boundary.",
    NOT_IDENTIFIED: "These models do not determine the boundary; no number of it is to be relied on.",
}
_DATES = 4
_A_DAY = 1 / 365  # of a year
_STEPS = (0.02, 0.05, 0.1, 0.2)
_MOST = 6
_FEW_ABOVE, _FEW_GROUPS, _FEW_REPLICATES, _SHORT, _MUCH = 5, 20, 40, 0.5, 0.8


def forecast(page: DatedPage, compute: float, year: float) -> dict[str, Any]:
    """Work out the attainable score at one compute and decimal year."""
    z = math.log10(compute)
    if not page.dated.bootstrap:
        mean, low, high = float(page.dated.predict(np.array([z]), year)[0]), math.nan, math.nan
    else:
        band = page.dated.predict(z, year, level=page.level)
        mean, low, high = float(band.mean), float(band.low), float(band.high)
    first, last = page.dated.dates
    away = max(z - page.dated.support[1], page.dated.support[0] - z, 0.0)
    late = max(year - last, first - year, 0.0)
    return {
        "compute_flop": compute, "date": iso_day(year), "score": mean, "low": low, "high": high,
        "extrapolation_factor": 10.0**away, "years_beyond": late if late > _A_DAY else 0.0,
    }  # fmt: skip


def headline(page: DatedPage) -> Markup:
    """The answer in a sentence."""
    dated = page.dated
    if dated.verdict == NOT_IDENTIFIED:
        why = dated.reasons[0] if dated.reasons else ""
        return Markup("What a year is worth on {} cannot be told from {}. {}").format(
            page.task, format_plural(dated.n_obs, "model"), why
        )
    row = forecast(page, *page.asked[0])
    value, band = _score(row), ""
    if not math.isnan(row["low"]):
        band = f" ({level_text(page.level)} band {format_interval(row['low'], row['high'])})"
    far = _far(page, row)
    said = "{} of the models trained with {} FLOP and dated {} score at most <strong>{}</strong> on {}{}{}."
    return Markup(said).format(
        share_below(dated.tau), flop(math.log10(row["compute_flop"])), row["date"], value, page.task, band,
        f", extrapolating {far} what was seen" if far else "",
    )  # fmt: skip


def _score(row: dict[str, Any]) -> str:
    return three(row["score"]) if math.isnan(row["low"]) else mean_text(row["score"], row["low"], row["high"])


def _far(page: DatedPage, row: dict[str, Any]) -> str:
    """Say how far a point lies outside the compute and the dates seen; empty inside."""
    said = []
    if row["extrapolation_factor"] >= INSIDE:
        side = "below" if math.log10(row["compute_flop"]) < page.dated.support[0] else "beyond"
        said.append(f"{format_factor(row['extrapolation_factor'])} {side}")
    if row["years_beyond"]:
        side = "before" if row["date"] < iso_day(page.dated.dates[0]) else "after"
        said.append(f"{format_number(row['years_beyond'], 2)} years {side}")
    return " and ".join(said)


def _made_of(page: DatedPage) -> str:
    dated, s = page.dated, page.dated.settings
    ridge = f" + {s.ridge:.3g} b^2" if s.ridge else ""
    first, last = (iso_day(end) for end in dated.dates)
    method = dated.fit.interval_method if dated.bootstrap else "none, no bootstrap was made"
    return (
        f"Objective: mean pinball({s.tau:g}), kappa {s.kappa:g}{ridge}; intervals: {method}; data: "
        f"{format_plural(dated.n_obs, 'model')} from {first} to {last}."
    )


def of_points(page: DatedPage) -> Table:
    """Make the table of attainable scores at the compute and dates that were asked for."""
    rows = []
    for point in page.asked:
        row = forecast(page, *point)
        band = UNKNOWN if math.isnan(row["low"]) else format_interval(row["low"], row["high"])
        rows.append(
            (flop(math.log10(row["compute_flop"])), row["date"], _score(row), band, _far(page, row) or "inside")
        )
    heads = (
        "compute (FLOP)", "date", f"{share_below(page.dated.tau)} of the models score at most",
        f"{level_text(page.level)} band of that curve", "extrapolation",
    )  # fmt: skip
    note = (
        f"The band is of the curve, not of a new model: {share_above(page.dated.tau)} of the models lie above the "
        f"curve by its definition. {_made_of(page)}"
    )
    return make_table("Attainable scores", heads, rows, 2, note, strong=(0,))


def _years(page: DatedPage) -> list[float]:
    first, last = (float(q) for q in np.quantile(page.dated.year, [0.05, 1]))
    return [float(y) for y in np.unique(np.round(np.linspace(first, last, _DATES), 4))]


def of_dates(page: DatedPage) -> Table:
    """Make the table of the boundary at whole decades of compute and a few of the dates seen."""
    low, high = page.dated.support
    z = np.unique([low, *np.arange(math.ceil(low), math.floor(high) + 1), high])
    years = _years(page)
    columns = [page.dated.predict(z, year) for year in years]
    rows = [(flop(float(at)), *(three(float(column[i])) for column in columns)) for i, at in enumerate(z)]
    note = f"From the least to the most compute seen. {_made_of(page)}"
    return make_table("The boundary by date", ("compute (FLOP)", *map(iso_day, years)), rows, note=note)


def scores_of(page: DatedPage) -> tuple[float, ...]:
    """Choose the scores of the inverse table: those asked for, or round numbers that the boundary reaches."""
    if page.scores:
        return page.scores
    low, high = page.dated.support
    first, last = (float(v) for v in page.dated.predict(np.array([low, high]), page.dated.dates[1]))
    step = next((s for s in _STEPS if (last - first) / s <= _MOST), _STEPS[-1])
    found = [round(k * step, 10) for k in range(1, round(1 / step)) if first < k * step < last]
    return tuple(found) or (round(last, 2),)


def inverse_years(page: DatedPage) -> tuple[float, float]:
    """The date of the answer, and a year before it."""
    year = page.asked[0][1]
    return year, year - 1


def of_inverse(page: DatedPage) -> Table:
    """Make the table of the compute that a score takes at the date of the answer, and a year before it."""
    now, before = inverse_years(page)
    rows = []
    for score in scores_of(page):
        found, earlier = (page.dated.invert(score, year, page.level) for year in (now, before))
        cells = [
            {"unreachable": "unreachable", "at any compute": "any"}.get(one.status, flop(one.log10_compute))
            for one in (found, earlier)
        ]
        rows.append((shortest(score), cells[0], flop_interval(found.low, found.high, page.dated.support), cells[1]))
    heads = (
        "score", f"FLOP at which {share_above(page.dated.tau)} of the models of {iso_day(now)} reach it",
        f"{level_text(page.level)} interval", f"of {iso_day(before)}",
    )  # fmt: skip
    note = (
        "Unreachable: the curve levels off below the score; a year moves it along compute, and no higher. Never and "
        f"any: at that end no compute, or every one, is enough. {_made_of(page)}"
    )
    return make_table("Compute that a score needs", heads, rows, note=note)


def checks(page: DatedPage) -> list[Check]:
    """Judge what the boundary rests on."""
    dated = page.dated
    n, above, tau = dated.n_obs, dated.n_above, dated.tau
    expected = n * (1 - tau)
    scatter = math.sqrt(max(n * tau * (1 - tau), 0.0))
    groups = None if dated.scores.groups is None else len(set(map(str, dated.scores.groups)))
    together = float(np.corrcoef(dated.scores.log10_compute, dated.year)[0, 1]) if np.ptp(dated.year) else math.nan
    told = NONE if math.isnan(together) else YES if abs(together) <= _MUCH else NO
    gain, span = dated.gain(page.level), float(np.ptp(dated.year))
    rare = n * min(tau, 1 - tau)
    return [
        Check("Enough models for this quantile", YES if rare >= _FEW_ABOVE else NO, f"{format_number(rare, 2)} of {n}",
              f"With fewer than {_FEW_ABOVE} expected beyond it the curve rests on single models."),
        Check("As many above it as expected", YES if abs(above - expected) <= 2 * scatter + 2 else NO,
              f"{above} above, {format_number(expected, 2)} expected", "Of the models that were fitted."),
        Check("Dates to tell a rate from", YES if span >= _SHORT else NO,
              f"{len(np.unique(dated.year))} dates, {format_number(span, 2)} years",
              "Over less than half a year a rate a year is extrapolated."),
        Check("Dates and compute told apart", told,
              f"correlation {format_number(together, 2)}",
              "Where later models have more compute too, what each of them does is hardly told apart."),
        Check("A year makes a difference", NONE if math.isnan(gain.low) else YES if gain.told_apart else NO,
              f"{format_number(gain.orders, 2)} orders of magnitude",
              "Whether the interval of the rate leaves no change out."),
        Check("Groups that are drawn whole", NONE if groups is None else YES if groups >= _FEW_GROUPS else NO,
              "none" if groups is None else str(groups),
              f"Models of one base are alike; fewer than {_FEW_GROUPS} bases tell their scatter badly."),
        Check("Replicates of the band", YES if dated.bootstrap >= _FEW_REPLICATES else NO, str(dated.bootstrap),
              "From fewer than 40 the ends of an interval rest on one or two of them."),
        Check("Held against models that came later", NO, "not tried",
              "One rate for all compute and all dates is an assumption. Boundaries of periods are held against the "
              "next period by the command below."),
    ]  # fmt: skip


def of_estimates(page: DatedPage) -> Table:
    """Make the table of parameters."""
    meanings = {p.name: p.meaning for p in page.dated.fit.law.parameters} | {"L": "height of the rise"}
    rows = [(name, meanings.get(name, ""), format_number(value)) for name, value in page.dated.estimates.items()]
    note = f"All but c trade against each other, so they have no intervals: the curve has. {_made_of(page)}"
    return make_table("Parameters", ("parameter", "meaning", "estimate"), rows, 2, note=note)


def methods(page: DatedPage) -> list[tuple[str, Markup]]:
    """Explain how the numbers were made, as terms and sentences."""
    dated = page.dated
    lifted = abs(math.log(dated.tau / (1 - dated.tau))) / dated.settings.kappa
    out = [
        ("Boundary", f"score = {dated.fit.law.formula}, with log10 the decimal logarithm, C in FLOP and the year as a "
         "decimal number: the sigmoid of arXiv:2602.15327 over compute that counts for more each year. It has one rate "
         "for all compute and all dates."),
        ("Objective", f"{_made_of(page).split(';')[0].removeprefix('Objective: ').capitalize()}: "
         f"{format_number(dated.objective_value)} at the optimum. The rounded corner lifts the curve by at most "
         f"{format_number(lifted, 2)}, where scores do not scatter."),
        ("Bands", "None: no bootstrap was made." if not dated.bootstrap else
         f"{dated.fit.interval_method[0].upper()}{dated.fit.interval_method[1:]}, pointwise: of the curve at each "
         "compute and date, not of a new model."),
        ("Dates beyond those seen", "The rate is carried on as it was. On the benchmarks it was tried on, holding the "
         "last date seen forecast the next period better."),
        ("Verdict", "'ok' means that no check failed; 'weak' that it is usable with the reasons in mind; 'not "
         "identified' that the models do not determine it."),
    ]  # fmt: skip
    return [(term, cited(words)) for term, words in out]


def rows_used(page: DatedPage) -> str:
    """Say how many rows were used, and how many were not."""
    left = sum(page.excluded_counts.values())
    files = f", from {listed([shortened(s.file) for s in page.sources[:3]])}" if page.sources else ""
    where = f" where {printable(page.where)}" if page.where else ""
    out = f" {left} {'was' if left == 1 else 'were'} left out by the selection." if left else ""
    return f"{format_plural(page.dated.n_obs, 'model')}{files}{where} went into the boundary.{out}"
