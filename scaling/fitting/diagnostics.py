"""Judge a fit: named answers, and a verdict from a short list of words.

``ok``
    Nothing found that should stop you.
``weak``
    Usable inside the data; read the reasons before you extrapolate.
``not identified``
    The data do not determine the parameters. Many other values fit as well, and they disagree outside the data.
``extrapolating x37``
    Said of a forecast: the target lies 37 times beyond the data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_number
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

Array = NDArray[np.float64]

SPARE_ROWS = 3  # rows <= parameters + 3 leave too little to judge the law by
CONDITION_LIMIT = 1e7  # half the digits of a double: beyond it a direction is numerically undetermined
WIDE_LOG_ERROR = 3.0  # a standard error of 3 in ln(amplitude) is a factor of 20 either way
STRUCTURE_P = 1e-4
FEW_REPLICATES = 40  # fewer leave less than one replicate beyond each end of a 95 % interval


@dataclass(frozen=True)
class Diagnostics:
    """What is known about a fit, beyond its numbers.

    Parameters
    ----------
    converged : bool
        No step lowers the objective any more.
    starts, starts_at_optimum : int
        Starting values polished, and how many of them ended at the optimum.
    enough_rows : bool
        More rows than parameters + 3.
    constant_inputs : tuple of str
        Inputs that have one value in all rows.
    at_bound : tuple of str
        Parameters that a bound holds.
    condition_number : float
        Of the scaled Jacobian; see `scaling.fitting.intervals.Covariance`.
    largest_correlation : float
        Between two estimates, in size; `correlated` names the two.
    correlated : tuple of str
        The pair.
    wide : tuple of str
        Parameters that the data do not determine to better than a factor of 20 or to a quarter of their range.
    residual_rms : float
        Root mean square of the residuals, in the unit of the objective's residual.
    structure_p : float
        Chance of the trend (quadratic in the logarithms of the inputs) left in the residuals if there were none; NaN
        where there are too few rows to tell.
    replicates : int
        Bootstrap replicates.
    replicates_converged, replicates_at_bound : float
        Their shares; NaN without a bootstrap.
    groups : int
        Clusters that were resampled; 0 for single rows.
    """

    converged: bool
    starts: int
    starts_at_optimum: int
    enough_rows: bool
    constant_inputs: tuple[str, ...]
    at_bound: tuple[str, ...]
    condition_number: float
    largest_correlation: float
    correlated: tuple[str, ...]
    wide: tuple[str, ...]
    residual_rms: float
    structure_p: float
    replicates: int
    replicates_converged: float
    replicates_at_bound: float
    groups: int

    @property
    def well_conditioned(self) -> bool:
        """Whether every direction in the space of parameters is determined numerically."""
        return self.condition_number < CONDITION_LIMIT

    @property
    def optimum_is_repeatable(self) -> bool:
        """Whether more than one start found the optimum, or only one was asked for."""
        return self.starts_at_optimum > 1 or self.starts == 1

    @property
    def residuals_unstructured(self) -> bool:
        """Whether the residuals show no trend; True where there are too few rows to tell."""
        return not self.structure_p < STRUCTURE_P

    @property
    def bootstrap_sound(self) -> bool:
        """Whether nearly all replicates have an optimum inside the bounds; True without a bootstrap."""
        return not (self.replicates_converged < 0.98 or self.replicates_at_bound > 0.1)

    @property
    def undetermined(self) -> tuple[str, ...]:
        """Parameters that the data leave wide open, or that only a bound holds."""
        return (*self.wide, *self.at_bound)

    @property
    def enough_groups(self) -> bool:
        """Whether clusters, if there are any, are enough to be resampled."""
        return self.groups == 0 or self.groups >= 8

    @property
    def verdict(self) -> str:
        """One of ``ok``, ``weak``, ``not identified``."""
        if any(word == NOT_IDENTIFIED for word, _ in self.findings):
            return NOT_IDENTIFIED
        return WEAK if self.findings else OK

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return tuple(sentence for _, sentence in self.findings)

    @property
    def findings(self) -> list[tuple[str, str]]:
        """What was found, as pairs of the verdict it leads to and a sentence."""
        found = []

        def note(word: str, sentence: str) -> None:
            found.append((word, sentence))

        if not self.enough_rows:
            note(NOT_IDENTIFIED, f"There are too few rows: at most {SPARE_ROWS} more than parameters.")
        for name in self.constant_inputs:
            note(NOT_IDENTIFIED, f"All rows have the same {name}, so its effect cannot be seen.")
        if not self.well_conditioned and not self.constant_inputs:
            note(
                NOT_IDENTIFIED,
                "Some combination of parameters leaves the fit unchanged "
                f"(condition number {format_number(self.condition_number, 2)}).",
            )
        if self.replicates_converged < 0.8 or (self.replicates_at_bound > 0.5 and not self.at_bound):
            note(
                NOT_IDENTIFIED,
                "Drawn again, the rows give other parameters altogether: of the bootstrap replicates "
                f"{100 * self.replicates_converged:.0f} % converged "
                f"and {100 * self.replicates_at_bound:.0f} % ended at a bound.",
            )
        elif not self.bootstrap_sound:
            note(
                WEAK,
                f"Of the bootstrap replicates {100 * self.replicates_converged:.0f} % converged "
                f"and {100 * self.replicates_at_bound:.0f} % ended at a bound.",
            )
        if 0 < self.replicates < FEW_REPLICATES:
            note(WEAK, f"There are only {self.replicates} bootstrap replicates; ends of intervals rest on one or two.")
        if not self.converged:
            note(WEAK, "The optimum was not reached: steps still lower the objective, or the parameters run away.")
        if len(self.undetermined) > 1:
            note(
                NOT_IDENTIFIED, f"The data do not determine {_names(self.undetermined)}: wide open, or held by a bound."
            )
        elif self.at_bound:
            note(WEAK, f"A bound holds {self.at_bound[0]}; its error is not known.")
        elif self.wide and self.well_conditioned:
            note(WEAK, f"The data hardly determine {self.wide[0]}.")
        if not self.optimum_is_repeatable:
            note(WEAK, f"Only one of {self.starts} starts reached the optimum; there may be a better one.")
        if not self.residuals_unstructured:
            note(
                WEAK,
                "The residuals show a trend that chance would not leave "
                f"(p = {format_number(self.structure_p, 1)}): the law does not quite have the shape of the data.",
            )
        if not self.enough_groups:
            note(WEAK, f"There are only {self.groups} groups to resample; intervals from so few are too narrow.")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Diagnostics:
        """Read plain data back."""
        values: dict[str, Any] = {f.name: table[f.name] for f in fields(cls)}
        for key, value in values.items():
            values[key] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


def residual_structure(residuals: Array, weights: Array, inputs: dict[str, Array], p: int, rounding: float) -> float:
    """Test whether a trend is left in the residuals.

    Parameters
    ----------
    residuals, weights : ndarray (n,)
        Of the fit.
    inputs : dict of str to ndarray (n,)
        Of the law; logarithms are taken of positive ones.
    p : int
        Parameters already fitted.
    rounding : float
        Residuals of this size and below are rounding, in which patterns mean nothing.

    Returns
    -------
    float
        p value of an F test of all terms up to second order; NaN with fewer than 5 rows to spare. Residuals beyond four
        robust standard deviations are pulled in to there, so that single bad runs do not pose as a trend.

    Notes
    -----
    The law itself takes up part of any trend, so p is too large rather than too small: what it finds can be seen in a
    plot of the residuals. A test beyond the span of the Jacobian is sharper, but on the 240-row Chinchilla set it finds
    fault with every law of N and D in the book, for shapes that no plot shows.
    """
    from scipy.special import fdtrc

    n = len(residuals)
    centre = residuals - np.median(residuals)
    scale = 1.4826 * float(np.median(np.abs(centre)))
    if not scale > rounding:
        return float("nan")
    y = np.clip(centre, -4 * scale, 4 * scale)
    axes = []
    for values in inputs.values():
        x = np.log(values) if np.all(values > 0) else values
        spread = float(np.std(x))
        if spread > 0:
            axes.append((x - x.mean()) / spread)
    columns = [*axes, *(a * b for i, a in enumerate(axes) for b in axes[i:])]
    design = np.stack([np.ones(n), *columns], axis=1)
    rank = int(np.linalg.matrix_rank(design))
    spare = n - p - (rank - 1)
    if spare < 5 or rank < 2:
        return float("nan")
    root = np.sqrt(weights)
    solution, *_ = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)
    left = float(np.sum(weights * (y - design @ solution) ** 2))
    before = float(np.sum(weights * (y - np.average(y, weights=weights)) ** 2))
    if left <= 0:
        return 0.0
    return float(fdtrc(rank - 1, spare, (before - left) / (rank - 1) / (left / spare)))


def _names(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
