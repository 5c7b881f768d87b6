"""A plan of runs to buy. Frozen, round-trips through JSON, and prints as a finished report."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from scaling.errors import InputDataError
from scaling.formatting import (
    UNKNOWN,
    format_count,
    format_estimate,
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)
from scaling.serial import number, plain
from scaling.verdicts import EXTRAPOLATING


@dataclass(frozen=True)
class PlannedRun:
    """Runs of one cell.

    Parameters
    ----------
    n_params, n_tokens : float
        The cell.
    runs : int
        How many.
    cost_flop : float
        Of all of them.
    budget_share : float
        That as a share of the budget.
    teaches : float
        What they add to the narrowing of the forecast's variance, as a share of what the whole plan does; counted in
        the order of the plan, each run after those above it.
    """

    n_params: float
    n_tokens: float
    runs: int
    cost_flop: float
    budget_share: float
    teaches: float


@dataclass(frozen=True)
class Way:
    """One way to spend the budget, as simulations measure it.

    Parameters
    ----------
    name : str
        ``nothing``, ``plan``, ``random`` or ``isoFLOP ladder``.
    n_runs, spent_flop : float
        Runs and their cost; means, where they differ from simulation to simulation.
    rmse, rmse_se : float
        Root mean square error of the forecast at the target over the simulated truths, and its standard error.
    width, width_se : float
        Mean width of the interval of the law's curve at the target, from the covariance of each refit and so of the
        parameters only, and its standard error.
    held, held_se : float
        Share of the rehearsals whose interval held the truth (of their cells, where the target has several), and its
        binomial standard error, with one that held and one that did not put in.
    failed : int
        Refits without a forecast.
    """

    name: str
    n_runs: float
    spent_flop: float
    rmse: float
    rmse_se: float
    width: float
    width_se: float
    held: float
    held_se: float
    failed: int


@dataclass(frozen=True)
class Plan:
    """Which runs to buy next.

    Parameters
    ----------
    runs : tuple of PlannedRun
        The plan, what teaches most first.
    ways : tuple of Way
        Buying nothing, the plan, random choice and a plain isoFLOP ladder, rehearsed against the same truths.
    budget_flop, spent_flop : float
        What there is, and what the plan costs.
    target : dict of str to float or tuple of float
        ``C`` in FLOP, or N and D of one cell or of several.
    loss, loss_interval : float, (float, float)
        The forecast as it is today (the mean over several cells); percentiles of the replicates.
    extrapolation_factor : float
        How far the target lies beyond the data.
    narrowing : float
        Standard deviation of the forecast after the plan over that of today, foretold to first order; errors of form
        count in both.
    random_narrowing : float
        The same for the median of 200 random designs.
    random_beaten : float
        Share of those designs for which the plan is foretold to do better.
    candidates : int
        Cells that were chosen from.
    level : float
        Nominal coverage of the intervals.
    simulations, seed : int
        Of the rehearsal.
    unit : str
        Of the loss.
    verdict : str
        That of the fit.
    findings : tuple of str
        Whether the plan beats the plainer ways, in words.
    notes : tuple of str
        What should be known beside the numbers.
    form_share : float
        Error of form that was reckoned with, as a share of the change of the law beyond the data.
    """

    runs: tuple[PlannedRun, ...]
    ways: tuple[Way, ...]
    budget_flop: float
    spent_flop: float
    target: dict[str, float | tuple[float, ...]]
    loss: float
    loss_interval: tuple[float, float]
    extrapolation_factor: float
    narrowing: float
    random_narrowing: float
    random_beaten: float
    candidates: int
    level: float
    simulations: int
    seed: int
    unit: str
    verdict: str
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    form_share: float

    @property
    def target_verdict(self) -> str:
        """Verdict of the forecast at the target: ``extrapolating x37``, or that of the fit."""
        factor = self.extrapolation_factor
        return self.verdict if not factor >= 1.05 else f"{EXTRAPOLATING} {format_factor(factor)}"

    def way(self, name: str) -> Way:
        """Return one of the ways by its name."""
        return next(way for way in self.ways if way.name == name)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a cell, as the command line prints it."""
        return [asdict(run) for run in self.runs]

    def to_dict(self) -> dict[str, Any]:
        """Return the whole plan as plain data, strict JSON: NaN is None."""
        out: dict[str, Any] = plain(asdict(self))
        return out

    def to_json(self, indent: int | None = None) -> str:
        """Write the plan as strict JSON; `from_json` reads it."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read a plan back.

        Parameters
        ----------
        text : str
            From `to_json`.

        Returns
        -------
        Plan

        Raises
        ------
        InputDataError
            For a text that is no plan.
        """
        try:
            table: dict[str, Any] = json.loads(text)
            low, high = table.pop("loss_interval")
            target = {k: tuple(v) if isinstance(v, list) else number(v) for k, v in table.pop("target").items()}
            return cls(
                runs=tuple(PlannedRun(**_numbers(run, ())) for run in table.pop("runs")),
                ways=tuple(Way(**_numbers(way, ("name",))) for way in table.pop("ways")),
                target=target,
                loss_interval=(number(low), number(high)),
                findings=tuple(table.pop("findings")),
                notes=tuple(table.pop("notes")),
                **_numbers(table, ("unit", "verdict")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputDataError(f"this text is no plan: {error!r}", hint="Write it with Plan.to_json().") from error

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the plan as a report in plain text."""
        at = _where(self.target)
        bought = format_plural(sum(run.runs for run in self.runs), "run")
        lines = [
            f"{bought} for {format_number(self.spent_flop)} of {format_number(self.budget_flop)} FLOP, "
            f"to forecast the loss at {at}",
            f"today: {format_number(self.loss)} {self.unit}".rstrip()
            + f", {100 * self.level:g} % interval {format_interval(*self.loss_interval)} (of the "
            "parameters only: it takes the form of the law as true), "
            f"beyond the data {format_factor(self.extrapolation_factor)}; the fit is {self.verdict}",
            "",
            *_columns(
                ("params", "tokens", "runs", "FLOP", "of the budget", "teaches"),
                [
                    (
                        format_count(run.n_params),
                        format_count(run.n_tokens),
                        str(run.runs),
                        format_number(run.cost_flop),
                        format_percent(run.budget_share),
                        format_percent(run.teaches),
                    )
                    for run in self.runs
                ],
            ),
            "",
            f"foretold: the spread falls to {format_percent(self.narrowing)} of today's (random designs: "
            f"{format_percent(self.random_narrowing)} in the median; the plan beats "
            f"{format_percent(self.random_beaten)} of them)",
            "",
            f"rehearsed on {self.simulations} simulated truths, seed {self.seed}, which leave the law beyond the data "
            f"by {format_percent(self.form_share)} of its change:",
            *_columns(
                (
                    "spent on",
                    "runs",
                    "FLOP",
                    "error of the forecast",
                    f"width of the {100 * self.level:g} % interval of the parameters only",
                    "held the truth",
                ),
                [
                    (
                        way.name,
                        format_number(way.n_runs, 3),
                        format_number(way.spent_flop, 3),
                        format_estimate(way.rmse, way.rmse_se),
                        format_number(way.width, 3),
                        UNKNOWN
                        if math.isnan(way.held)
                        else f"{format_percent(way.held)} ± {format_percent(way.held_se, 1)}",
                    )
                    for way in self.ways
                ],
            ),
            "",
            *self.findings,
            *(f"note: {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def _where(target: dict[str, float | tuple[float, ...]]) -> str:
    """Write a target; several cells one after the other."""
    names = list(target)
    cells = zip(*(v if isinstance(v, tuple) else (v,) for v in target.values()), strict=True)
    return "; ".join(", ".join(f"{k} = {format_number(v)}" for k, v in zip(names, c, strict=True)) for c in cells)


def _numbers(table: dict[str, Any], texts: tuple[str, ...]) -> dict[str, Any]:
    """Read the numbers of a table; counts stay whole."""
    return {k: v if k in texts or isinstance(v, int) else number(v) for k, v in table.items()}


def _columns(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return ["  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]]
