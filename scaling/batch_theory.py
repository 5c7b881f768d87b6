"""How the critical batch size grows on the problem of `scaling.sgd`: by theory, and by the fit of a simulated sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_plural
from scaling.sgd import check_exponents

if TYPE_CHECKING:
    from scaling.results import Fit
    from scaling.simulate_batches import SimulatedSteps

Array = NDArray[np.float64]

_FEWEST_BATCHES = 3  # one more than the law of the steps has parameters
_FEWEST_TARGETS = 3


@dataclass(frozen=True, eq=False)
class RecoveredLaw:
    """What a sweep says of the growth of the critical batch size.

    Parameters
    ----------
    target : ndarray (T,)
        Losses above the label noise, descending.
    fewest_steps, fewest_samples : ndarray (T,)
        a and b of ``a + b/B`` at each target.
    rms : ndarray (T,)
        Root mean square of the residuals of ln(steps).
    law : Fit
        The law ``critical_batch`` of the book, b/a over b.
    """

    target: Array
    fewest_steps: Array
    fewest_samples: Array
    rms: Array
    law: Fit

    @property
    def exponent(self) -> float:
        """Exponent of the critical batch size over the fewest samples."""
        return self.law.estimates["q"]


def known_batch_exponents(a: float, b: float, *, averaged: bool) -> dict[str, float]:
    """Say how steps, samples and the critical batch size ought to grow; derived in docs/batch_size_theory.md.

    Parameters
    ----------
    a, b : float
        Decay exponents of feature variance and signal, both above 1.
    averaged : bool
        For exponential averages of the weights, or for the last ones at a constant learning rate.

    Returns
    -------
    dict of str to float
        ``steps`` and ``samples``: fewest steps and fewest samples are the excess loss to minus these powers;
        ``critical``: the critical batch size is the fewest samples to this power.

    Raises
    ------
    UsageError
        If an exponent is not above 1.
    """
    check_exponents(a, b)
    steps = a / (b - 1)
    samples = max(b, a) / (b - 1) if averaged else (a + b - 1) / (b - 1)
    return {"steps": steps, "samples": samples, "critical": 1 - steps / samples}


def recover_critical_law(rows: Sequence[SimulatedSteps]) -> RecoveredLaw:
    """Fit ``a + b/B`` to the steps of every target, and then a law of b/a over b.

    Parameters
    ----------
    rows : sequence of SimulatedSteps
        From `scaling.simulate_batches.simulate_steps_to_targets`; targets that were not reached at a batch size count
        at the others.

    Returns
    -------
    RecoveredLaw

    Raises
    ------
    InputDataError
        With fewer than three batch sizes at a target, or fewer than three targets.
    """
    from scaling.fitting.fit import fit

    targets = sorted({row.target for row in rows}, reverse=True)
    if len(targets) < _FEWEST_TARGETS:
        raise InputDataError(
            f"a law over {format_plural(len(targets), 'target')} is not determined", hint="Simulate three or more."
        )
    found = []
    for target in targets:
        reached = [row for row in rows if row.target == target and np.isfinite(row.steps)]
        if len(reached) < _FEWEST_BATCHES:
            raise InputDataError(
                f"the target {target:g} was reached at {format_plural(len(reached), 'batch size')} of those tried",
                hint="Raise max_steps, or the target.",
            )
        inputs = {"B": [float(row.batch_size) for row in reached]}
        steps = [row.steps for row in reached]
        curve = fit("steps_to_target", inputs, steps, objective="squared", bootstrap=0)
        residual = np.log(steps) - np.log(curve.evaluate(inputs))
        found.append((curve.estimates["a"], curve.estimates["b"], float(np.sqrt(np.mean(residual**2)))))
    a, b, rms = np.array(found).T
    law = fit("critical_batch", {"D": b}, b / a, objective="squared", bootstrap=0)
    return RecoveredLaw(np.array(targets), a, b, rms, law)
