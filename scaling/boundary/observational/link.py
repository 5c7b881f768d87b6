"""The link from components to the score on a task: a sigmoid that may start above 0.

``score = chance + (1 - chance) * (shift + (1 - shift) * sigmoid(alpha + beta_1*PC1 + ...))``, with the shift between 0
and 0.2 (arXiv:2405.10938, section 3.4). `fit_link` fits it by the engine, with its verdict; `quick_fit` finds the same
optimum in milliseconds, for the many refits of a bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

MAX_SHIFT = 0.2  # arXiv:2405.10938
OBJECTIVES = ("squared", "huber")
_EDGE = 0.02  # how far scores are kept from 0 and 1 where their logit starts the search
_STEPS = 300  # evaluations; what needs more is running away to a step, where the score hardly changes any more
_TINY = 1e-300  # of a residual's slope


@dataclass(frozen=True)
class LinkSettings:
    """How a link is fitted.

    Parameters
    ----------
    chance : float
        Score of a guess, in [0, 1).
    objective : {'squared', 'huber'}
    delta : float
        Where ``huber`` turns linear, in units of the score above chance.
    max_shift : float
        Upper bound of the shift.
    """

    chance: float = 0.0
    objective: str = "squared"
    delta: float = 0.1
    max_shift: float = MAX_SHIFT

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise UsageError(f"a link is not fitted by '{self.objective}'", did_you_mean(self.objective, OBJECTIVES))
        if not 0 <= self.chance < 1:
            raise UsageError(
                f"the score of a guess is {self.chance:g}", hint="It lies between 0 and 1: 0.25 of four choices."
            )
        if not 0 <= self.max_shift < 1:
            raise UsageError(
                f"the shift cannot reach {self.max_shift:g}", hint="Give a bound from 0 to below 1; 0.2 is usual."
            )
        if not self.delta > 0:
            raise UsageError(f"a delta of {self.delta:g} is none", hint="Give one above 0.")

    def normalise(self, score: Array) -> Array:
        """Return scores above chance: 0 for a guess, 1 for all right."""
        return np.asarray((score - self.chance) / (1.0 - self.chance))

    def restore(self, normalised: Array) -> Array:
        """Return scores from what `normalise` made."""
        return np.asarray(self.chance + (1.0 - self.chance) * normalised)


@dataclass(frozen=True)
class Weights:
    """Parameters of a link: of the sigmoid's argument, and the shift below it."""

    alpha: float
    beta: Array
    shift: float
    objective: float

    def index(self, values: Array) -> Array:
        """Return the sigmoid's argument, shape (m,)."""
        return np.asarray(self.alpha + values @ self.beta)

    def normalised(self, values: Array) -> Array:
        """Return scores above chance."""
        return np.asarray(self.shift + (1.0 - self.shift) * _sigmoid(self.index(values)))


@dataclass(frozen=True)
class Link:
    """A fitted link.

    Parameters
    ----------
    fit : scaling.Fit
        Of the scores above chance, with its verdict; saved and printed as any other fit.
    settings : LinkSettings
    """

    fit: Fit
    settings: LinkSettings

    @property
    def alpha(self) -> float:
        """Intercept of the sigmoid's argument."""
        return self.fit.estimates["alpha"]

    @property
    def beta(self) -> Array:
        """Slope along each component, shape (K,)."""
        return np.array([self.fit.estimates[f"beta{k + 1}"] for k in range(len(self.fit.law.inputs))])

    @property
    def shift(self) -> float:
        """Where the sigmoid starts, above chance."""
        return self.fit.estimates.get("shift", 0.0)

    @property
    def weights(self) -> Weights:
        """The same, for many evaluations."""
        return Weights(self.alpha, self.beta, self.shift, self.fit.objective_value)

    def index(self, values: Array) -> Array:
        """Return the sigmoid's argument for components (m, K): one number a model, which orders them for this task."""
        return self.weights.index(values)

    def predict(self, values: Array) -> Array:
        """Return the score for components (m, K), shape (m,)."""
        return self.settings.restore(self.weights.normalised(values))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(
            {
                "alpha": self.alpha,
                "beta": self.beta,
                "shift": self.shift,
                "chance": self.settings.chance,
                "objective": self.settings.objective,
                "n_obs": self.fit.n_obs,
                "verdict": self.fit.verdict,
                "reasons": self.fit.diagnostics.reasons,
                "fit": self.fit.to_dict(),
            }
        )
        return table


