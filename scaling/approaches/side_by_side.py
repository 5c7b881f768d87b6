"""What approaches 1, 2 and 3 say, next to each other: numbers, refusals, and the finished report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.approaches.budgets import Budgets, PowerCost, Refusal
from scaling.approaches.envelope import Envelope
from scaling.approaches.isoflop_line import IsoFlop
from scaling.errors import UsageError
from scaling.formatting import (
    format_count,
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)
from scaling.results import Fit
from scaling.serial import plain
from scaling.verdicts import EXTRAPOLATING, NOT_IDENTIFIED

Array = NDArray[np.float64]
_INSIDE = 1.05  # times the compute of the runs: up to here a budget counts as inside

ENVELOPE, ISOFLOP, CORRECTED, LAW = "1 envelope", "2 isoFLOP", "2 corrected", "3 law"


@dataclass(frozen=True)
class Answer:
    """What one approach says.

    Parameters
    ----------
    approach : str
        ``1 envelope``, ``2 isoFLOP`` (as it is), ``2 corrected`` or ``3 law``.
    a, b : float
        Exponents of compute in the optimal parameters and tokens; NaN where refused.
    a_interval, b_interval : tuple of float
        Low and high end; NaN where not known.
    n_params, n_tokens : ndarray (3, k)
        Optimum at the budgets, its low and its high end.
    bias : ndarray (2, k)
        Relative error of the parameters and the tokens that the parabolas make on this grid, under the law of
        approach 3; of ``2 isoFLOP`` alone, NaN otherwise.
    deadweight : ndarray (k,)
        Share of the budget that is lost by training this number of parameters, under the law of approach 3.
    method : str
        How it was made.
    verdict : str
        ``ok``, ``weak`` or ``not identified``.
    reasons : tuple of str
        Why it is not ``ok``.
    refusal : Refusal or None
        Why there is no answer.
    """

    approach: str
    a: float
    b: float
    a_interval: tuple[float, float]
    b_interval: tuple[float, float]
    n_params: Array
    n_tokens: Array
    bias: Array
    deadweight: Array
    method: str
    verdict: str
    reasons: tuple[str, ...]
    refusal: Refusal | None


@dataclass(frozen=True, repr=False)
class Approaches:
    """The approaches on one set of runs.

    Parameters
    ----------
    compute_flop : ndarray (k,)
        The budgets asked for, FLOP.
    extrapolation : ndarray (k,)
        How far they lie beyond the compute of the runs; 1 is inside.
    answers : tuple of Answer
        Of the envelope, the parabolas, the parabolas corrected, and the law.
    envelope : Envelope
        Approach 1.
    optima : dict of str to IsoFlop
        Approach 2, ``N`` and ``D``.
    corrected : dict of str to IsoFlop
        The same without the bias; empty where there is no law to tell it.
    fit : Fit or None
        Approach 3; None where it could not be made.
    budgets : Budgets
        Which rows share one.
    cost : PowerCost
        What ties N and D at a budget.
    level : float
        Nominal coverage of the intervals.
    seed : int
        Of all bootstraps.
    n_rows : int
        Rows that were used.
    notes : tuple of str
        What holds for all approaches.
    law, objective : str
        Of approach 3, which tells the bias and the deadweight of the others too.
    bootstrap : int
        Replicates that were asked for.
    """

    compute_flop: Array
    extrapolation: Array
    answers: tuple[Answer, ...]
    envelope: Envelope
    optima: dict[str, IsoFlop]
    corrected: dict[str, IsoFlop]
    fit: Fit | None
    budgets: Budgets
    cost: PowerCost
    level: float
    seed: int
    n_rows: int
    notes: tuple[str, ...]
    law: str = ""
    objective: str = ""
    bootstrap: int = 0

    def verdict_at(self, answer: Answer, i: int) -> str:
        """Return the verdict on an answer at the i-th budget: ``extrapolating x37`` beyond the runs."""
        if answer.verdict == NOT_IDENTIFIED or self.extrapolation[i] < _INSIDE:
            return answer.verdict
        return f"{EXTRAPOLATING} {format_factor(float(self.extrapolation[i]))}"

    def answer(self, approach: str) -> Answer:
        """Return the answer of an approach, by the beginning of its name: ``1``, ``2 iso``, ``2 corr``, ``3``."""
        for one in self.answers:
            if one.approach.startswith(approach):
                return one
        raise UsageError(f"there is no approach '{approach}'", hint=", ".join(x.approach for x in self.answers))

    @property
    def table(self) -> list[dict[str, Any]]:
        """One dict an approach and budget."""
        rows = []
        for one in self.answers:
            for i, flop in enumerate(self.compute_flop.tolist()):
                row: dict[str, Any] = {"approach": one.approach, "compute_flop": flop}
                for name, value, ends in (("a", one.a, one.a_interval), ("b", one.b, one.b_interval)):
                    row |= {name: value, f"{name}_low": ends[0], f"{name}_high": ends[1]}
                for name, values in (("n_params", one.n_params), ("n_tokens", one.n_tokens)):
                    middle, low, high = values[:, i].tolist()
                    row |= {name: middle, f"{name}_low": low, f"{name}_high": high}
                row |= {
                    "bias_n_params": float(one.bias[0, i]),
                    "bias_n_tokens": float(one.bias[1, i]),
                    "deadweight": float(one.deadweight[i]),
                    "extrapolation_factor": float(self.extrapolation[i]),
                    "verdict": self.verdict_at(one, i),
                    "refused": one.refusal.kind if one.refusal else None,
                    "reasons": list(one.reasons),
                    "method": one.method,
                    "level": self.level,
                    "cost": self.cost.label,
                }
                rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything but replicates as plain data, strict JSON."""
        kinds = {"raw": self.optima, "corrected": self.corrected}
        out: dict[str, Any] = plain(
            {
                "table": self.table,
                "budgets": [
                    {"kind": kind} | row for kind, both in kinds.items() for one in both.values() for row in one.rows()
                ],
                "grouping": self.budgets.rule,
                "law": self.law,
                "estimates": None if self.fit is None else self.fit.estimates,
                "objective": self.objective,
                "replicates": self.bootstrap,
                "winners": self.envelope.winners,
                "notes": self.notes,
                "n_rows": self.n_rows,
                "seed": self.seed,
            }
        )
        return out

    def to_json(self, indent: int | None = None) -> str:
        """Write `to_dict` as JSON; `indent` is that of `json.dumps`."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the approaches as a report in plain text."""
        span = f"{100 * self.level:g} %"
        head = [
            f"Compute-optimal models from {format_plural(self.n_rows, 'row')}; C = {self.cost.label}.",
            f"Law of approach 3: {self.law}; objective: {self.objective}; {self._intervals()}; seed {self.seed}.",
            *self.notes,
            "",
        ]
        exponents = [("approach", "a (params)", span, "b (tokens)", span, "verdict")]
        for x in self.answers:
            a, b = format_number(x.a, 3), format_number(x.b, 3)
            exponents.append((x.approach, a, _span(x.a_interval), b, _span(x.b_interval), x.verdict))
        lines = [*head, *_aligned(exponents)]
        for i, flop in enumerate(self.compute_flop.tolist()):
            beyond = self.extrapolation[i]
            far = f", {format_number(float(beyond), 2)} times beyond the runs" if beyond >= _INSIDE else ""
            lines += ["", f"At {format_number(flop)} FLOP{far}:"]
            names = (
                "approach",
                "params",
                span,
                "tokens",
                span,
                "bias, params",
                "bias, tokens",
                "deadweight",
                "verdict",
            )
            lines += _aligned([names, *((*_row(x, i), self.verdict_at(x, i)) for x in self.answers)])
        lines.append("")
        for x in self.answers:
            lines.append(f"{x.approach}: {'refused. ' if x.refusal else ''}{' '.join(x.reasons) or x.verdict}")
            if x.refusal is None:
                lines.append(f"  intervals: {x.method}")
        if any(np.isfinite(x.bias).any() for x in self.answers):
            lines.append(
                "bias: what a parabola misses the optimum of the law by on these very runs, noise left out; corrected "
                "is without it."
            )
        if any(np.isfinite(x.deadweight).any() for x in self.answers):
            lines.append("deadweight: share of the budget lost by that number of parameters, if the law is right.")
        return "\n".join(line.rstrip() for line in lines)

    def _intervals(self) -> str:
        if not self.bootstrap:
            return "no bootstrap, so no intervals"
        return f"{format_plural(self.bootstrap, 'replicate')} of each for {100 * self.level:g} % intervals"


def _span(ends: tuple[float, float]) -> str:
    return format_interval(*ends)


def _counts(values: Sequence[float]) -> tuple[str, str]:
    middle, low, high = values
    known = np.isfinite(low) and np.isfinite(high)
    return format_count(middle), f"{format_count(low)} to {format_count(high)}" if known else "unknown"


def _row(x: Answer, i: int) -> tuple[str, ...]:
    biases = [format_percent(float(v)) if np.isfinite(v) else "" for v in x.bias[:, i]]
    wasted = format_percent(float(x.deadweight[i])) if np.isfinite(x.deadweight[i]) else ""
    return (x.approach, *_counts(x.n_params[:, i].tolist()), *_counts(x.n_tokens[:, i].tolist()), *biases, wasted)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    return ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows]
