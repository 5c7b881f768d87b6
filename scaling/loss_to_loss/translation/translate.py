"""Translate a law: from one corpus to another, through a map of losses.

The answer rests on a loss that is *predicted* by the law of the old corpus, and not measured there. So it has that
law's own extrapolation error, which a map from a measured loss does not have (arXiv:2411.12925 measures it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import ScalingError, UsageError
from scaling.fitting.backtest import Backtest
from scaling.fitting.checks import Rows, check_rows
from scaling.fitting.compile import compile_value
from scaling.formatting import format_interval
from scaling.laws.law import Law
from scaling.loss_to_loss.translation.assembly import TranslatedLaw, assemble
from scaling.loss_to_loss.translation.backtest import of_inputs, seen_through, untested
from scaling.loss_to_loss.translation.draws import (
    Draws,
    bring_together,
    internal_covariance,
    map_rows,
)
from scaling.loss_to_loss.translation.optimum import optima
from scaling.loss_to_loss.translation.power_map import (
    PowerMap,
    compose,
    from_other_floor,
    is_exact,
    read_power_map,
    translate_kaplan,
)
from scaling.loss_to_loss.translation.rivals import translated_rivals
from scaling.results import Fit
from scaling.verdicts import WEAK

Array = NDArray[np.float64]

_UNTESTED = "came without a back-test"
_STEP = 1e-5  # of internal parameters, in the differences that carry a covariance through the exact translation


def translate(
    source_fit: Fit,
    pair_fit: Fit,
    inputs: Mapping[str, ArrayLike] | None = None,
    observed: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    seed: int = 0,
    paired: bool = False,
) -> Fit:
    """Translate a law to another corpus.

    Parameters
    ----------
    source_fit : Fit
        Of a law of the loss on the old corpus, such as L(N, D).
    pair_fit : Fit
        Of a map: a law with that loss as its one input, which gives the loss on the new corpus.
    inputs : mapping of str to array_like (n,), optional
        Inputs of the law, of runs on the new corpus, natural units.
    observed : array_like (n,), optional
        Their losses.
    groups : array_like (n,), optional
        Clusters of those runs; their rows share noise, which may pose as a trend of the residuals.
    seed : int, default 0
        Of what is drawn: which replicate of the map goes with which of the law, and which residual.
    paired : bool, default False
        Whether replicate i of both fits was drawn from the same units, so that they belong together.

    Returns
    -------
    Fit
        Of a law of the inputs of `source_fit`. Where that is Kaplan's law with a floor and the map is a shifted power
        law from the same floor, it is Kaplan's law again, exactly; otherwise the one formula put into the other. The
        compute-optimal N is that of the old corpus in either case, wherever the map rises.

        Its residuals are those of the runs given; without any they are residuals of the pairs with residuals of the
        law added (`scaling.loss_to_loss.translation.draws.mapped_scatter`), and `n_obs` counts the pairs. Its verdict
        is the worse of both, its reasons are those of both, and its rivals are those of the law through the map and of
        the map over the law. Its back-test is that of the law seen through the map, and what the map missed by in its
        own is added to the width of forecasts. A law or a map that came without one is taken to miss by what is usual,
        which the verdict says. The back-test of the translation itself needs the rows of both fits, see
        `scaling.loss_to_loss.translation.backtest.backtest_translation`.
        ``settings["translated"]`` says what it was made of.

    Raises
    ------
    UsageError
        Where the map is no law of one loss, was fitted over other losses or in another unit, or the formula gets too
        long.
    InputDataError
        For rows that do not fit the law, or on which the translated law has no value.

    References
    ----------
    Brandfonbrener et al. 2024, arXiv:2411.12925.

    Examples
    --------
    >>> import numpy as np, scaling
    >>> n, d = (x.ravel() for x in np.meshgrid(np.geomspace(2e7, 2e9, 7), np.geomspace(4e8, 3e10, 7)))
    >>> loss = 1.9 + ((6e7 / n) ** (0.4 / 0.5) + 9e8 / d) ** 0.5
    >>> old = scaling.fit("kaplan", {"N": n, "D": d}, loss, bootstrap=0, objective="squared")
    >>> floor = repr(old.estimates["E"])
    >>> other = 1.3 + 0.6 * (loss - 1.9) ** 1.1
    >>> a_map = scaling.fit(f"K*(x - {floor})**kappa + E_y", {"x": loss}, other, bootstrap=0, objective="squared")
    >>> new = translate(old, a_map)
    >>> round(new.estimates["alpha_N"], 6), round(new.estimates["E"], 6), new.settings["translated"]["way"]
    (0.44, 1.3, 'exact')
    """
    check_map(source_fit, pair_fit)
    made = translated_law(source_fit, pair_fit, seed, paired)
    rows = _rows(made.law, inputs, observed, groups, pair_fit)
    fit = assemble(source_fit, pair_fit, made, rows, seed)
    where = optima(source_fit, fit.law, fit.estimates)
    found = source_fit.backtest
    back = _untested(source_fit, pair_fit) if found is None else seen_through(found, pair_fit)
    fit = _said_untested(fit, source_fit, pair_fit)
    record = fit.settings["translated"] | {"optimum": where.to_dict(), "invariant": where.to_dict()["same"]}
    return replace(
        fit,
        backtest=back,
        rivals=translated_rivals(source_fit, pair_fit) if source_fit.rivals or pair_fit.rivals else (),
        settings=fit.settings | {"translated": record},
    )


def _untested(source: Fit, pair: Fit) -> Backtest | None:
    try:
        return untested(source, pair)
    except ScalingError:  # no input is the size of a run, so nothing tells how far a forecast goes
        return None


def _said_untested(fit: Fit, source: Fit, pair: Fit) -> Fit:
    """Add to the verdict of a translation that nobody knows how its law, or its map, extrapolates."""
    notes = []
    if source.backtest is None:
        notes.append(
            f"The law '{source.law.name}' {_UNTESTED}, so forecasts beyond its data take what laws of "
            "other sweeps missed by. Back-test it first: scaling backtest NAME, or dataclasses.replace(law, "
            "backtest=scaling.backtest_law(law, inputs, observed))."
        )
    if pair.backtest is None:
        notes.append(
            f"The map '{pair.law.name}' {_UNTESTED}, so forecasts beyond its pairs take what maps of "
            "losses usually miss by. scaling.loss_to_loss.fit_pairs holds pairs out."
        )
    known = fit.diagnostics
    return replace(fit, diagnostics=replace(known, concerns=(*known.concerns, *((WEAK, note) for note in notes))))


def without_untested(fit: Fit) -> Fit:
    """Take back what the verdict of a translation says of back-tests that law or map lack, as it has one of its own.

    Parameters
    ----------
    fit : Fit
        From `translate`.
    """
    known = fit.diagnostics
    left = tuple((word, said) for word, said in known.concerns if _UNTESTED not in said)
    return replace(fit, diagnostics=replace(known, concerns=left))


def check_map(source: Fit, pair: Fit) -> None:
    """Refuse a map that does not take the loss of a law.

    Raises
    ------
    UsageError
        Where one of the two is no fit, or the map has several inputs, another unit, or was fitted over losses that the
        law does not have.
    """
    for given, what in ((source, "law"), (pair, "map")):
        if not isinstance(given, Fit):
            raise UsageError(
                f"a {what} to translate with is a fit, not {type(given).__name__}",
                hint="Give what scaling.fit returned for the law, and scaling.loss_to_loss.fit_pairs for the map.",
            )
    if len(pair.law.inputs) != 1:
        raise UsageError(
            f"the law '{pair.law.name}' has the inputs {', '.join(pair.law.inputs)}, and a map has one, the loss of "
            "the other corpus",
            hint="Fit a map with scaling.loss_to_loss.fit_pairs.",
        )
    [(x, unit)] = pair.law.inputs.items()
    if {x} == set(source.law.inputs):
        raise UsageError(
            f"the law '{source.law.name}' is itself a law of {x}, and what is translated is a law of the size of a run",
            hint="Give a law of N and D first, and the map second.",
        )
    units = [text.removesuffix(", assumed") for text in (source.law.unit, unit)]
    if all(units) and units[0] != units[1]:
        raise UsageError(
            f"the law '{source.law.name}' is in {units[0]}, and the map takes {units[1]}",
            hint="Bring both to one unit first: nats/token and bits/byte differ by the tokenizer.",
        )
    (low, high), (first, last) = source.support[source.law.output], pair.support[x]
    if first > high or last < low:
        raise UsageError(
            f"the map was fitted over losses of {format_interval(first, last)}, and the law to losses of "
            f"{format_interval(low, high)}, so the loss that the map takes is not that of the law",
            hint="Give the map whose x is the loss that the law forecasts.",
        )


def translated_law(source: Fit, pair: Fit, seed: int, paired: bool) -> TranslatedLaw:
    """Translate the estimates, the replicates and the covariance of a law.

    Parameters
    ----------
    source, pair, seed, paired
        As of `translate`.

    Returns
    -------
    TranslatedLaw
    """
    draws = bring_together(source, pair, paired, np.random.SeedSequence(seed).spawn(2)[0])
    power = read_power_map(pair)
    if power is not None and is_exact(source, power):
        return _exact(source, pair, power, draws)
    made = compose(source.law, pair.law, source.support, pair.support)
    scales = (*source.log_scaled, *pair.log_scaled)
    p = len(source.theta)
    rows = np.hstack([draws.source, draws.pair])
    if len(rows):
        rows[_outside(source, pair, draws)] = np.nan
        spread = internal_covariance(scales, rows)
    else:
        spread = np.zeros((len(scales), len(scales)))
        spread[:p, :p], spread[p:, p:] = source.covariance, pair.covariance
    theta = np.concatenate([source.theta, pair.theta])
    return TranslatedLaw(made.law, theta, rows, spread, scales, False, draws)


def _outside(source: Fit, pair: Fit, draws: Draws) -> NDArray[np.bool_]:
    """Tell which replicates have no value at the smallest or the largest run of the law's own data."""
    ends = {name: np.array(source.support[name]) for name in source.law.inputs}
    values = map_rows(pair, source.evaluate(ends, draws.source), draws.pair)
    return np.asarray(np.isnan(values).any(axis=1))


