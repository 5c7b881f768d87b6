"""Columns of a chart that W&B exported: ``<run> - <metric>``, where either name may hold " - " itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MINIMUM, MAXIMUM = "__MIN", "__MAX"
BETWEEN = " - "
GROUP = "Group: "


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Parameters
    ----------
    run, metric : str
        What it shows.
    column : int
        Where its values are.
    low, high : int or None
        Where the smallest and largest values of each point are.
    """

    run: str
    metric: str
    column: int
    low: int | None
    high: int | None


def lines_of_chart(columns: Sequence[str]) -> tuple[list[Line], list[str]]:
    """Find the lines in the columns of a chart.

    Parameters
    ----------
    columns : sequence of str
        Names of columns, that of the horizontal axis first.

    Returns
    -------
    lines : list of Line
    doubtful : list of str
        Columns whose names can be taken apart in several ways, none of which the other columns favour; they are taken
        apart at the last " - ".
    """
    places = {name: place for place, name in enumerate(columns) if place}
    plain = [name for name in places if BETWEEN in name and not _is_bound(name, places)]
    ways = {name: _ways(name) for name in plain}
    # `_step` is a name that holds no " - ", so that what stands before it is the name of a run.
    own_steps = {run for ways_of in ways.values() for run, metric in ways_of[-1:] if metric.startswith("_")}
    runs = set(own_steps)
    as_run = Counter(run for ways_of in ways.values() for run, _ in ways_of)
    as_metric = Counter(metric for ways_of in ways.values() for _, metric in ways_of)
    weighed = {
        name: _best(ways_of, [as_run[run] + as_metric[metric] for run, metric in ways_of])
        for name, ways_of in ways.items()
    }
    settled = [best[0] for best in weighed.values() if len(best) == 1]
    runs |= {run for run, _ in settled}
    metrics = {metric for _, metric in settled}
    found, doubtful = [], []
    for name, best in weighed.items():
        told = [way for way in ways[name] if way[0] in own_steps] or _best(
            best, [(run in runs) + (metric in metrics) for run, metric in best]
        )
        if len(told) > 1:
            doubtful.append(name)
        run, metric = told[-1]
        found.append(Line(run, metric, places[name], places.get(name + MINIMUM), places.get(name + MAXIMUM)))
    return found, doubtful


def _best(ways: list[tuple[str, str]], weights: list[int]) -> list[tuple[str, str]]:
    return [way for way, weight in zip(ways, weights, strict=True) if weight == max(weights)]


def _is_bound(name: str, places: dict[str, int]) -> bool:
    return any(name.endswith(end) and name.removesuffix(end) in places for end in (MINIMUM, MAXIMUM))


def _ways(name: str) -> list[tuple[str, str]]:
    ways, at = [], name.find(BETWEEN)
    while at >= 0:
        ways.append((name[:at], name[at + len(BETWEEN) :]))
        at = name.find(BETWEEN, at + 1)
    return ways
