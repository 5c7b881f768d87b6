"""Periods that dates are put into."""

from __future__ import annotations

import datetime
from bisect import bisect_right
from collections.abc import Sequence

from db.problems import nearest
from scaling.errors import UsageError

Period = str | tuple[str, ...] | None
#: First days of the periods after the first, as in arXiv:2602.15327: P1 ends with June 2024, P5 is all after March 2025
ZHANG2026 = ("2024-07-01", "2024-10-01", "2025-01-01", "2025-04-01")
SCHEMES = ("year", "quarter", "month", "zhang2026")


def period_labels(days: Sequence[datetime.date | None], period: Period) -> list[str]:
    """Name the period of each day.

    Parameters
    ----------
    days : sequence of date (n,)
        The days; none may be missing.
    period : str or tuple of str, optional
        ``year`` (2024), ``quarter`` (2024-Q3), ``month`` (2024-07), or ``P1``, ``P2``, ... by the first days of the
        second period and those after it; ``zhang2026`` stands for those of that paper.

    Returns
    -------
    list of str (n,)
        Their alphabetical order is that of time.

    Raises
    ------
    UsageError
        If there is no such scheme, or the days are no dates in ascending order.
    """
    if period is None:
        return ["" for _ in days]
    if period == "zhang2026":
        period = ZHANG2026
    if isinstance(period, str) and period not in SCHEMES:
        raise UsageError(f"There is no scheme of periods '{period}'.", nearest(period, SCHEMES))
    if isinstance(period, str):
        names = {
            "year": lambda day: f"{day.year}",
            "quarter": lambda day: f"{day.year}-Q{(day.month + 2) // 3}",
            "month": lambda day: f"{day.year}-{day.month:02}",
        }
        return [names[period](day) for day in days]
    try:
        starts = [datetime.date.fromisoformat(str(text)) for text in period]
    except ValueError as error:
        raise UsageError(f"A period begins on a date such as 2024-07-01: {error}.") from error
    if not starts or starts != sorted(set(starts)):
        raise UsageError("The first days of periods are dates in ascending order.", 'Such as "2024-07-01,2024-10-01".')
    width = len(str(len(starts) + 1))
    return [f"P{bisect_right(starts, day) + 1:0{width}}" for day in days if day is not None]