def _exact(source: Fit, pair: Fit, power: PowerMap, draws: Draws) -> TranslatedLaw:
    """Translate Kaplan's law. A replicate of the source has a floor of its own, and the map is written from there."""
    assert isinstance(power.floor_x, float)
    floor, [x] = power.floor_x, pair.law.inputs
    names, others = source.law.parameter_names, pair.law.parameter_names
    where = names.index("E"), others.index(power.scale), others.index(power.exponent)

    def translated(laws: Array, maps: Array, moved: bool) -> Array:
        scale, exponent, low = maps[:, where[1]], maps[:, where[2]], power.floors_y(pair.law, maps)
        if moved:
            free = isinstance(power.floor_y, str)
            others = laws[:, where[0]]
            scale, exponent, low = from_other_floor(scale, exponent, low, floor, others, pair.support[x], free)
        out = translate_kaplan(source.law, laws, scale, exponent, low)
        out[np.isnan(out).any(axis=1)] = np.nan
        return out

    theta = translated(source.theta[None], pair.theta[None], False)[0]
    law = replace(source.law, unit=pair.law.unit)
    rows = np.empty((0, len(names)))
    if len(draws.source):
        rows = translated(draws.source, draws.pair, True)
        spread = internal_covariance(source.log_scaled, rows)
    else:
        spread = _carried(source, pair, lambda laws, maps: translated(laws, maps, True))
    return TranslatedLaw(law, theta, rows, spread, source.log_scaled, True, draws)


