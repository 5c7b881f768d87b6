"""What each source of data is worth under a fitted law: Shapley and its relatives, with intervals, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.bands import replicate_interval
from scaling.errors import UsageError, did_you_mean
from scaling.fitting.checks import whole
from scaling.formatting import (
    format_factor,
    format_plural,
)
from scaling.inputs import check_level
from scaling.valuation.sources.law_utility import LawUtility, PerSource, law_utility
from scaling.valuation.sources.paths import aumann_shapley
from scaling.valuation.sources.semivalues import (
    MOST_PLAYERS,
    SEMIVALUES,
    coalition_weights,
    coalitions,
    exact_values,
    marginals_by_size,
    sample_marginals,
)
from scaling.valuation.sources.valued import SourceValues
from scaling.verdicts import EXTRAPOLATING, NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

METHODS = (*SEMIVALUES, "aumann_shapley")
_DIRECT = 2_000_000  # values of the law that are worked out coalition by coalition
_SAMPLED = 20_000_000  # the same for a sample of orders
_DEGREES = (16, 24, 48)  # of the polynomial in ln(tokens) that stands for the law of a replicate
_CLOSE = 1e-9  # of the utility of all: how far it may be off
_SAME = 1.05  # extrapolation factor from which a forecast says so


def source_values(
    fit: Fit,
    tokens: PerSource,
    n_params: float | None = None,
    *,
    base: float = 0.0,
    names: list[str] | None = None,
    weights: PerSource | None = None,
    unique: PerSource | None = None,
    decay: PerSource | None = None,
    methods: Sequence[str] = METHODS,
    beta: tuple[float, float] = (16.0, 1.0),
    level: float = 0.95,
    rounds: int | None = None,
    seed: int = 0,
    at: Mapping[str, float] | None = None,
    input_name: str | None = None,
    force: bool = False,
) -> SourceValues:
    """Divide what all sources take off the loss among them.

    Parameters
    ----------
    fit : Fit
        Of any law with tokens among its inputs, or of one of sources (`fit_source_weights`), whose weights and their
        uncertainty are then taken.
    tokens : mapping of str to float, or array_like (k,)
        Tokens of each source, repeats counted.
    n_params : float, optional
        N, where the law has it.
    base : float, default 0
        Tokens that are there without any source; most laws need some, for the loss of no data is infinite.
    names : list of str, optional
        Of the sources, where `tokens` has none.
    weights : mapping or array_like (k,), optional
        Tokens of the law that a token of each source is worth; 1 where missing.
    unique : mapping or array_like (k,), optional
        Unique tokens of each source, where its tokens are repeated: with `decay`, or with a law of repeated data.
    decay : float, mapping or array_like (k,), optional
        Repeats after which a token has lost 1 - 1/e of its worth.
    methods : sequence of str
        Among ``shapley``, ``banzhaf``, ``beta``, ``leave_one_out`` and ``aumann_shapley``; all where missing.
    beta : (float, float), default (16, 1)
        Of the Beta values; (1, 1) is Shapley.
    level : float, default 0.95
        Nominal coverage.
    rounds : int, optional
        Sample this many rounds of 2*k orders in place of all coalitions; 32 for more than 20 sources.
    seed : int, default 0
        Of the sample.
    at : mapping of str to float, optional
        Other inputs of the law.
    input_name : str, optional
        The input of the law that holds tokens, where it is not ``D``.
    force : bool, default False
        Answer even where the law is not identified.

    Returns
    -------
    SourceValues

    Raises
    ------
    InputDataError
        For tokens that are negative, sources that are unknown or named twice, or lengths that differ.
    UsageError
        For a law without tokens or without a finite loss at `base`, or an unknown method.
    VerdictError
        Where the law is not identified and `force` is not set.
    """
    check_level(level)
    if unknown := [name for name in methods if name not in METHODS]:
        raise UsageError(f"there is no method '{unknown[0]}' to value sources", did_you_mean(unknown[0], METHODS))
    game = law_utility(
        fit, tokens, n_params, base=base, names=names, weights=weights, unique=unique, decay=decay, at=at,
        input_name=input_name, force=force,
    )  # fmt: skip
    wanted = {name: coalition_weights(name, game.k, beta) for name in methods if name in SEMIVALUES}
    total = game.value(np.ones((1, game.k)))[:, 0]
    if not total[0] > 0:
        raise UsageError("the sources lower the loss by nothing, so there is nothing to divide")
    sampled = rounds is not None or game.k > MOST_PLAYERS
    errors: dict[str, Array] = {}
    if sampled and wanted:
        count = max(whole(32 if rounds is None else rounds, "the number of rounds"), 2)
        orders = 2 * count * game.k * (game.k + 1)
        rows = min(game.rows, max(1, _SAMPLED // orders))
        sample = sample_marginals(game.value, game.k, count, seed, rows)
        found = {name: sample.values(w) for name, w in wanted.items()}
        errors = {name: sample.standard_errors(w) for name, w in wanted.items()}
        if "leave_one_out" in wanted:  # a few coalitions, and no need to sample
            found["leave_one_out"], errors["leave_one_out"] = _left_out(game, total), np.zeros(game.k)
    elif wanted:
        marginals, orders = _enumerated(game), 1 << game.k
        found = {name: exact_values(marginals, w) for name, w in wanted.items()}
    else:
        found, orders = {}, 0
    if "aumann_shapley" in methods:
        found["aumann_shapley"] = aumann_shapley(game, total)
        errors |= {"aumann_shapley": np.zeros(game.k)} if errors else {}
    found = {name: found[name] for name in methods}
    least = min((len(v) for v in found.values()), default=game.rows)
    at_level = fit.percentile_level(level)
    low, high = replicate_interval(total[1:, None], at_level)
    factor = _factor(game)
    return SourceValues(
        names=game.names,
        tokens=game.tokens,
        base=float(game.base[0]),
        total=float(total[0]),
        total_interval=(float(np.ravel(low)[0]), float(np.ravel(high)[0])),
        values={name: v[0] for name, v in found.items()},
        intervals={name: replicate_interval(v[1:], at_level) for name, v in found.items()},
        sampling_errors=errors,
        beta=(float(beta[0]), float(beta[1])),
        level=level,
        extrapolation_factor=factor,
        method=_method(fit, least - 1, game.rows - 1),
        verdict=_verdict(fit, factor),
        law=fit.law.name,
        coalitions=orders,
        seed=seed,
    )


def _enumerated(game: LawUtility) -> Array:
    """Marginals by size (rows, k, k) of all coalitions, of as many rows as can be afforded.

    A semivalue is linear in the law. Where the law takes one sum of tokens, the same under all replicates, a polynomial
    in the logarithm of that sum stands for it, whose terms are valued once for all replicates.
    """
    members = coalitions(game.k)
    affordable = max(1, _DIRECT // len(members))
    if game.rows <= affordable:
        return _direct(game, members, game.rows)
    if game.same_sum and (fast := _by_polynomial(game, members)) is not None:
        return fast
    return _direct(game, members, affordable)


def _direct(game: LawUtility, members: Array, rows: int) -> Array:
    step = max(1, (1 << 22) // len(members))
    parts = [
        marginals_by_size(game.value(members, slice(i, min(i + step, rows))), game.k) for i in range(0, rows, step)
    ]
    return np.concatenate(parts)


def _by_polynomial(game: LawUtility, members: Array) -> Array | None:
    """Work out `_enumerated` from terms of a polynomial; None where none is close enough."""
    totals = game.totals(members)[0, :, 0]
    low, high = np.log(totals.min()), np.log(totals.max())
    for degrees in _DEGREES:
        angles = np.pi * (np.arange(degrees) + 0.5) / degrees
        nodes = np.exp(0.5 * (low + high) + 0.5 * (high - low) * np.cos(angles))
        law = -game.loss_of(nodes[None, :, None])
        terms = np.cos(np.outer(np.arange(degrees), angles))
        coefficients = np.linalg.solve(terms.T, law.T).T
        tail = np.abs(coefficients[:, -3:]).sum(axis=1)
        if np.all(tail <= _CLOSE * np.abs(law[:, 0] - law[:, -1])):
            break
    else:
        return None
    place = np.arccos(np.clip((2 * np.log(totals) - low - high) / (high - low), -1, 1))
    out = np.zeros((game.rows, game.k, game.k))
    for j in range(1, degrees):  # the constant term adds nothing to anyone
        out += coefficients[:, j, None, None] * marginals_by_size(np.cos(j * place)[None], game.k)
    out[:1] = _direct(game, members, 1)
    return out


def _left_out(game: LawUtility, total: Array) -> Array:
    """What the utility of all sources loses without each (rows, k)."""
    return total[:, None] - game.value(1 - np.eye(game.k))


def _factor(game: LawUtility) -> float:
    """How far the sum of all sources lies beyond the data of the law."""
    curve, whole_ = game.curve, game.totals(np.ones((1, game.k)))[0, 0]
    inputs = curve.inputs(np.log(whole_[:1]))
    if not game.additive:
        inputs |= dict.fromkeys(curve.follows, whole_[1:])
    return float(curve.extrapolation_factor(inputs)[0])


def _method(fit: Fit, used: int, there: int) -> str:
    if not there:
        return "none: the fit has no bootstrap replicates"
    if used < there:
        return f"{fit.interval_method}; the first {format_plural(used, 'replicate')} of them"
    return fit.interval_method


def _verdict(fit: Fit, factor: float) -> str:
    if fit.verdict == NOT_IDENTIFIED or not factor >= _SAME:
        return fit.verdict
    return f"{EXTRAPOLATING} {format_factor(factor)}"
