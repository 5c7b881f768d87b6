"""A dated boundary as a report in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaling.boundary.drift.dates import iso_day
from scaling.formatting import format_number, format_percent, format_plural

if TYPE_CHECKING:
    from scaling.boundary.drift.in_time import DatedBoundary

_DATES = 4  # columns of the table


def summary_in_time(boundary: DatedBoundary, level: float) -> str:
    """Write the boundary at whole decades of compute and a few dates, what a year is worth, and the verdict.

    Parameters
    ----------
    boundary : DatedBoundary
        With or without bootstrap replicates.
    level : float
        Nominal coverage of the interval.

    Returns
    -------
    str
    """
    low, high = boundary.support
    z = np.unique(np.concatenate([[low, high], np.arange(np.ceil(low), np.floor(high) + 1)]))
    first, last = (iso_day(year) for year in boundary.dates)
    years = np.linspace(float(np.quantile(boundary.year, 0.1)), boundary.dates[1], _DATES)
    columns = [boundary.predict(z, year) for year in years]
    s = boundary.settings
    lines = [
        f"Boundary of the score that compute buys, as a year moves it: {format_percent(boundary.tau)} of the models "
        "below it",
        f"score = {boundary.fit.law.formula}",
        f"mean pinball({s.tau:g}), kappa {s.kappa:g}, + {s.ridge:.3g} b^2: {format_number(boundary.objective_value)} "
        f"over {format_plural(boundary.n_obs, 'model')} from {first} to {last}",
        f"above it: {boundary.n_above}, of {format_number(boundary.n_obs * (1 - boundary.tau), 2)} expected",
        *boundary.scores.notes,
        "",
        f"a year: {boundary.gain(level)}",
        "",
        f"{'compute (FLOP)':>14}" + "".join(f"  {iso_day(year):>10}" for year in years),
        *(
            f"{format_number(10.0**at):>14}" + "".join(f"  {format_number(column[i]):>10}" for column in columns)
            for i, at in enumerate(z)
        ),
        "",
        f"interval: {boundary.gain(level).method}",
        f"verdict: {boundary.verdict}",
        *(f"  - {reason}" for reason in boundary.reasons),
    ]
    return "\n".join(lines)
