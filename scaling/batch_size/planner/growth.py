"""How the critical batch size grows over a run, B_crit = k*t**q, from a fitted law or from coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError, VerdictError
from scaling.inputs import as_number
from scaling.verdicts import NOT_IDENTIFIED, OK

if TYPE_CHECKING:
    from scaling.batch_size.law_result import CriticalLaw

Array = NDArray[np.float64]

RATIO = "b/a, where steps and samples are twice the fewest"


@dataclass(frozen=True)
class Growth:
    """A critical batch size that grows as a power of the tokens.

    Parameters
    ----------
    k, q : float
        ``B_crit = k*t**q``, both in `unit`.
    replicates : ndarray (R, 2)
        Of the two; empty where there are none.
    unit : str
        Of the batch and of t: ``tokens``, or ``samples`` where those are counted.
    convention : str
        What counts as critical.
    ratio : bool
        Whether that is b/a, so that compute above the least follows from it.
    support : tuple of float
        Shortest and longest run that the law was fitted to, in `unit`.
    verdict : str
        Of the fit.
    reasons : tuple of str
        Behind the verdict.
    """

    k: float
    q: float
    replicates: Array = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    unit: str = "tokens"
    convention: str = RATIO
    ratio: bool = True
    support: tuple[float, float] = (0.0, math.inf)
    verdict: str = OK
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (0 < as_number(self.k) < math.inf and math.isfinite(as_number(self.q))):
            raise UsageError(
                f"a critical batch of {self.k}*t**{self.q} is none",
                hint="k is a finite number above 0, and q a finite one.",
            )


def growth_of(law: CriticalLaw, n_params: float | None = None, force: bool = False) -> Growth:
    """Take the growth from a law of the critical batch size.

    Parameters
    ----------
    law : CriticalLaw
        Over tokens, or over model size and tokens, with its batch in tokens.
    n_params : float, optional
        Parameters, for a law of both.
    force : bool, default False
        Take it even where the law is ``not identified``.

    Returns
    -------
    Growth

    Raises
    ------
    UsageError
        For a law that has no tokens in it, a missing model size, or a batch whose tokens are not known.
    VerdictError
        For a law that is not identified.
    """
    fit = law.fit
    if "q" not in fit.estimates or "D" not in fit.law.inputs:
        raise UsageError(
            f"the law '{fit.law.name}' does not say how the critical batch grows over a run",
            hint="Fit it over the tokens: law='critical_batch'.",
        )
    if fit.verdict == NOT_IDENTIFIED and not force:
        raise VerdictError(
            "the law of the critical batch is not identified, so there is no schedule: " + " ".join(law.reasons),
            hint="Add targets or sweeps; or ask with force.",
        )
    names = fit.law.parameter_names
    factor = law.factor("tokens")
    draws = np.concatenate([fit.theta[None], np.array(fit.replicates, float).reshape(-1, len(names))])
    k, q = draws[:, names.index("k")] * factor, draws[:, names.index("q")]
    if "N" in fit.law.inputs:
        if n_params is None or not (np.isfinite(n_params) and n_params > 0):
            raise UsageError("this law needs the model size as well", hint="Give n_params.")
        k = k * n_params ** draws[:, names.index("p")]
    low, high = fit.support["D"]
    return Growth(
        float(k[0]), float(q[0]), np.stack([k[1:], q[1:]], axis=1), "tokens", law.convention,
        law.record.get("overhead") is None and law.convention.startswith("b/a"), (low, high), law.verdict, law.reasons,
    )  # fmt: skip
