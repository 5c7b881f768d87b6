"""The scores that a set of examples can have: diversity of its spectrum, and every objective of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.value_data import Data
from db.value_options import option_kinds, read_options
from scaling.errors import ScalingError, UsageError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.store import Store

    Indices = NDArray[np.intp]

#: Scores of a spectrum: those with an order, and those without.
WITH_ORDER = ("vendi", "renyi", "tsallis", "leinster_cobbold")
SPECTRAL = (*WITH_ORDER, "von_neumann", "log_det")
_UNIT = ("cosine", "shifted_cosine", "relu_cosine")
_MEMORY = 4096  # spectra that are kept: those of one subset and its random ones, for all orders


@dataclass(frozen=True)
class Settings:
    """Kernel and approximations of diversity, and options of objectives.

    Parameters
    ----------
    kernel : str, optional
        Of the scores of a spectrum; the cosine by default, and of ``leinster_cobbold``, which needs similarities of 0
        or more, (1 + cosine)/2.
    truncate, landmarks, features : int, optional
        As `scaling.valuation.vendi` has them.
    bandwidth : float, optional
        Of the Gaussian kernel.
    ridge : float, default 1
        Of ``log_det``.
    options : sequence of str
        ``KEY=VALUE`` of the objectives that are named.
    queries, represent : str, optional
        Files of embeddings.
    """

    kernel: str | None = None
    truncate: int | None = None
    landmarks: int | None = None
    features: int | None = None
    bandwidth: float | None = None
    ridge: float = 1.0
    options: Sequence[str] = ()
    queries: str | None = None
    represent: str | None = None


@dataclass(frozen=True)
class Measure:
    """What is measured, and how.

    Parameters
    ----------
    objective : str
        Name of the score.
    order : float or None
        q, where it has one.
    score : callable
        Of the indices of a set.
    kernel, normalisation, method : str or None
        What the kernel is, what was divided by what, and how the number comes about.
    """

    objective: str
    order: float | None
    score: Callable[[Indices], float]
    kernel: str | None
    normalisation: str | None
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        order = "inf" if self.order is not None and math.isinf(self.order) else self.order
        return {
            "objective": self.objective,
            "order": order,
            "kernel": self.kernel,
            "normalisation": self.normalisation,
            "method": self.method,
        }


def measures_of(
    store: Store | None,
    data: Data,
    rows: NDArray[Any],
    size: int,
    *,
    objectives: Sequence[str],
    all_: bool,
    orders: Sequence[str],
    weights: NDArray[np.float64] | None,
    settings: Settings,
    seed: int,
    subset: bool,
) -> tuple[list[Measure], list[str]]:
    """Make what was asked for.

    Returns
    -------
    list of Measure
        In the order in which they were named.
    list of str
        What could not be scored, and why, where everything was asked for.

    Raises
    ------
    UsageError, InputDataError
        For what was named and cannot be scored.
    """
    from scaling.valuation.catalogue import OBJECTIVES
    from scaling.valuation.spectral.orders import as_order

    known = dict.fromkeys([*SPECTRAL, *OBJECTIVES])
    if bad := [name for name in objectives if name not in known]:
        raise UsageError(f"There is no score '{bad[0]}'.", did_you_mean(bad[0], known))
    if all_ and objectives:
        raise UsageError("Both all scores and some by name are asked for.", "Give --all, or --objective.")
    wanted = [as_order(q) for q in orders]
    names = list(known) if all_ else list(dict.fromkeys(objectives)) or ["vendi"]
    own = [name for name in names if name not in SPECTRAL]
    if settings.options and (all_ or len(own) != 1):
        raise UsageError("Options belong to one objective.", "Name one objective of the catalogue with --objective.")
    if weights is not None and own and not all_:
        raise UsageError(f"'{own[0]}' takes no weights of examples.", f"These do: {', '.join(SPECTRAL[:-1])}.")
    family = _Spectra(rows, weights, settings, seed)
    found: list[Measure] = []
    notes: list[str] = []
    for name in names:
        try:
            if name in SPECTRAL:
                found += [family.measure(name, q) for q in (wanted if name in WITH_ORDER else [None])]
            elif subset or not all_:
                found.append(_catalogued(store, data, rows, size, name, settings))
        except ScalingError as error:
            if not all_:
                raise
            notes.append(f"left out: {name}. {error.message}")
    if all_ and not subset:
        notes.append("objectives of the catalogue are scores of a subset; of all examples name one with --objective")
    return found, notes


class _Spectra:
    """Scores of the spectrum of a set, which is worked out once for all orders."""

    def __init__(self, rows: NDArray[Any], weights: NDArray[np.float64] | None, settings: Settings, seed: int) -> None:
        from scaling.valuation.spectral.spectrum import Way

        self.rows, self.weights, self.settings = rows, weights, settings
        self.way = Way(
            settings.kernel or "cosine",
            settings.truncate,
            settings.landmarks,
            settings.features,
            settings.bandwidth,
            seed,
        ).checked()
        self._known: dict[bytes, Any] = {}

    def of(self, members: Indices) -> Any:
        """Return the spectrum of a set."""
        from scaling.valuation.spectral.spectrum import spectrum_of

        key = np.asarray(members, np.int64).tobytes()
        if key not in self._known:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[key] = spectrum_of(self._rows(members), self._weights(members), self.way)
        return self._known[key]

    def measure(self, name: str, order: float | None) -> Measure:
        """Make a score; raises for a kernel that it cannot have."""
        from scaling.valuation.spectral.kernels import KERNELS
        from scaling.valuation.spectral.spectrum import Way

        if name in ("leinster_cobbold", "log_det"):
            kernel = self._kernel(name)
            if kernel not in (*KERNELS, "precomputed"):
                raise UsageError(
                    f"'{name}' does not know the kernel '{kernel}'.",
                    f"It knows: {', '.join((*KERNELS, 'precomputed'))}.",
                )
            if name == "log_det" and self.weights is not None:
                raise UsageError("'log_det' takes no weights of examples.", f"These do: {', '.join(SPECTRAL[:-1])}.")
            words = {"leinster_cobbold": "mean similarities, no eigenvalue", "log_det": self._ridge()}
            unit = "rows of length one" if kernel in _UNIT else "as given"
            return Measure(name, order, self._scorer(name, order), Way(kernel).words(), unit, words[name])
        return Measure(name, order, self._scorer(name, order), self.way.words(), self._normalisation(), self._method())

    def _scorer(self, name: str, order: float | None) -> Callable[[Indices], float]:
        from scaling.valuation.spectral import diversity
        from scaling.valuation.spectral.orders import hill_of, renyi_of, tsallis_of

        kernel = self._kernel(name)
        if name == "log_det":
            return lambda at: diversity.log_det_score(self._rows(at), self.settings.ridge, kernel=kernel)
        if name == "leinster_cobbold":
            assert order is not None
            return lambda at: diversity.leinster_cobbold(self._rows(at), order, self._weights(at), kernel=kernel)
        made = {"vendi": hill_of, "renyi": renyi_of, "tsallis": tsallis_of, "von_neumann": renyi_of}[name]
        q = 1.0 if order is None else order
        return lambda at: made(self.of(at).values, q)

    def _kernel(self, name: str) -> str:
        return self.settings.kernel or ("shifted_cosine" if name == "leinster_cobbold" else "cosine")

    def _rows(self, members: Indices) -> NDArray[Any]:
        if self.settings.kernel == "precomputed":
            if self.rows.shape[0] != self.rows.shape[1]:
                raise UsageError(f"A precomputed kernel is square; this one has shape {self.rows.shape}.")
            return np.asarray(self.rows)[np.ix_(members, members)]
        everything = len(members) == len(self.rows) and bool(np.all(np.diff(members) == 1))
        return self.rows if everything else np.asarray(self.rows[members])

    def _weights(self, members: Indices) -> NDArray[np.float64] | None:
        return None if self.weights is None else self.weights[members]

    def _normalisation(self) -> str:
        words = {"linear": "divided by the mean squared length of rows", "precomputed": "divided by its trace",
                 "gaussian": "values at zero distance are one"}  # fmt: skip
        return words.get(self.way.kernel, "rows of length one")

    def _method(self) -> str:
        said = "eigenvalues of the kernel over its trace"
        if self.settings.landmarks:
            said += f", {self.settings.landmarks} landmarks, seed {self.way.seed}"
        if self.settings.features:
            said += f", {self.settings.features} pairs of random features, seed {self.way.seed}"
        if self.settings.truncate:
            said += f", the {self.settings.truncate} largest kept"
        return said

    def _ridge(self) -> str:
        from scaling.formatting import format_number

        return f"log det(I + K/ridge), ridge {format_number(self.settings.ridge)}"


def _catalogued(
    store: Store | None, data: Data, rows: NDArray[Any], size: int, name: str, settings: Settings
) -> Measure:
    """Make the score of an objective of the catalogue."""
    from scaling.valuation.catalogue import make_objective

    kinds = option_kinds(name)
    files = {key: text for key, text in (("queries", settings.queries), ("represent", settings.represent))
             if key in kinds}  # fmt: skip
    options = read_options(store, data, name, settings.options, files)
    made = make_objective(name, rows, size, **options.values)
    if made.n != data.n:
        raise UsageError(f"The objective '{name}' has {made.n} candidates, and there are {data.n} examples.")
    told = made.describe()
    kernel = None if told.get("kernel") is None else str(told["kernel"])
    unit = None if kernel is None else "rows of length one" if kernel in _UNIT else "as given"
    given = [f"{key} {value}" for key, value in options.said.items()]
    method = ", ".join(["score of the objective", *given])
    return Measure(name, told.get("q"), made.score_of, kernel, unit, method)
