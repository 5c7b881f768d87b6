"""What a back-test of a boundary found: a row a step from a period to the next, beside every baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from scaling.boundary.evaluation.baselines import NAMES
from scaling.boundary.evaluation.metrics import Metrics
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_percent, format_plural
from scaling.serial import plain

#: The boundary with the margin, which is the forecast, and without.
FORECAST, PLAIN = "boundary", "boundary without margin"

_METRICS = tuple(f.name for f in fields(Metrics) if f.name not in ("n", "tau"))
_FEWEST = 20  # models scored of a step that counts in a mean
_HEAD = ("train", "test", "n_train", "n_test", "n_common", "tau", "margin")


@dataclass(frozen=True, repr=False)
class StepRow(Mapping[str, Any]):
    """A boundary fitted to a period, or to all until then, and held against the next.

    Its metrics are those of the forecast on the models to come; each is an attribute and a key.

    Parameters
    ----------
    train, test : str
        Periods.
    n_train, n_test, n_common : int
        Models fitted, in the period to come, and of those within the compute seen, which alone are scored.
    tau : float
        Quantile.
    margin : float
        Added to the boundary, learned from the periods fitted and before.
    out : dict of str to Metrics
        On the period to come: ``boundary``, ``boundary without margin``, and each baseline.
    within : dict of str to Metrics
        On the models that were fitted; the boundary without its margin.
    """

    train: str
    test: str
    n_train: int
    n_test: int
    n_common: int
    tau: float
    margin: float
    out: dict[str, Metrics]
    within: dict[str, Metrics]

    def __getattr__(self, name: str) -> Any:
        if name in _METRICS:
            return getattr(self.out[FORECAST], name)
        raise AttributeError(f"a step of a back-test has no '{name}'")

    def __getitem__(self, key: str) -> Any:
        if key in _HEAD or key in _METRICS:
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter((*_HEAD, *_METRICS))

    def __len__(self) -> int:
        return len(_HEAD) + len(_METRICS)

    def __repr__(self) -> str:
        return f"{self.train} > {self.test}: {self.out[FORECAST]}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the keys, and under ``out`` and ``within`` the metrics of each model."""
        table: dict[str, Any] = plain(dict(self))
        table |= {
            part: {name: metrics.to_dict() for name, metrics in getattr(self, part).items()}
            for part in ("out", "within")
        }
        return table


@dataclass(frozen=True, repr=False)
class BoundaryBacktest:
    """How a boundary has forecast; see `scaling.boundary.backtest`. Iterates over its rows.

    Parameters
    ----------
    rows : tuple of StepRow
        In time; of several tasks after `combine`.
    mode : str
        ``single`` or ``cumulative``.
    bins : str
        Bins of the coverage errors.
    settings : dict
        tau, preset, kappa, ridge, margin and seed, as asked.
    notes : tuple of str
        What was left out, and steps that could not be taken.
    """

    rows: tuple[StepRow, ...]
    mode: str
    bins: str
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[StepRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> StepRow:
        return self.rows[at]

    @property
    def models(self) -> tuple[str, ...]:
        """The boundary, with and without margin, and the baselines."""
        return tuple(self.rows[0].out)

    @property
    def counted(self) -> tuple[StepRow, ...]:
        """The rows that the means are over: those with 20 models scored or more, or all where there are none."""
        return tuple(row for row in self.rows if row.n_common >= _FEWEST) or self.rows

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Mean over the `counted` rows of each metric of each model, on periods to come."""
        return self._means("out")

    @property
    def within(self) -> dict[str, dict[str, float]]:
        """Mean over the `counted` rows of each metric of each model, on the models that were fitted."""
        return self._means("within")

    def _means(self, part: str) -> dict[str, dict[str, float]]:
        return {
            model: {
                name: float(np.mean([getattr(getattr(row, part)[model], name) for row in self.counted]))
                for name in _METRICS
            }
            for model in getattr(self.rows[0], part)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: settings, rows, and means of each model out of and within period."""
        table: dict[str, Any] = plain(
            {
                "mode": self.mode,
                "bins": self.bins,
                **self.settings,
                "rows": [row.to_dict() for row in self.rows],
                "means": self.means,
                "means_within": self.within,
                "notes": self.notes,
            }
        )
        return table

    def summary(self) -> str:
        """Return the rows and the means beside every baseline, as plain text."""
        tau = self.rows[0].tau
        width = max(len(NAMES.get(model, model)) for model in self.models)
        lines = [
            f"Boundaries that {format_percent(tau)} of the models stay below, fitted to "
            + ("one period" if self.mode == "single" else "all periods so far")
            + f" and held against the next: {format_plural(len(self), 'step')}",
            *self.notes,
            "",
            *(
                f"{row.train} > {row.test}: {row.n_train} models fitted, {row.n_common} of {row.n_test} scored, margin "
                f"{format_number(row.margin, 2)}\n  {row.out[FORECAST]}"
                for row in self.rows
            ),
            "",
            f"{'mean on periods to come':<{width}}  {'pinball':>8}  {'smoothed':>8}  {'skill':>6}  {'below':>6}  "
            "coverage error by bins, signed",
            *(self._line(model, width) for model in self.models),
            "",
            "Compare by the pinball loss. A coverage error alone is small for any boundary that is never crossed: "
            f"the constant 1 has {format_number(1 - tau, 3)}.",
        ]
        return "\n".join(lines)

    def _line(self, model: str, width: int) -> str:
        m = self.means[model]
        return (
            f"{NAMES.get(model, model):<{width}}  {m['pinball']:>8.5f}  {m['smoothed_pinball']:>8.5f}  "
            f"{m['skill']:>6.3f}  {format_percent(m['coverage'], 3):>6}  {m['coverage_error']:.4f}, "
            f"{m['signed_coverage_error']:+.4f}"
        )

    __repr__ = summary


def combine(backtests: Mapping[str, BoundaryBacktest]) -> BoundaryBacktest:
    """Put back-tests of several tasks together, each step of each task counting once.

    Parameters
    ----------
    backtests : mapping of str to BoundaryBacktest
        By task; of the same models, mode, bins and settings.

    Returns
    -------
    BoundaryBacktest
        Whose rows are those of all tasks; periods carry the name of the task.

    Raises
    ------
    InputDataError
        For none.
    UsageError
        For back-tests that differ in what they compared, or how.
    """
    from dataclasses import replace

    if not backtests:
        raise InputDataError("there is no back-test to put together")
    first = next(iter(backtests.values()))
    for task, one in backtests.items():
        alike = (one.mode, one.bins, one.settings, one.models) == (first.mode, first.bins, first.settings, first.models)
        if not alike:
            raise UsageError(
                f"the back-test of '{task}' differs from the first in its settings, mode, bins or baselines",
                hint="Run all tasks by the same settings.",
            )
    rows = tuple(
        replace(row, train=f"{task}: {row.train}", test=f"{task}: {row.test}")
        for task, one in backtests.items()
        for row in one.rows
    )
    notes = tuple(f"{task}: {note}" for task, one in backtests.items() for note in one.notes)
    return BoundaryBacktest(rows, first.mode, first.bins, first.settings, notes)
