"""Quality weights of sources from runs on mixtures: one law, one weight a source, one fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_interval, format_number, format_plural
from scaling.laws.law import Law
from scaling.valuation.equivalence.token_curve import SOURCES

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]
_EXPONENT = {"low": 0.01, "high": 2, "screen": [0.05, 1.2]}
_SIZE = {"low": 1e-2, "high": 1e17}
_WEIGHT = {"low": 0, "high": 100, "screen": [0.1, 4]}


@dataclass(frozen=True)
class SourceWeights:
    """What a token of each source is worth, in tokens of the reference.

    Parameters
    ----------
    fit : Fit
        Of the law of sources; its ``settings["sources"]`` says which input and which weight belongs to which source,
        so it can be saved and asked by itself: `scaling.valuation.worth`, `allocate_pools`, `source_values`.
    """

    fit: Fit

    @property
    def reference(self) -> str:
        """The source whose weight is 1."""
        return str(self.fit.settings[SOURCES]["reference"])

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sources."""
        return tuple(self.fit.settings[SOURCES]["inputs"])

    @property
    def weights(self) -> dict[str, float]:
        """Of each source."""
        record = self.fit.settings[SOURCES]["weights"]
        return {name: self.fit.estimates[record[name]] if name in record else 1.0 for name in self.names}

    def interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of a weight; that of the reference has no width.

        Raises
        ------
        UsageError
            For an unknown source.
        """
        if name not in self.names:
            raise UsageError(f"there is no source '{name}'", did_you_mean(name, self.names))
        record = self.fit.settings[SOURCES]["weights"]
        return self.fit.interval(record[name], level) if name in record else (1.0, 1.0)

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """Return plain data; the whole fit is in `fit`."""
        from scaling.serial import plain

        ends = {name: self.interval(name, level) for name in self.names}
        out: dict[str, Any] = plain(
            {
                "reference": self.reference,
                "sources": [
                    {"source": name, "weight": weight, "weight_low": ends[name][0], "weight_high": ends[name][1]}
                    for name, weight in self.weights.items()
                ],
                "level": level,
                "interval_method": self.fit.interval_method,
                "formula": self.fit.law.formula,
                "n_obs": self.fit.n_obs,
                "verdict": self.fit.verdict,
                "reasons": self.fit.diagnostics.reasons,
            }
        )
        return out

    def __repr__(self) -> str:
        lines = [f"What a token is worth, in tokens of {self.reference} ({format_plural(self.fit.n_obs, 'run')})"]
        for name, weight in self.weights.items():
            if name != self.reference:
                lines.append(f"  {name}: {format_number(weight, 3)} ({format_interval(*self.interval(name))})")
        lines.append(f"  intervals: {self.fit.interval_method}; verdict: {self.fit.verdict}")
        return "\n".join([*lines, *(f"    {reason}" for reason in self.fit.diagnostics.reasons)])


def source_law(names: list[str], reference: str, sized: bool) -> tuple[Law, dict[str, dict[str, str]]]:
    """Write the law of sources as a formula.

    Parameters
    ----------
    names : list of str
        Of the sources.
    reference : str
        The one whose weight is 1.
    sized : bool
        Whether N is an input.

    Returns
    -------
    Law
        ``E + A/N**alpha + B/(D_ref + w_a*D_a + ...)**beta``, without the second term where there is no N.
    dict
        ``inputs`` and ``weights``: names in the formula by source.
    """
    plain = [re.sub(r"\W", "_", name) for name in names]
    if len(set(plain)) < len(plain):
        plain = [f"{name}_{i + 1}" for i, name in enumerate(plain)]
    inputs = {name: f"D_{letters}" for name, letters in zip(names, plain, strict=True)}
    weights = {name: f"w_{letters}" for name, letters in zip(names, plain, strict=True) if name != reference}
    mixed = " + ".join([inputs[reference], *(f"{weights[name]}*{inputs[name]}" for name in weights)])
    size = "A/N**alpha + " if sized else ""
    model = {"A": _SIZE | {"meaning": "size of the model term"}} if sized else {}
    bend = {"alpha": _EXPONENT | {"meaning": "exponent of the parameters"}} if sized else {}
    table = {
        "title": f"Chinchilla over {len(names)} sources" if sized else f"Power law over {len(names)} sources",
        "formula": f"E + {size}B/({mixed})**beta",
        "predicts": {"loss": "nats/token"},
        "inputs": ({"N": "parameters"} if sized else {}) | {v: f"tokens of {name}" for name, v in inputs.items()},
        "parameters": {
            "E": {"low": 0, "high": "1.25 * min(loss)", "meaning": "irreducible loss"},
            **model,
            "B": _SIZE | {"meaning": "size of the data term"},
            **bend,
            "beta": _EXPONENT | {"meaning": "exponent of the tokens"},
            **{w: _WEIGHT | {"meaning": f"worth of a token of {name}, in {reference}"} for name, w in weights.items()},
        },
        "note": "One weight a source, the same at every budget; tokens add up inside the power.",
    }
    return Law.from_dict("sources", table), {"inputs": inputs, "weights": weights}


def fit_source_weights(
    tokens: Mapping[str, ArrayLike],
    loss: ArrayLike,
    n_params: ArrayLike | None = None,
    *,
    reference: str | None = None,
    **options: Any,
) -> SourceWeights:
    """Find what a token of each source is worth from runs on different mixtures.

    Parameters
    ----------
    tokens : mapping of str to array_like (n,)
        Tokens of each source in each run; effective ones where a source was repeated, see `effective_tokens`.
    loss : array_like (n,)
        Of each run.
    n_params : array_like (n,), optional
        N of each run; without it, all are taken to have one size.
    reference : str, optional
        The source whose weight is 1; the one of the most tokens where missing.
    **options
        As of `scaling.fit`.

    Returns
    -------
    SourceWeights
        ``not identified`` where all runs have one mixture.

    Raises
    ------
    InputDataError
        For fewer than two sources, tokens that are negative, a run without any, or data that cannot be fitted.
    UsageError
        For an unknown reference.
    """
    from scaling.fitting.fit import fit

    columns = {str(name): np.atleast_1d(np.asarray(v, float)) for name, v in tokens.items()}
    if len(columns) < 2:
        raise InputDataError("weights compare sources, and there are fewer than two")
    names = list(columns)
    for name, values in columns.items():
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            raise InputDataError(f"the tokens of '{name}' must be finite numbers from 0 on")
    if len({v.shape for v in columns.values()}) > 1:
        raise InputDataError("sources have different numbers of runs")
    total = np.sum(list(columns.values()), axis=0)
    if np.any(total == 0):
        raise InputDataError(f"run {int(np.argmin(total))} has no tokens of any source")
    chosen = max(names, key=lambda name: float(columns[name].sum())) if reference is None else reference
    if chosen not in columns:
        raise UsageError(f"there is no source '{chosen}'", did_you_mean(chosen, names))
    law, record = source_law(names, chosen, n_params is not None)
    inputs: dict[str, ArrayLike] = {record["inputs"][name]: v for name, v in columns.items()}
    if n_params is not None:
        inputs["N"] = n_params
    made = fit(law, inputs, loss, **options)
    worth = np.sum([v * made.estimates.get(record["weights"].get(k, ""), 1.0) for k, v in columns.items()], axis=0)
    known = {"reference": chosen, "effective": [float(worth.min()), float(worth.max())]} | record
    return SourceWeights(replace(made, settings=made.settings | {SOURCES: known}))