def fit_link(
    values: ArrayLike,
    score: ArrayLike,
    *,
    settings: LinkSettings | None = None,
    families: Sequence[str] | None = None,
    bootstrap: int = 0,
    seed: int = 0,
) -> Link:
    """Fit the link from components to a task by the engine.

    Parameters
    ----------
    values : array_like (n, K)
        Components, as of `Components.values`.
    score : array_like (n,)
        Score on the task, between 0 and 1.
    settings : LinkSettings, optional
        No chance, squared errors and a shift up to 0.2 where missing.
    families : sequence of str (n,), optional
        Clusters of the covariance, and of the bootstrap.
    bootstrap : int, default 0
        Replicates of the link at these components.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    Link

    Raises
    ------
    InputDataError
        For lengths that differ, scores that are all equal, or fewer models than parameters.
    """
    from scaling.fitting.fit import fit

    chosen = LinkSettings() if settings is None else settings
    x, y = check_link(values, score)
    inputs = {f"PC{k + 1}": x[:, k] for k in range(x.shape[1])}
    argument = " + ".join(["alpha", *(f"beta{k + 1}*PC{k + 1}" for k in range(x.shape[1]))])
    shifted = chosen.max_shift > 0
    found = fit(
        f"shift + (1 - shift)*sigmoid({argument})" if shifted else f"sigmoid({argument})",
        inputs,
        chosen.normalise(y),
        objective=chosen.objective,
        delta=chosen.delta if chosen.objective == "huber" else None,
        residual="linear",
        groups=None if families is None else np.array(families),
        parameters={"shift": {"low": 0.0, "high": chosen.max_shift}} if shifted else None,
        bootstrap=bootstrap,
        seed=seed,
    )
    return Link(found, chosen)


def check_link(values: ArrayLike, score: ArrayLike) -> tuple[Array, Array]:
    """Check what a link is to be fitted to; see `fit_link`."""
    x, y = np.asarray(values, float), np.asarray(score, float)
    if x.ndim != 2 or y.shape != (len(x),):
        raise InputDataError(f"components of shape {x.shape} do not go with scores of shape {y.shape}")
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        raise InputDataError("a component or a score is not known", hint="Leave such models out.")
    if len(y) < x.shape[1] + 3:
        raise InputDataError(
            f"{len(y)} models with a score on the task do not fix the {x.shape[1] + 2} parameters of a link",
            hint="Take fewer components, or more models.",
        )
    if np.ptp(y) == 0:
        raise InputDataError(f"all {len(y)} models have the score {y[0]:g} on the task, so nothing can be learned")
    return x, y


def quick_fit(values: Array, score: Array, settings: LinkSettings, starts: Sequence[Array] = ()) -> Weights:
    """Find the optimum of a link by bounded least squares from a few starts.

    Parameters
    ----------
    values : ndarray (n, K)
    score : ndarray (n,)
    settings : LinkSettings
    starts : sequence of ndarray (K + 1,)
        Starting values of alpha and beta, beside those of a straight line through the logits; a flat curve where there
        are none.

    Returns
    -------
    Weights
    """
    from scipy.optimize import least_squares

    y = settings.normalise(score)
    k = values.shape[1]
    design = np.column_stack([np.ones(len(y)), values])
    logit = np.clip(y, _EDGE, 1.0 - _EDGE)
    straight = np.linalg.lstsq(design, np.log(logit / (1.0 - logit)), rcond=None)[0]
    flat = np.r_[0.0, np.full(k, 0.01)]
    top = max(settings.max_shift, 1e-9)  # the solver wants room between its bounds
    low, high = np.r_[np.full(k + 1, -np.inf), 0.0], np.r_[np.full(k + 1, np.inf), top]

    def residuals(p: Array) -> Array:
        return np.asarray(p[-1] + (1.0 - p[-1]) * _sigmoid(design @ p[:-1]) - y)

    def slopes(p: Array) -> Array:
        s = _sigmoid(design @ p[:-1])
        steep = np.maximum((1.0 - p[-1]) * s * (1.0 - s), _TINY)
        return np.column_stack([design * steep[:, None], 1.0 - s])

    best: Any = None
    for begin in [straight, *(starts or [flat])]:
        start = np.r_[begin, 0.1 * top]
        with np.errstate(all="ignore"):  # steps from a start at which nothing moves any more
            found = least_squares(
                residuals,
                start,
                slopes,
                bounds=(low, high),
                loss="linear" if settings.objective == "squared" else "huber",
                f_scale=settings.delta,
                max_nfev=_STEPS,
                ftol=1e-10,
                xtol=1e-10,
                gtol=1e-12,
            )
        if best is None or found.cost < best.cost:
            best = found
    return Weights(float(best.x[0]), best.x[1:-1], float(best.x[-1]), float(best.cost))


def _sigmoid(x: Array) -> Array:
    from scipy.special import expit

    return np.asarray(expit(x))
