"""How far apart the boundaries of two groups of models lie, in compute."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.bands import replicate_interval
from scaling.boundary.data import Scores
from scaling.boundary.drift.again import drawn_by, expanded, fit_part, refit_part
from scaling.boundary.drift.law import draws, law_of_groups, ordinary_fit
from scaling.boundary.drift.rate import ComputeGain
from scaling.boundary.drift.search import Moved, moved_curve, same_shape
from scaling.boundary.inverse import reach
from scaling.boundary.settings import Settings
from scaling.boundary.solver import Optimum, curve
from scaling.formatting import format_number, format_percent, format_plural
from scaling.inputs import check_level
from scaling.serial import plain
from scaling.verdicts import NOT_IDENTIFIED, WEAK

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

_FEW_ABOVE = 5.0
_SHARES = np.linspace(0.1, 0.9, 5)


@dataclass(frozen=True)
class GroupGain:
    """The compute that belonging to the second of two groups of models is worth; see `compute_equivalent_gain`.

    Parameters
    ----------
    scores : Scores
        All models.
    second : ndarray of bool (n,)
        Which of them are of the second group.
    names : (str, str)
        What the groups are called.
    settings : Settings
        By what they were fitted.
    optima : tuple of Optimum
        Where searches ended, the best first: y0, rise, b, z_mid, and c between the groups.
    bootstrap, seed : int
        Replicates and their seed.
    """

    scores: Scores = field(repr=False)
    second: NDArray[np.bool_] = field(repr=False)
    names: tuple[str, str]
    settings: Settings
    optima: tuple[Optimum, ...] = field(repr=False)
    bootstrap: int
    seed: int

    @property
    def optimum(self) -> Optimum:
        """The best of `optima`."""
        return self.optima[0]

    @property
    def estimates(self) -> dict[str, float]:
        """y0, L, b, z_mid (log10 FLOP, of the first group) and c (decades)."""
        y0, rise, b, middle, c = self.optimum.theta.tolist()
        return {"y0": y0, "L": (1 - y0) * rise, "b": b, "z_mid": middle, "c": c}

    @cached_property
    def fit(self) -> Fit:
        """The two boundaries as an ordinary fit over C and whether a model is of the second group."""
        from scaling.boundary.judge import concerns_of

        law, t = law_of_groups(), self.second.astype(float)
        rows = Moved.of(self.scores, t, self.settings, law)
        made = ordinary_fit(
            law, {"second": t}, rows, self.scores, self.settings, list(self.optima), self.bootstrap, self.seed,
            {"groups": list(self.names)},
        )  # fmt: skip
        fitted = moved_curve(self.optimum.theta, self.scores.log10_compute, t)
        concerns = (*concerns_of(self.scores, self.settings, fitted), *self._concerns(rows))
        return replace(made, diagnostics=replace(made.diagnostics, concerns=concerns))

    def _concerns(self, rows: Moved) -> list[tuple[str, str]]:
        found = []
        for name, kept in zip(self.names, (~self.second, self.second), strict=True):
            n = int(kept.sum())
            beyond = n * min(self.settings.tau, 1 - self.settings.tau)
            if beyond < _FEW_ABOVE:
                found.append(
                    (NOT_IDENTIFIED if beyond < 1 else WEAK,
                     f"The {self.settings.tau:g} quantile of '{name}' rests on single models: of "
                     f"{format_plural(n, 'model')} {format_number(beyond, 2)} should lie above it.")
                )  # fmt: skip
        z = self.scores.log10_compute
        if max(z[self.second].min(), z[~self.second].min()) >= min(z[self.second].max(), z[~self.second].max()):
            found.append((NOT_IDENTIFIED, "The two groups have no compute in common, so which does better is unseen."))
        c = float(self.optimum.theta[4])
        if c <= rows.low[4] or c >= rows.high[4]:
            found.append((WEAK, f"The gain ended at its bound, {format_number(c)} orders of magnitude."))
        return found

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; `reasons` says why."""
        return self.fit.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return self.fit.diagnostics.reasons

    def gain(self, level: float = 0.9) -> ComputeGain:
        """Orders of magnitude of compute that the second group is ahead, with its interval."""
        check_level(level)
        if not self.bootstrap:
            method = "none: there are no bootstrap replicates"
            return ComputeGain(self.estimates["c"], math.nan, math.nan, level, method)
        low, high = self.fit.interval("c", level)
        return ComputeGain(self.estimates["c"], low, high, level, self.fit.interval_method)

    @cached_property
    def _apart(self) -> tuple[Array, Array, Array, Array]:
        """Boundaries of each group by itself (4,), and of replicates (B, 4)."""
        kept = (~self.second, self.second)
        one, two = (fit_part(self.scores, self.settings, k, f"'{n}'") for k, n in zip(kept, self.names, strict=True))
        if not self.bootstrap:
            return one, two, np.empty((0, 4)), np.empty((0, 4))
        weights = draws(self.scores, self.bootstrap, self.seed)
        again = [
            refit_part(self.scores, self.settings, k, theta, weights) for k, theta in zip(kept, (one, two), strict=True)
        ]
        return one, two, again[0], again[1]

    def by_score(self, score: Any = None, level: float = 0.9) -> list[dict[str, float]]:
        """Work out the gain at scores, from boundaries that were fitted to each group by itself.

        Parameters
        ----------
        score : array_like (k,), optional
            Scores; five between what both boundaries reach within the compute that both groups have where missing.
        level : float, default 0.9
            Nominal coverage.

        Returns
        -------
        list of dict
            ``score orders low high``: how many orders of magnitude less compute the second group needs; infinite where
            one of them never reaches the score, NaN where neither does. Where the two have one shape, all rows agree.
        """
        check_level(level)
        one, two, ones, twos = self._apart
        z = self.scores.log10_compute
        if score is None:
            ends = [max(z[self.second].min(), z[~self.second].min()), min(z[self.second].max(), z[~self.second].max())]
            levels = np.stack([curve(theta, np.array(ends)) for theta in (one, two)])
            low, high = levels[:, 0].max(), levels[:, 1].min()
            score = low + _SHARES * (high - low) if high > low else np.empty(0)
        rows = []
        for s in np.atleast_1d(np.asarray(score, float)):
            at, again = _less(one, two, s), _less(ones, twos, s)
            low, high = replicate_interval(again[~np.isnan(again)][:, None], expanded(level, self.scores.groups))
            rows.append({"score": float(s), "orders": float(at), "low": float(low[0]), "high": float(high[0])})
        return rows

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Return plain data: the gain, the same by score, verdict and reasons."""
        table: dict[str, Any] = plain(
            {
                "first": self.names[0],
                "second": self.names[1],
                "n_first": int((~self.second).sum()),
                "n_second": int(self.second.sum()),
                "tau": self.settings.tau,
                "kappa": self.settings.kappa,
                "preset": self.settings.preset,
                "estimates": self.estimates,
                "gain": self.gain(level).to_dict(),
                "by_score": self.by_score(level=level),
                "bootstrap": self.bootstrap,
                "seed": self.seed,
                "verdict": self.verdict,
                "reasons": list(self.reasons),
                "notes": list(self.scores.notes),
            }
        )
        return table

    def summary(self, level: float = 0.9) -> str:
        """Return the gain as a report in plain text."""
        lines = [
            f"What it is worth in compute to be '{self.names[1]}' ({format_plural(int(self.second.sum()), 'model')}) "
            f"rather than '{self.names[0]}' ({int((~self.second).sum())}), by the boundary below which "
            f"{format_percent(self.settings.tau)} of the models lie",
            *self.scores.notes,
            "",
            f"one shape, moved: {self.gain(level)}",
            "each by itself:",
        ]
        for row in self.by_score(level=level):
            band = (
                "" if math.isnan(row["low"]) else f"  {format_number(row['low'], 2)} to {format_number(row['high'], 2)}"
            )
            lines.append(f"  at a score of {format_number(row['score'], 3)}: {format_number(row['orders'], 2)}{band}")
        lines += ["", f"intervals: {drawn_by(self.scores, self.bootstrap, self.seed)}", f"verdict: {self.verdict}"]
        return "\n".join([*lines, *(f"  - {reason}" for reason in self.reasons)])

    def predict(self, log10_compute: Any, second: bool) -> Array:
        """The boundary of one of the groups at log10 compute, in its shape."""
        z = np.asarray(log10_compute, float)
        return curve(same_shape(self.optimum.theta, np.asarray(float(second))), z.ravel()).reshape(z.shape)

    def __repr__(self) -> str:
        return self.summary()


def _less(one: Array, two: Array, score: float) -> Array:
    """Log10 compute by which boundaries `two` (..., 4) reach a score earlier than `one` do."""
    with np.errstate(invalid="ignore"):
        return np.asarray(reach(one, score) - reach(two, score))
