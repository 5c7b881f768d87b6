"""How much a model packs into its compute, and how fast the densest ones have become denser."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.drift.dates import iso_day
from scaling.boundary.drift.in_time import DatedBoundary
from scaling.boundary.drift.rate import YearlyGain
from scaling.formatting import format_number, format_percent, format_plural
from scaling.serial import plain
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

Array = NDArray[np.float64]

_FEW_RECORDS = 5
_MUCH_OUTSIDE = 0.1  # of the models
_SHOWN = 10


@dataclass(frozen=True)
class Density:
    """Capability density of models; see `density`.

    Parameters
    ----------
    boundary : DatedBoundary
        Whose boundary at the reference date turns a score into compute.
    reference : float
        Decimal year of that date.
    effective : ndarray (n,)
        log10 of the effective compute of each model, at which that boundary reaches its score; infinite where no
        compute does, minus infinity where any does.
    records : ndarray of int (r,)
        Positions of the models that were denser than all before, in time, among those of `boundary`.
    quantile : float
        Of the models, of which `quantile_rate` is the growth.
    record_rate : YearlyGain
        Growth of the running maximum.
    quantile_rate : YearlyGain
        Growth of that quantile of the densities.
    boundary_rate : YearlyGain
        Growth of compute that counts, c of the boundary.
    by_chance : (float, float, float)
        Median, 5 % and 95 % of what `record_rate` is where dates are dealt out to the models at random: the rise of a
        running maximum without any growth.
    unit : str
        What a density is per: ``compute`` or ``parameters``.
    in_parameters : Density, optional
        The same with numbers of parameters in place of compute.
    """

    boundary: DatedBoundary = field(repr=False)
    reference: float
    effective: Array = field(repr=False)
    records: NDArray[np.int64] = field(repr=False)
    quantile: float
    record_rate: YearlyGain
    quantile_rate: YearlyGain
    boundary_rate: YearlyGain
    by_chance: tuple[float, float, float]
    unit: str = "compute"
    in_parameters: Density | None = None

    @property
    def log10_density(self) -> Array:
        """log10 of effective over actual compute of each model (n,); infinite like `effective`."""
        return np.asarray(self.effective - self.boundary.scores.log10_compute)

    @property
    def values(self) -> Array:
        """Effective over actual compute of each model, shape (n,)."""
        with np.errstate(over="ignore"):
            return np.asarray(np.power(10.0, self.log10_density))

    @property
    def unreachable(self) -> int:
        """Models that score what the boundary reaches at no compute; they have no density and are no records."""
        return int(np.sum(self.effective == np.inf))

    @property
    def below(self) -> int:
        """Models that score what the boundary reaches at any compute; they count as the least dense."""
        return int(np.sum(self.effective == -np.inf))

    @property
    def findings(self) -> tuple[tuple[str, str], ...]:
        """What speaks against it: the verdict that each leads to, and a sentence."""
        known = self.boundary.fit.diagnostics.findings
        found = [(word, f"Of the boundary: {said}") for word, said in known]
        n, r = len(self.effective), len(self.records)
        if r < _FEW_RECORDS:
            found.append((WEAK, f"Only {format_plural(r, 'model')} set a record, so its growth rests on them."))
        if self.unreachable > _MUCH_OUTSIDE * n:
            found.append((WEAK, f"{self.unreachable} of {n} models score more than the boundary at any compute."))
        if self.record_rate.orders <= self.by_chance[2]:
            found.append(
                (WEAK, "The running maximum grew no faster than it does where dates are dealt out at random (up to "
                 f"{format_number(self.by_chance[2], 2)} orders of magnitude a year): more models, not denser ones.")
            )  # fmt: skip
        return tuple(found)

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; `reasons` says why."""
        words = {word for word, _ in self.findings}
        return NOT_IDENTIFIED if NOT_IDENTIFIED in words else WEAK if WEAK in words else OK

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return tuple(said for _, said in self.findings)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The records: row of each model as given, date, score, log10 of actual and effective size, density."""
        b = self.boundary
        return [
            {
                "row": int(b.scores.kept[i]),
                "date": iso_day(b.year[i]),
                "score": float(b.scores.score[i]),
                "log10_actual": float(b.scores.log10_compute[i]),
                "log10_effective": float(self.effective[i]),
                "density": float(self.values[i]),
            }
            for i in self.records
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the three rates, the records, verdict and reasons."""
        b = self.boundary
        table: dict[str, Any] = plain(
            {
                "unit": self.unit,
                "tau": b.tau,
                "reference": iso_day(self.reference),
                "n_obs": b.n_obs,
                "unreachable": self.unreachable,
                "below": self.below,
                "record_rate": self.record_rate.to_dict(),
                "quantile": self.quantile,
                "quantile_rate": self.quantile_rate.to_dict(),
                "boundary_rate": self.boundary_rate.to_dict(),
                "record_rate_by_chance": dict(zip(("median", "low", "high"), self.by_chance, strict=True)),
                "records": self.rows,
                "bootstrap": b.bootstrap,
                "seed": b.seed,
                "verdict": self.verdict,
                "reasons": list(self.reasons),
                "notes": list(b.scores.notes),
                "in_parameters": None if self.in_parameters is None else self.in_parameters.to_dict(),
            }
        )
        return table

    def summary(self) -> str:
        """Return the densities as a report in plain text."""
        median, low, high = self.by_chance
        outside = ""
        if self.unreachable or self.below:
            outside = f"; {self.unreachable} above and {self.below} below all of it"
        lines = [
            f"Density: {self.unit} at which the boundary of {iso_day(self.reference)} "
            f"({format_percent(self.boundary.tau)} of the models below it) reaches a score, over that of the model"
            + outside,
            *self.boundary.scores.notes,
            "",
            f"running maximum ({format_plural(len(self.records), 'record')}): {self._rate(self.record_rate)}",
            f"  it rises with the number of models: by chance alone {format_number(median, 2)} "
            f"({format_number(low, 2)} to {format_number(high, 2)}) orders of magnitude a year",
            f"{format_percent(self.quantile)} quantile: {self._rate(self.quantile_rate)}",
            f"boundary in time: {self._rate(self.boundary_rate)}",
            "",
            f"{'date':>10}  {'actual':>9}  {'effective':>9}  {'density':>8}",
        ]
        for row in self.rows[-_SHOWN:]:
            actual, effective = (format_number(10.0 ** row[f"log10_{name}"], 3) for name in ("actual", "effective"))
            lines.append(f"{row['date']:>10}  {actual:>9}  {effective:>9}  {format_number(row['density'], 3):>8}")
        lines += ["", f"verdict: {self.verdict}", *(f"  - {reason}" for reason in self.reasons)]
        if self.in_parameters is not None:
            lines += ["", self.in_parameters.summary()]
        return "\n".join(lines)

    def _rate(self, rate: YearlyGain) -> str:
        if math.isnan(rate.orders):
            return "unknown"
        return str(rate).replace("of compute a year", f"of {self.unit} a year")

    def __repr__(self) -> str:
        return self.summary()
