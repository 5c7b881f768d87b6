"""What holding out the largest runs said: one row a held-out run and cut-off, and summaries by extrapolation factor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_factor, format_number, format_percent, format_plural
from scaling.serial import array, number, plain

Array = NDArray[np.float64]

#: Edges of the bins of the extrapolation factor; the last one is open.
FACTOR_BINS = (1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 1000.0)
_COLUMNS = ("cut", "compute", "factor", "observed", "predicted", "error", "change", "scatter", "low", "high")
_ROUNDING = 1e-9
_BEYOND = 2.0  # a forecast this many times farther than any hold-out has no back-test


@dataclass(frozen=True)
class Usual:
    """What forecasts of a kind of quantity usually miss by: what is known before a back-test of few cut-offs.

    Parameters
    ----------
    share : float
        Root mean square error, as a share of the forecast change.
    cuts : float
        How many cut-offs that is worth.
    heavy : bool
        Whether a share from so few cut-offs takes the ends of intervals as far out as the t distribution does, with one
        degree of freedom a cut-off; else as the normal one does.
    """

    share: float
    cuts: float
    heavy: bool = False


#: Laws of size and data: what hidden runs of public sweeps missed by (docs/backtest.md).
USUAL = Usual(0.12, 3.0)
USUAL_SHARE, USUAL_CUTS = USUAL.share, USUAL.cuts


@dataclass(frozen=True)
class Step:
    """Another step of the same forecast, whose own errors a back-test does not see: a map that a law goes through.

    Parameters
    ----------
    name : str
        What it is, in words.
    share, degrees : float
        As of `Backtest.missed_share` and `Backtest.share_degrees`, of its own back-test.
    low, high : float
        Range of the outcome inside which it was fitted; beyond it, it misses by that share of the change.
    """

    name: str
    share: float
    degrees: float
    low: float
    high: float


@dataclass(frozen=True)
class FactorSummary:
    """How a law did at one range of extrapolation factors.

    Parameters
    ----------
    low, high : float
        The range; `high` may be infinite.
    n : int
        Forecasts that were held against a run; one run may have been forecast from several cut-offs.
    undefined : int
        Those of them that have no error, because the law gave no number (above 0, where errors are of logarithms).
    runs : int
        Different runs among them (clusters, where there are any).
    cuts : int
        Different cut-offs.
    bias : float
        Mean of ln(predicted) - ln(observed): above 0 the law forecasts losses that are too high. Plain difference where
        the quantity has no logarithm. Without the undefined ones; NaN where all are.
    rms : float
        Root mean square of the same.
    coverage : float
        Share of the nominal intervals that held the observation; NaN where there were no intervals. An undefined
        forecast without an interval counts as one that did not.
    level : float
        Their nominal coverage.
    reason : str
        Why there is nothing, where `n` is 0.
    """

    low: float
    high: float
    n: int = 0
    runs: int = 0
    cuts: int = 0
    bias: float = float("nan")
    rms: float = float("nan")
    coverage: float = float("nan")
    level: float = float("nan")
    reason: str = ""
    undefined: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def range(self) -> str:
        """The factors, in words."""
        if math.isinf(self.high):
            return f"{format_factor(self.low)} and beyond"
        return f"{format_factor(self.low)} to {format_factor(self.high)}"


@dataclass(frozen=True)
class Backtest:
    """A law held against its own largest runs.

    Rows are pairs of a cut-off and a run beyond it, m in all: the law was fitted to the runs up to the cut-off alone.

    Parameters
    ----------
    law, objective : str
        What was fitted, and what was minimised.
    axis : str
        What the runs are ordered by, such as ``6*N*D``.
    level : float
        Nominal coverage of the intervals.
    n_rows : int
        Rows in all.
    log : bool
        Whether errors are of logarithms.
    cut : ndarray (m,)
        Largest compute (or other axis) that was fitted.
    row : ndarray of int (m,)
        Which row of the data was held out.
    unit : ndarray of int (m,)
        Which independent unit it belongs to: its cluster, or itself.
    compute, factor : ndarray (m,)
        Of the held-out row, and in units of the cut-off.
    observed, predicted, low, high : ndarray (m,)
        In the unit of the law's output; the interval is the nominal one, NaN where there is none.
    error : ndarray (m,)
        ln(predicted) - ln(observed), or the plain difference; NaN where the forecast was no number (above 0, where
        errors are of logarithms).
    change : ndarray (m,)
        How much the law changes between the edge of what was fitted and the held-out run, on the scale of the errors.
    scatter : ndarray (m,)
        Root mean square residual of the fit, on the scale of the errors.
    skipped : tuple of (float, str)
        Cut-offs that could not be tried, and why.
    seed : int
        Of the replicates behind the intervals.
    powers : dict of str to float
        By which power of the axis each input goes with it; see `scaling.fitting.rollout.Axis`.
    edge : float
        Largest value of the axis in all the data.
    trim : str
        What was left out of the rows before each fit.
    usual : Usual
        What forecasts of such a quantity usually miss by; see `missed_share`.
    steps : tuple of Step
        Steps of the forecast whose errors are not among these; the width of a forecast adds them.
    """

    law: str
    objective: str
    axis: str
    level: float
    n_rows: int
    log: bool
    cut: Array
    row: NDArray[np.int64]
    unit: NDArray[np.int64]
    compute: Array
    factor: Array
    observed: Array
    predicted: Array
    error: Array
    change: Array
    scatter: Array
    low: Array
    high: Array
    skipped: tuple[tuple[float, str], ...] = ()
    seed: int = 0
    powers: dict[str, float] = field(default_factory=dict)
    edge: float = float("nan")
    trim: str = "none"
    usual: Usual = USUAL
    steps: tuple[Step, ...] = ()

    def __len__(self) -> int:
        return len(self.cut)

    @property
    def defined(self) -> NDArray[np.bool_]:
        """Whether each forecast has an error, shape (m,)."""
        return np.isfinite(self.error)

    @property
    def says_something(self) -> bool:
        """Whether any forecast has an error, so that the next one can be judged by what this law missed."""
        return bool(self.defined.any())

    @property
    def no_number(self) -> str:
        """What a forecast without an error was not, in words."""
        return "a number above 0" if self.log else "a number"

    def missed_share(self) -> float:
        """Share of the forecast change that forecasts missed by, for the margin of the next forecast.

        Returns
        -------
        float
            The share k for which k * `change` has the mean square of what the errors leave beyond the scatter. Cut-offs
            count by how close they are to the whole data, 1/(largest compute / cut-off).

        Notes
        -----
        Few cut-offs, whose hold-outs overlap, say little about the tail of the errors, so the share is drawn towards
        the `usual` one with the weight of some cut-offs. How both were measured stands in docs/backtest.md. Forecasts
        that are not defined have no say.
        """
        if (found := self._share()) is None:
            return self.usual.share
        share, effective = found
        return math.sqrt((effective * share + self.usual.cuts * self.usual.share**2) / (effective + self.usual.cuts))

    @property
    def share_degrees(self) -> float:
        """Degrees of freedom of `missed_share`: infinite where the usual error is taken to have normal tails."""
        if not self.usual.heavy:
            return math.inf
        found = self._share()
        return self.usual.cuts + (0.0 if found is None else found[1])

    def _share(self) -> tuple[float, float] | None:
        """Square of the share of the change that forecasts missed by, and of how many cut-offs it is; None without."""
        some = self.defined
        if not some.any():
            return None
        cuts, which = np.unique(self.cut[some], return_inverse=True)
        nearness = cuts / self.edge
        weight = (nearness / np.bincount(which))[which]
        beyond = np.maximum(self.error[some] ** 2 - self.scatter[some] ** 2, 0)
        size = float(weight @ self.change[some] ** 2)
        share = float(weight @ beyond) / size if size > 0 else self.usual.share**2
        return share, float(nearness.sum() ** 2 / np.sum(nearness**2))

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether each interval held its observation, shape (m,); False without one, and for undefined forecasts."""
        slack = _ROUNDING * np.abs(self.observed)  # intervals of exact data have no width
        with np.errstate(invalid="ignore"):
            held = (self.observed >= self.low - slack) & (self.observed <= self.high + slack)
        return np.asarray(held & self.defined)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Whether each forecast has an interval, or is undefined and so counts as outside, shape (m,)."""
        return np.asarray(np.isfinite(self.low) & np.isfinite(self.high) | ~self.defined)

    @property
    def reason(self) -> str:
        """Why there is no back-test, where there is none."""
        if len(self):
            return ""
        return self.skipped[0][1] if self.skipped else "no runs could be held out"

    @property
    def largest_factor(self) -> float:
        """The farthest that a run was forecast from; NaN without any."""
        return float(self.factor.max()) if len(self) else float("nan")

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a cut-off and held-out run, as plain data."""
        inside, known = self.inside, self.judged
        return [
            {name: float(getattr(self, name)[i]) for name in _COLUMNS}
            | {"row": int(self.row[i]), "level": self.level, "inside": bool(inside[i]) if known[i] else None}
            for i in range(len(self))
        ]

    def summary(self, bins: Iterable[float] = FACTOR_BINS) -> list[FactorSummary]:
        """Summarise by extrapolation factor.

        Parameters
        ----------
        bins : iterable of float
            Edges; the last range is open.

        Returns
        -------
        list of FactorSummary
            Ranges without a hold-out are left out.
        """
        edges = [*bins, float("inf")]
        found = [self._over(a, b) for a, b in pairwise(edges)]
        return [entry for entry in found if entry.n]

    def at(self, factor: float) -> FactorSummary:
        """Return what the back-test says about forecasts at an extrapolation factor.

        Parameters
        ----------
        factor : float
            1 is inside the data.

        Returns
        -------
        FactorSummary
            Of the hold-outs within a factor of 2 of it. Without any, `n` is 0 and `reason` says why.
        """
        if not len(self):
            return FactorSummary(factor, factor, reason=self.reason)
        if not math.isfinite(factor):
            return FactorSummary(factor, factor, reason="how far the target lies beyond the data is not known")
        wanted = max(factor, 1.0)
        if wanted > _BEYOND * self.largest_factor:
            return FactorSummary(
                factor,
                factor,
                reason=f"the data reach {format_factor(self.largest_factor)} beyond their smallest usable part, the "
                f"target lies {format_factor(wanted)} beyond the data",
            )
        near = self._over(wanted / _BEYOND, wanted * _BEYOND)
        if near.n:
            return near
        return FactorSummary(factor, factor, reason=f"no run was held out near {format_factor(wanted)}")

    def sentence(self, factor: float) -> str:
        """Say what the back-test says about a forecast at an extrapolation factor, in a sentence.

        Where runs were held out by something that is no input of the law, such as the budget of a pair of runs, and the
        factor is not known (NaN), it is about all that were held out.

        The intervals that it counts are those of the refits, which have neither rivals nor a back-test of their own: of
        parameters and scatter alone, narrower than those of a forecast that has both.
        """
        found, where = self.at(factor), f"Back-test at {format_factor(factor)}"
        if not self.powers and len(self) and math.isnan(factor):
            found = self._over(0.0, math.inf)
            where = (
                f"Back-test by {self.axis}, {format_factor(self.factor.min())} to {format_factor(self.largest_factor)}"
            )
        if not found.n:
            at = "" if math.isnan(factor) else f" at {format_factor(factor)}"
            return f"No back-test is possible{at}: {found.reason}."
        way = "too high" if found.bias > 0 else "too low"
        held = ""
        if math.isfinite(found.coverage):
            held = (
                f"; {100 * found.coverage:.0f} % of the {100 * found.level:g} % intervals of parameters and scatter "
                "alone held the outcome"
            )
        what = (
            f"{format_plural(found.n, 'forecast')} of {format_plural(found.runs, 'held-out run')} from "
            f"{format_plural(found.cuts, 'cut-off')}"
        )
        if found.undefined == found.n:
            return f"{where}: {what}, and none of them was {self.no_number}."
        fail = ""
        if found.undefined:
            held += f", with the {found.undefined} counted as not" if held else ""
            fail = f", without {found.undefined} that {'was' if found.undefined == 1 else 'were'} not {self.no_number}"
        return (
            f"{where}: {what} missed by {self._size(found.rms)} (root mean square), {self._size(found.bias)} {way} on "
            f"average{fail}{held}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "steps"} | {
            "usual": asdict(self.usual)
        }
        if self.steps:  # few have any, and what was written before is to read and compare as it was
            columns["steps"] = [asdict(step) for step in self.steps]
        table: dict[str, Any] = plain(columns)
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Backtest:
        """Read plain data back.

        Parameters
        ----------
        table : mapping
            From `to_dict`.

        Returns
        -------
        Backtest

        Raises
        ------
        InputDataError
            For data that are no back-test.
        """
        try:
            columns: dict[str, Any] = {name: array(table[name]) for name in _COLUMNS}
            columns |= {name: np.array(table[name], np.int64) for name in ("row", "unit")}
            return cls(
                law=str(table["law"]),
                objective=str(table["objective"]),
                axis=str(table["axis"]),
                level=number(table["level"]),
                n_rows=int(table["n_rows"]),
                log=bool(table["log"]),
                skipped=tuple((number(cut), str(reason)) for cut, reason in table["skipped"]),
                seed=int(table["seed"]),
                powers={k: number(v) for k, v in table["powers"].items()},
                edge=number(table["edge"]),
                trim=str(table["trim"]),
                usual=Usual(**table["usual"]) if "usual" in table else USUAL,
                steps=tuple(
                    Step(str(step["name"]), *(number(step[k]) for k in ("share", "degrees", "low", "high")))
                    for step in table.get("steps", ())
                ),
                **columns,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputDataError(
                f"this is no back-test: {error!r}", hint="Write it with Backtest.to_dict()."
            ) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backtest) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.law, self.objective, self.axis, len(self), self.error.tobytes()))

    def __repr__(self) -> str:
        head = f"Back-test of {self.law}, {self.objective}; the largest runs by {self.axis} held out"
        lines = [head]
        if len(self):
            lines.append(f"{'factor':>14}  {'n':>4}  {'runs':>4}  {'bias':>9}  {'rms':>9}  covered, nominal")
        for entry in self.summary():
            held = "unknown" if math.isnan(entry.coverage) else f"{100 * entry.coverage:.0f} %"
            fail = f", {entry.undefined} not {self.no_number}" if entry.undefined else ""
            lines.append(
                f"{entry.range:>14}  {entry.n:>4}  {entry.runs:>4}  {format_number(entry.bias, 2):>9}  "
                f"{format_number(entry.rms, 2):>9}  {held} of {100 * entry.level:g} %{fail}"
            )
        lines += [f"not tried at {format_number(cut)}: {reason}" for cut, reason in self.skipped]
        return "\n".join(lines)

    def _size(self, error: float) -> str:
        """Write the size of an error: as a percentage where it is one of logarithms."""
        return format_percent(math.expm1(abs(error))) if self.log else format_number(abs(error), 2)

    def _over(self, low: float, high: float) -> FactorSummary:
        """Summarise the hold-outs with low <= factor < high."""
        some = (self.factor >= low) & (self.factor < high)
        if not some.any():
            return FactorSummary(low, high)
        error = self.error[some & self.defined]
        known = some & self.judged
        return FactorSummary(
            low,
            high,
            n=int(some.sum()),
            runs=len(np.unique(self.unit[some])),
            cuts=len(np.unique(self.cut[some])),
            undefined=int(some.sum()) - len(error),
            bias=float(error.mean()) if len(error) else float("nan"),
            rms=float(np.sqrt(np.mean(error**2))) if len(error) else float("nan"),
            coverage=float(self.inside[known].mean()) if known.any() else float("nan"),
            level=self.level,
        )
