"""By how much a law may be wrong in form, as a smooth error of the loss over ln N and ln D.

The bootstrap replicates of a fit all have its form, so they know no error of it. The error added here is a Gaussian
process. Inside the data it is 0; beyond them its standard deviation is a share of how much the law changes between the
edge of the data and the cell: the share that forecasts usually miss by, not that of the fit's own back-test, whose
misses also hold the error of the parameters, which the replicates have already. Cells that lie near each other share
the error, because a curve that leaves the law leaves it smoothly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.backtest import USUAL_SHARE
from scaling.fitting.rollout import change_beyond
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN
from scaling.results import Fit

Array = NDArray[np.float64]
Error = Callable[[Mapping[str, Array]], Array]

_LENGTH = 1.0  # of ln N and ln D, over which errors of form stay alike: see docs/planning.md for how it was chosen
_WAVES = 256  # cosines that stand for one draw of the process


@dataclass(frozen=True)
class FormError:
    """The error of form of one fit of a law of N and D.

    Parameters
    ----------
    fit : Fit
        The law.
    edge_flop : float
        Largest 6*N*D of its rows.
    share : float, default 0.12
        Standard deviation of the error, as a share of the change of the law beyond the data.
    """

    fit: Fit
    edge_flop: float
    share: float = USUAL_SHARE

    def size(self, cells: Mapping[str, Array]) -> Array:
        """Return its standard deviation at cells (m,), on the scale of the residuals: shape (m,)."""
        fit = self.fit
        factor = FLOP_PER_PARAMETER_TOKEN * cells["N"] * cells["D"] / self.edge_flop
        log, floor = fit.objective.residual == "log", fit.objective.floor
        powers = {"N": 0.5, "D": 0.5}
        return self.share * change_beyond(fit.law, fit.theta, cells, factor, powers, fit.support, log, floor)

    def covariance(self, cells: Mapping[str, Array]) -> Array:
        """Return its covariance between cells (m,): shape (m, m)."""
        places, size = _places(cells), self.size(cells)
        apart = np.sum((places[:, None] - places[None]) ** 2, axis=2)
        return np.asarray(np.outer(size, size) * np.exp(-apart / (2 * _LENGTH**2)))

    def draw(self, random: np.random.Generator) -> Error:
        """Draw one error: a function of cells (m,), so that all who ask meet the same one.

        Notes
        -----
        A sum of cosines of random directions and phases, whose covariance is that of the process (Rahimi & Recht 2007,
        "Random features for large-scale kernel machines").
        """
        waves = random.standard_normal((2, _WAVES)) / _LENGTH
        phases = random.uniform(0, 2 * np.pi, _WAVES)

        def error(cells: Mapping[str, Array]) -> Array:
            heights = np.cos(_places(cells) @ waves + phases).sum(axis=1)
            return np.asarray(self.size(cells) * np.sqrt(2 / _WAVES) * heights)

        return error


def _places(cells: Mapping[str, Array]) -> Array:
    return np.column_stack([np.log(cells["N"]), np.log(cells["D"])])
