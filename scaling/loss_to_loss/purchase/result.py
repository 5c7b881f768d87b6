"""What a plan of runs on a new corpus returns: every design with its cost and error, and the ones worth buying."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from scaling.errors import UsageError, VerdictError
from scaling.formatting import format_factor, format_number, format_percent, format_plural
from scaling.serial import plain

MEASURES = ("mean", "p90")
_WORTH = 0.97  # of the error of a cheaper design; closer ones are equal as far as simulations can tell


@dataclass(frozen=True)
class Design:
    """Some runs on the new corpus.

    Parameters
    ----------
    count : int
        How many.
    largest_flop, span : float
        Their largest budget, and largest over smallest.
    cost_flop : float
        All of them together.
    form : str
        Of the map that misses least with so few pairs; see `scaling.loss_to_loss.ranking.maps.LINEAR_FORMS`.
    mean_error, p90_error : float
        Mean, and 90th percentile, of what the map is expected to miss the target by, as a share of the loss.
    cells : tuple of int
        Which cells of the sweep, by rising budget; empty for random choices.
    """

    count: int
    largest_flop: float
    span: float
    cost_flop: float
    form: str
    mean_error: float
    p90_error: float
    cells: tuple[int, ...]

    def error(self, measure: str = "mean") -> float:
        """Return one of the two errors: ``mean`` or ``p90``."""
        if measure not in MEASURES:
            raise UsageError(f"there is no measure '{measure}'", hint="There are: mean, p90.")
        return self.mean_error if measure == "mean" else self.p90_error

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def sentence(self) -> str:
        """The design in words."""
        runs = f"{format_plural(self.count, 'run')} up to {format_number(self.largest_flop)} FLOP"
        return (
            f"{runs} (largest over smallest {format_factor(self.span)}) for {format_number(self.cost_flop)} FLOP: "
            f"a {self.form} map is expected to miss by {format_percent(self.mean_error)} on average, and by less than "
            f"{format_percent(self.p90_error)} nine times in ten"
        )


@dataclass(frozen=True)
class PurchasePlan:
    """Which runs to buy on a new corpus.

    Parameters
    ----------
    designs : tuple of Design
        The cheapest first.
    random : tuple of Design
        The same numbers of runs, of cells chosen at random.
    target_x : float
        Loss of the source at the target.
    beyond : float
        Lowest loss of the sweep over that at the target; above 1 the map is extrapolated.
    maps : tuple of str
        Which maps the outcomes were drawn from.
    n_maps, n_cells, simulations, seed : int
        How many maps (0: a stated prior) and cells, and of the draws.
    """

    designs: tuple[Design, ...]
    random: tuple[Design, ...]
    target_x: float
    beyond: float
    maps: tuple[str, ...]
    n_maps: int
    n_cells: int
    simulations: int
    seed: int

    @cached_property
    def pareto(self) -> tuple[Design, ...]:
        """Designs that no cheaper one is as good as to within 3 %, by the mean error; the cheapest first."""
        out: list[Design] = []
        for design in sorted(self.designs, key=lambda d: (d.cost_flop, d.mean_error)):
            if not out or design.mean_error < out[-1].mean_error * _WORTH:
                out.append(design)
        return tuple(out)

    def cheapest(self, error: float, measure: str = "mean") -> Design:
        """Return the cheapest design of a wanted error.

        Parameters
        ----------
        error : float
            As a share: 0.01 is 1 %.
        measure : {'mean', 'p90'}
            Of which of the two.

        Raises
        ------
        UsageError
            For an error that is no share above 0.
        VerdictError
            Where no design is expected to be as good.
        """
        if not 0 < error < 1:
            raise UsageError(f"a wanted error is a share between 0 and 1, not {error}", hint="0.01 stands for 1 %.")
        good = [d for d in self.designs if d.error(measure) <= error]
        if not good:
            best = min(self.designs, key=lambda d: d.error(measure))
            raise VerdictError(
                f"no design of these cells is expected to miss by {format_percent(error)} or less ({measure}): the "
                f"best, for {format_number(best.cost_flop)} FLOP, misses by {format_percent(best.error(measure))}",
                hint="Ask for less, or extend the sweep of the source to larger budgets.",
            )
        return min(good, key=lambda d: (d.cost_flop, d.error(measure)))

    def best(self, budget: float, measure: str = "mean") -> Design:
        """Return the design that misses least for a budget.

        Parameters
        ----------
        budget : float
            FLOP of all runs together.
        measure : {'mean', 'p90'}
            Of which of the two errors.

        Raises
        ------
        UsageError
            Where the budget buys no design.
        """
        affordable = [d for d in self.designs if d.cost_flop <= budget * (1 + 1e-9)]
        if not affordable:
            least = format_number(self.designs[0].cost_flop)
            raise UsageError(
                f"{format_number(budget)} FLOP buy no design; the cheapest costs {least} FLOP", hint="Raise the budget."
            )
        return min(affordable, key=lambda d: (d.error(measure), d.cost_flop))

    @property
    def source_of_errors(self) -> str:
        """What the outcomes were drawn from, in a sentence."""
        if not self.n_maps:
            return (
                "No other pairs of corpora are known, so outcomes were drawn from a prior: slopes, bends and scatter "
                "as between the corpora of arXiv:2411.12925."
            )
        return f"Outcomes were drawn from {format_plural(self.n_maps, 'map')} between corpora that are known."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table: dict[str, Any] = plain(
            {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("designs", "random")}
            | {name: [d.to_dict() for d in getattr(self, name)] for name in ("designs", "random", "pareto")}
        )
        return table

    def __repr__(self) -> str:
        lines = ["runs  largest   span  cost      map            mean    p90"]
        for d in self.pareto:
            lines.append(
                f"{d.count:4}  {format_number(d.largest_flop):8}  {format_factor(d.span):5} "
                f"{format_number(d.cost_flop):8}  {d.form:13}  {format_percent(d.mean_error):6}  "
                f"{format_percent(d.p90_error)}"
            )
        return "\n".join([*lines, self.source_of_errors, f"{self.simulations} simulations, seed {self.seed}"])
