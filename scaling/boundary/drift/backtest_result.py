"""What a back-test of a dated boundary found: a row a step, beside the boundaries that know no date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from scaling.boundary.evaluation.metrics import Metrics
from scaling.formatting import format_number, format_percent, format_plural
from scaling.serial import plain

#: The dated boundary with the last date held and with the trend followed, and what it has to beat.
HELD, FOLLOWED, UNDATED, LAST, CONSTANT = "held", "followed", "undated", "last_period", "constant"

#: In words.
NAMES = {
    HELD: "dated, last date held",
    FOLLOWED: "dated, trend followed",
    UNDATED: "undated, all earlier",
    LAST: "undated, last period",
    CONSTANT: "constant quantile",
}
_FEWEST = 20  # models scored of a step that counts in a mean, as of other back-tests of boundaries
_METRICS = tuple(f.name for f in fields(Metrics) if f.name not in ("n", "tau"))


@dataclass(frozen=True)
class InTimeStep:
    """A dated boundary of all models up to a period, held against the next one.

    Parameters
    ----------
    train, test : str
        The last period that was fitted, and the one it is held against.
    last_date : str
        Last day that was fitted, where the date is held.
    n_train, n_last, n_test, n_scored : int
        Models fitted, those of the last period among them, models of the period to come, and of those within the
        compute that was fitted, which alone are scored.
    tau : float
        Quantile.
    rate : float
        c of the dated boundary, orders of magnitude of compute a year.
    reasons : tuple of str
        What speaks against that rate.
    out : dict of str to Metrics
        On the period to come; keys of `NAMES`. Skill is against the constant quantile of all models fitted.
    """

    train: str
    test: str
    last_date: str
    n_train: int
    n_last: int
    n_test: int
    n_scored: int
    tau: float
    rate: float
    reasons: tuple[str, ...]
    out: dict[str, Metrics]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, the metrics of each model under ``out``."""
        names = [f.name for f in fields(self) if f.name not in ("reasons", "out")]
        table: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names}
            | {"reasons": list(self.reasons), "out": {name: one.to_dict() for name, one in self.out.items()}}
        )
        return table


@dataclass(frozen=True, repr=False)
class InTimeBacktest:
    """How a dated boundary has forecast; see `backtest_in_time`. Iterates over its steps.

    Parameters
    ----------
    steps : tuple of InTimeStep
        In time.
    settings : dict
        tau, preset, kappa, ridge, earliest, least and seed, as asked.
    notes : tuple of str
        What was left out, and steps that could not be taken.
    """

    steps: tuple[InTimeStep, ...]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[InTimeStep]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, at: int) -> InTimeStep:
        return self.steps[at]

    @property
    def models(self) -> tuple[str, ...]:
        """The dated boundary both ways, the two without a date, and the constant."""
        return tuple(self.steps[0].out)

    @property
    def counted(self) -> tuple[InTimeStep, ...]:
        """The steps that the means are over: those with 20 models scored or more, or all where there are none."""
        return tuple(step for step in self.steps if step.n_scored >= _FEWEST) or self.steps

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Mean over the `counted` steps of each metric of each model, each step counting once."""
        return {
            model: {
                name: float(np.mean([getattr(step.out[model], name) for step in self.counted])) for name in _METRICS
            }
            for model in self.models
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a step and model: the step, ``model``, and its metrics."""
        head = ("train", "test", "last_date", "n_train", "n_last", "n_test", "n_scored", "tau", "rate")
        return [
            {name: getattr(step, name) for name in head}
            | {"model": model}
            | {name: getattr(metrics, name) for name in _METRICS}
            for step in self.steps
            for model, metrics in step.out.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: settings, steps, means and notes."""
        table: dict[str, Any] = plain(
            {
                **self.settings,
                "steps": [step.to_dict() for step in self.steps],
                "means": self.means,
                "notes": list(self.notes),
            }
        )
        return table

    def summary(self) -> str:
        """Return the steps and the means beside each rival, as plain text."""
        width = max(len(NAMES[model]) for model in self.models)
        tau = self.steps[0].tau
        lines = [
            f"Dated boundaries that {format_percent(tau)} of the models stay below, fitted to all models up to a "
            f"period and held against the next: {format_plural(len(self), 'step')}",
            *self.notes,
        ]
        for step in self.steps:
            lines += [
                "",
                f"up to {step.train} > {step.test}: {step.n_train} models fitted, {step.n_scored} of {step.n_test} "
                f"scored, {format_number(step.rate, 2)} orders of magnitude a year",
                *(f"  - {reason}" for reason in step.reasons),
                *(f"  {NAMES[model]:<{width}}  {metrics}" for model, metrics in step.out.items()),
            ]
        head = (
            f"{'mean on periods to come':<{width}}  {'pinball':>8}  {'skill':>6}  {'below':>6}  coverage error, signed"
        )
        return "\n".join([*lines, "", head, *(self._line(model, width) for model in self.models)])

    def _line(self, model: str, width: int) -> str:
        m = self.means[model]
        return (
            f"{NAMES[model]:<{width}}  {m['pinball']:>8.5f}  {m['skill']:>6.3f}  "
            f"{format_percent(m['coverage'], 3):>6}  {m['coverage_error']:.4f}, {m['signed_coverage_error']:+.4f}"
        )

    __repr__ = summary