def _carried(source: Fit, pair: Fit, translated: Any) -> Array:
    """Carry both covariances through a translation, by differences on the internal scale."""
    one, two = (compile_value(fit.law, fit.log_scaled) for fit in (source, pair))
    start = np.concatenate([one.to_internal(source.theta), two.to_internal(pair.theta)])
    p = len(source.theta)
    step = np.diag(_STEP * np.maximum(np.abs(start), 1.0))

    def at(rows: Array) -> Array:
        return one.to_internal(translated(one.to_natural(rows[:, :p]), two.to_natural(rows[:, p:])))

    slopes = ((at(start + step) - at(start - step)) / (2 * np.diag(step)[:, None])).T
    whole = np.zeros((len(start), len(start)))
    whole[:p, :p], whole[p:, p:] = source.covariance, pair.covariance
    return np.asarray(slopes @ whole @ slopes.T)


def _rows(
    law: Law, inputs: Mapping[str, ArrayLike] | None, observed: ArrayLike | None, groups: ArrayLike | None, pair: Fit
) -> Rows | None:
    """Check the runs on the new corpus; nothing is fitted to them, so there may be few."""
    if inputs is None and observed is None:
        return None
    if inputs is None or observed is None:
        raise UsageError("runs on the new corpus need both their inputs and their losses")
    return check_rows(of_inputs(law), inputs, observed, pair.objective, None, groups)
