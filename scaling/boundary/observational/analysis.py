"""What an analysis by observational scaling returns: frozen, plain data for JSON, and a report in plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.observational.components import Components, expanded_level
from scaling.boundary.observational.equivalent import EquivalentCompute
from scaling.boundary.observational.heldout import Contest, HeldOutError, Rehearsal
from scaling.boundary.observational.link import Link
from scaling.boundary.observational.pipeline import COMPUTE, CONSTANT, label
from scaling.boundary.observational.table import Mask, Table
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """Scores on the task, and intervals for single models; NaN without a bootstrap. Each of shape (n,)."""

    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Analysis:
    """A task forecast from benchmarks, and held against compute alone.

    Parameters
    ----------
    table : Table
        The models.
    train : ndarray of bool (n,)
        Which of them taught.
    cutoff_flop : float
        Largest compute of those; NaN where all did.
    n_components : int
        In the link.
    how_chosen : str
    components : Components
        Learned from the training models.
    link : Link
        From the components to the task.
    benchmark_weights : ndarray (d,)
        How much a share more on each benchmark adds to the index.
    benchmark_weight_replicates : ndarray (B, d)
    rehearsal : Rehearsal
        Errors on the largest training models, left out.
    errors : tuple of HeldOutError
        Errors of training and test, of every predictor.
    contest : Contest, optional
        Components against compute alone on the test models.
    forecast : Forecast
        Of all models.
    equivalent : EquivalentCompute, optional
        Compute of equal worth in the reference family.
    notes : tuple of str
    settings : dict
    level : float
    seed : int
    """

    table: Table
    train: Mask
    cutoff_flop: float
    n_components: int
    how_chosen: str
    components: Components
    link: Link
    benchmark_weights: Array
    benchmark_weight_replicates: Array
    rehearsal: Rehearsal
    errors: tuple[HeldOutError, ...]
    contest: Contest | None
    forecast: Forecast
    equivalent: EquivalentCompute | None
    notes: tuple[str, ...]
    settings: dict[str, Any]
    level: float
    seed: int

    def error(self, predictor: str) -> HeldOutError:
        """Return the errors of one predictor: ``constant``, ``compute alone``, ``3 components`` and so on."""
        return next(e for e in self.errors if e.predictor == predictor)

    @property
    def covered(self) -> tuple[int, int]:
        """Test scores within their intervals, and test scores; 0 of 0 without intervals."""
        test = ~self.train & np.isfinite(self.table.task) & np.isfinite(self.forecast.low)
        inside = (self.table.task >= self.forecast.low) & (self.table.task <= self.forecast.high)
        return int(np.sum(inside & test)), int(test.sum())

    @property
    def verdict(self) -> str:
        """Whether components forecast better than compute alone, in sentences."""
        if self.contest is None:
            return f"{self._rehearsed()} {self._untested()}"
        c = self.contest
        ours, chance = label(self.n_components), ""
        if np.isfinite(c.low):
            more = "more" if c.beyond_chance else "no more"
            chance = f", by {more} than chance would do with {c.n_families} test families"
        told = (
            f"Beyond {format_number(self.cutoff_flop)} FLOP {ours} have a mean squared error of "
            f"{format_number(c.components, 3)}, compute alone one of {format_number(c.compute, 3)}, on the same "
            f"{format_plural(c.n_models, 'model')}"
        ).replace("1 component have", "1 component has")
        if c.winner == COMPUTE:
            end = f"compute alone forecasts this task better than components{chance}"
        else:
            end = f"components forecast this task better than compute alone{chance}"
        if c.constant < min(c.components, c.compute):
            beaten = f"The mean of the training scores, {format_number(c.constant, 3)}, beats both"
            end += f". {beaten}, so neither is of use here"
        before = self.rehearsal.best
        known = f" Before the test, leaving the largest training models out favoured {before}." if before else ""
        return f"{told}: {end}.{known}"

    def _untested(self) -> str:
        """Say why there is no contest."""
        own = self.error(label(self.n_components))
        if not own.n_test_all:
            return "Nothing was tested beyond a cutoff."
        return (
            f"Of {format_plural(own.n_test_all, 'test model')}, where {own.predictor} gave a mean squared error of "
            f"{format_number(own.test_all, 3)}, none has a forecast by compute alone to compare with."
        )

    def _rehearsed(self) -> str:
        errors = self.rehearsal.errors
        if not errors:
            return "No training models could be left out."
        best = self.rehearsal.best
        told = f"Of the largest training models, left out, the best forecast is by {best}"
        rival = {COMPUTE: label(self.rehearsal.n_components)}.get(best, COMPUTE)
        if best == CONSTANT or rival not in errors:
            return f"{told} ({format_number(errors[best], 3)})."
        return f"{told} ({format_number(errors[best], 3)}; {rival} {format_number(errors[rival], 3)})."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        low, high = self._weight_interval()
        inside, tested = self.covered
        table: dict[str, Any] = plain(
            {
                "verdict": self.verdict,
                "link_verdict": self.link.fit.verdict,
                "n_models": self.table.n_models,
                "n_train": int(self.train.sum()),
                "n_families": len(set(self.table.families)),
                "cutoff_flop": self.cutoff_flop,
                "n_components": self.n_components,
                "how_chosen": self.how_chosen,
                "components": self.components.to_dict(self.level),
                "link": self.link.to_dict(),
                "benchmark_weights": [
                    {"benchmark": b, "weight": w, "low": lo, "high": hi}
                    for b, w, lo, hi in zip(self.table.benchmarks, self.benchmark_weights, low, high, strict=True)
                ],
                "rehearsal": self.rehearsal.to_dict(),
                "errors": [e.to_dict() for e in self.errors],
                "contest": None if self.contest is None else self.contest.to_dict(),
                "test_scores_within_interval": inside,
                "test_scores": tested,
                "forecasts": self.rows(),
                "equivalent_compute": None if self.equivalent is None else self.equivalent.to_dict(),
                "notes": self.notes,
                "settings": self.settings,
                "level": self.level,
                "seed": self.seed,
            }
        )
        return table

    def rows(self) -> list[dict[str, Any]]:
        """One row a model: its score, the forecast and its interval, and whether it taught."""
        t, f = self.table, self.forecast
        return [
            {
                "model": t.models[i],
                "family": t.families[i],
                "log10_compute": float(t.log10_compute[i]),
                "train": bool(self.train[i]),
                "score": float(t.task[i]),
                "predicted": float(f.mean[i]),
                "low": float(f.low[i]),
                "high": float(f.high[i]),
            }
            for i in range(t.n_models)
        ]

    def _weight_interval(self) -> tuple[Array, Array]:
        from scaling.fitting.intervals import percentile_interval

        if not len(self.benchmark_weight_replicates):
            unknown = np.full(len(self.benchmark_weights), np.nan)
            return unknown, unknown
        at = expanded_level(self.level, self.components.families)
        return percentile_interval(self.benchmark_weight_replicates, at)

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the analysis as a report in plain text, the answer first."""
        low, high = self._weight_interval()
        width = max(len(b) for b in self.table.benchmarks)
        n_train, n_test = int(self.train.sum()), int((~self.train).sum())
        lines = [
            self.verdict,
            "",
            f"{label(self.n_components)}, {self.how_chosen}; {format_plural(n_train, 'model')} taught"
            + (f", {format_plural(n_test, 'model')} tested" if n_test else ""),
            "",
            *self._error_lines(),
            "",
            self.components.summary(self.level),
            "",
            f"what a benchmark adds to the index ({100 * self.level:g} % interval, families drawn anew)",
        ]
        for b, w, lo, hi in zip(self.table.benchmarks, self.benchmark_weights, low, high, strict=True):
            lines.append(f"  {b:{width}}  {format_number(w, 3)}  {format_interval(lo, hi)}")
        lines += ["", f"link: verdict {self.link.fit.verdict}"]
        lines += [f"  - {reason}" for reason in self.link.fit.diagnostics.reasons]
        inside, tested = self.covered
        if tested:
            lines.append(f"{inside} of {tested} test scores lie within their {100 * self.level:g} % intervals")
        if self.equivalent is not None:
            lines += ["", self.equivalent.summary()]
        return "\n".join([*lines, *self.notes])

    def _error_lines(self) -> list[str]:
        """Write the table of errors: constant and compute alone beside components."""
        header = ("mean squared error", "largest left out", "train", "test", "test, any compute")
        rows: list[tuple[str, ...]] = [header]
        for e in self.errors:
            mark = " *" if e.n_components == self.n_components else ""
            left = self.rehearsal.errors.get(e.predictor, float("nan"))
            rows.append((e.predictor + mark, *(format_number(v, 3) for v in (left, e.train, e.test, e.test_all))))
        widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
        lines = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        share = ", ".join(format_percent(s) for s in self.rehearsal.shares)
        e = self.errors[0]
        counted = f"* the link; {e.n_train} train, {e.n_test} test, {e.n_test_all} with those of unknown compute"
        return [*lines, counted + (f"; left out in turn: the largest {share}" if share else "")]
