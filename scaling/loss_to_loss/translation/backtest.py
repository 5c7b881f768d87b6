"""Back-tests of a translation: forecasts of runs on the new corpus from a loss that the law of the old one predicts.

The largest budgets are held out on both corpora at once. What the law of the old corpus misses when it extrapolates is
in the errors then, and so in the width of the next forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, ScalingError, UsageError
from scaling.fitting.backtest import Backtest, Step
from scaling.fitting.checks import Rows, check_rows
from scaling.fitting.fit import fit as fit_law
from scaling.fitting.rollout import (
    LADDER,
    Axis,
    change_beyond,
    evaluate,
    find_axis,
    find_cuts,
    find_units,
    trimmed,
    why_no_cuts,
    why_not,
)
from scaling.formatting import format_number, format_plural
from scaling.inputs import check_level
from scaling.laws.law import Law
from scaling.laws.parameter import Parameter
from scaling.loss_to_loss.translation.draws import typical_error
from scaling.loss_to_loss.translation.power_map import is_exact, read_power_map
from scaling.results import Fit

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SAME = 1 + 1e-6  # budgets that should be equal differ in rounding
_PARTS = (
    "cut", "row", "unit", "compute", "factor", "observed", "predicted", "error", "change", "scatter", "low", "high",
)  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """Runs on one corpus.

    Parameters
    ----------
    inputs : mapping of str to array_like (n,)
        N and D, natural units.
    observed : array_like (n,)
        Their losses.
    groups : array_like (n,), optional
        Their clusters.
    """

    inputs: Mapping[str, ArrayLike]
    observed: ArrayLike
    groups: ArrayLike | None = None


@dataclass(frozen=True)
class PairRows:
    """Pairs that a map is fitted to.

    Parameters
    ----------
    x, y : array_like (n,)
        The loss on the old corpus, and that on the new one.
    budget : array_like (n,)
        Training compute of each pair, 6*N*D in FLOP.
    groups : array_like (n,), optional
        Their clusters.
    """

    x: ArrayLike
    y: ArrayLike
    budget: ArrayLike
    groups: ArrayLike | None = None


def backtest_translation(
    source_fit: Fit,
    pair_fit: Fit,
    source: Runs,
    pairs: PairRows,
    target: Runs,
    *,
    level: float = 0.9,
    bootstrap: int = 100,
    seed: int = 0,
    steps: Sequence[float] = LADDER,
) -> Backtest:
    """Hold out the largest budgets, fit law and map to the rest, translate, and forecast the new corpus' held-out runs.

    Parameters
    ----------
    source_fit, pair_fit : Fit
        The law and the map, whose forms and objectives are fitted again at every cut-off.
    source : Runs
        What the law was fitted to.
    pairs : PairRows
        What the map was fitted to.
    target : Runs
        Runs on the new corpus.
    level : float, default 0.9
        Nominal coverage of the intervals.
    bootstrap : int, default 100
        Replicates of either fit behind each interval.
    seed : int, default 0
        Of the replicates and of what `scaling.loss_to_loss.translate` draws.
    steps : sequence of float
        The largest compute of the new corpus is divided by these to give the cut-offs.

    Returns
    -------
    Backtest
        Rows are those of `target`. To be put into the translated fit: ``dataclasses.replace(fit, backtest=...)``.

    Raises
    ------
    UsageError
        For a law that is not of N and D, or fits with weights, which they do not keep.
    InputDataError
        For rows that cannot be used.

    Notes
    -----
    A map whose floor is the E of the law takes the E of each refit. Another floor that is a number stays as it is:
    where it was found with the help of the runs that are held out here, the back-test flatters the translation.
    """
    from scaling.loss_to_loss.translation.translate import check_map

    check_level(level)
    check_map(source_fit, pair_fit)
    for fit in (source_fit, pair_fit):
        if fit.settings.get("weighted"):
            raise UsageError(f"the fit of '{fit.law.name}' was made with weights, which it does not keep")
    law, [x_name] = source_fit.law, pair_fit.law.inputs
    old = check_rows(law, source.inputs, source.observed, source_fit.objective, None, source.groups)
    both = check_rows(pair_fit.law, {x_name: pairs.x}, pairs.y, pair_fit.objective, None, pairs.groups)
    new = check_rows(of_inputs(law), target.inputs, target.observed, pair_fit.objective, None, target.groups)
    budget = np.asarray(pairs.budget, float)
    if budget.shape != (both.n,) or not np.all(np.isfinite(budget) & (budget > 0)):
        raise InputDataError(f"budgets of the pairs must be {both.n} finite numbers above 0, one a pair")
    axis, units = find_axis(law, new.inputs), find_units(new.groups, new.n)
    if axis.name != "6*N*D":
        raise UsageError(f"the law '{law.name}' is not one of N and D, and budgets are 6*N*D", hint="Such as kaplan.")
    compute = find_axis(law, old.inputs).values
    trim = str(source_fit.settings.get("trim", "none"))
    log = bool(np.all(new.observed > 0))
    parts: dict[str, list[Any]] = {name: [] for name in _PARTS}
    skipped: list[tuple[float, str]] = []
    for cut in find_cuts(axis.values, units, steps):
        edge = cut.edge * _SAME
        left = np.flatnonzero(compute <= edge)
        kept = np.zeros(old.n, bool)
        if len(left):
            kept[left[trimmed(trim, compute[left], old.observed[left])]] = True
        try:
            fitted = _refitted(source_fit, pair_fit, (old, kept), (both, budget <= edge), bootstrap, seed)
        except InputDataError as error:
            skipped.append((cut.edge, error.message))
            continue
        typical = float(np.median(both.observed[budget <= edge]))
        found: dict[str, Any] = _forecast(fitted, new, np.flatnonzero(cut.held), cut.edge, axis, level, log)
        found |= {
            "cut": np.full(len(found["row"]), cut.edge),
            "unit": units[cut.held],
            "scatter": np.full(len(found["row"]), typical_error(fitted.objective, fitted.residuals, typical, log)),
        }
        for name, values in found.items():
            parts[name].append(values)
    if not parts["cut"] and not skipped:
        skipped.append((float(axis.values.max()), why_no_cuts(axis, units)))
    columns: dict[str, Any] = {k: np.concatenate(v) if v else np.empty(0) for k, v in parts.items()}
    columns |= {name: columns[name].astype(np.int64) for name in ("row", "unit")}
    return Backtest(
        law=f"{law.name} translated by {pair_fit.law.name}",
        objective=f"{source_fit.objective}, then {pair_fit.objective}",
        axis=axis.name, level=level, n_rows=new.n, log=log, skipped=tuple(skipped), seed=seed, powers=axis.inputs,
        edge=float(axis.values.max()), steps=() if parts["cut"] else (map_step(pair_fit),), **columns,
    )  # fmt: skip


def _refitted(
    source: Fit, pair: Fit, old: tuple[Rows, Mask], both: tuple[Rows, Mask], bootstrap: int, seed: int
) -> Fit:
    """Fit law and map again to what lies up to a cut-off, and translate; refused where too little does."""
    from scaling.loss_to_loss.translation.assembly import assemble
    from scaling.loss_to_loss.translation.translate import translated_law

    for fit, (rows, left), where in ((source, old, "old corpus"), (pair, both, "pairs")):
        if reason := why_not(fit.law, rows.inputs, left, find_units(rows.groups, rows.n)):
            raise InputDataError(f"of the {where}, {reason}")
    refitted = _fit(source.law, source, *old, bootstrap, seed)
    form, power = pair.law, read_power_map(pair)
    if power is not None and is_exact(source, power):
        floor = refitted.estimates["E"]
        losses = both[0].inputs[next(iter(form.inputs))][both[1]]
        if below := int(np.sum(losses <= floor)):
            count = format_plural(below, "pair")
            raise InputDataError(f"the floor of the old corpus from there, {format_number(floor)}, is above {count}")
        form = replace(form, formula=power.formula(floor))
    mapped = _fit(form, pair, *both, bootstrap, seed)
    return assemble(refitted, mapped, translated_law(refitted, mapped, seed, False), None, seed)


def _fit(law: Law, like: Fit, rows: Rows, left: Mask, bootstrap: int, seed: int) -> Fit:
    resample = None if rows.groups is not None or like.settings.get("grouped") else like.settings.get("resample")
    return fit_law(
        law, {k: v[left] for k, v in rows.inputs.items()}, rows.observed[left], objective=like.objective,
        bootstrap=bootstrap, seed=seed, groups=None if rows.groups is None else rows.groups[left],
        penalty=like.settings.get("penalty"), resample=resample,
    )  # fmt: skip


def _forecast(
    fitted: Fit, new: Rows, held: NDArray[np.int64], edge: float, axis: Axis, level: float, log: bool
) -> dict[str, Any]:
    """Forecast held-out runs, one column a part of `Backtest`."""
    aim = {k: v[held] for k, v in new.inputs.items()}
    predicted, observed = fitted.evaluate(aim)[0], new.observed[held]
    factor = axis.values[held] / edge
    low, high = _interval(fitted, aim, level)
    change = change_beyond(fitted.law, fitted.theta, aim, factor, axis.inputs, fitted.support, log)
    return {
        "row": held, "compute": axis.values[held], "factor": factor, "observed": observed, "predicted": predicted,
        "error": _error(predicted, observed, log), "change": change, "low": low, "high": high,
    }  # fmt: skip


def seen_through(found: Backtest, pair: Fit) -> Backtest:
    """See the back-test of a law through a map: what it missed on the old corpus, as losses of the new one.

    Parameters
    ----------
    found : Backtest
        Of the law.
    pair : Fit
        The map.

    Returns
    -------
    Backtest
        Observations are mapped as forecasts are, so the errors are those of the law alone; what the map misses by is in
        `Backtest.steps`. Held-out runs that the map has no value for are left out, and counted in `Backtest.skipped`.
    """
    observed = _mapped(pair, found.observed)
    keep = np.isfinite(observed)
    observed, n = observed[keep], int(np.sum(~keep))
    log = found.log and bool(np.all(observed > 0))
    predicted = _mapped(pair, found.predicted[keep])
    ends = np.stack([_mapped(pair, end[keep]) for end in (found.low, found.high)])
    before = found.predicted[keep]

    def away(size: Array) -> Array:
        """Size of a step of the law upwards, such as a change, as it looks through the map."""
        with np.errstate(all="ignore"):
            there = _mapped(pair, before * np.exp(size) if found.log else before + size)
            return np.asarray(np.abs(np.log(there / predicted) if log else there - predicted))

    skipped = found.skipped
    if n:
        text = f"{format_plural(n, 'forecast')} left out: the map '{pair.law.name}' has no value for what was observed"
        skipped = (*skipped, (float(found.cut[~keep].max()), text))
    columns = {name: getattr(found, name)[keep] for name in ("cut", "row", "unit", "compute", "factor")}
    columns["n_rows"] = 0  # its rows are not those of the fit that carries it
    return replace(
        found, law=f"{found.law} seen through the map {pair.law.name}", log=log, observed=observed, predicted=predicted,
        low=ends.min(axis=0), high=ends.max(axis=0), error=_error(predicted, observed, log),
        change=np.nan_to_num(away(found.change[keep])), scatter=np.nan_to_num(away(found.scatter[keep])),
        skipped=skipped, steps=(map_step(pair),), **columns,
    )  # fmt: skip


def untested(source: Fit, pair: Fit) -> Backtest:
    """A back-test without a forecast, for a law that came without one: its forecasts miss by what is usual.

    Parameters
    ----------
    source, pair : Fit
        The law and the map.

    Returns
    -------
    Backtest
        With what the map misses by in `Backtest.steps`.

    Raises
    ------
    UsageError
        For a law of which no input is the size of a run.
    """
    ends = {name: np.array(source.support[name]) for name in source.law.inputs}
    axis = find_axis(source.law, ends)
    edge = source.support.get(axis.name, (np.nan, float(axis.values.max())))[1]
    nothing, none = np.empty(0), np.empty(0, np.int64)
    columns: dict[str, Any] = {name: none if name in ("row", "unit") else nothing for name in _PARTS}
    return Backtest(
        law=f"{source.law.name} seen through the map {pair.law.name}", objective=str(source.objective), axis=axis.name,
        level=0.9, n_rows=0, log=pair.support[pair.law.output][0] > 0, powers=axis.inputs, edge=edge,
        skipped=((edge, "the law came without a back-test of its own"),), steps=(map_step(pair),), **columns,
    )  # fmt: skip


def map_step(pair: Fit) -> Step:
    """Say what a map misses by, beside what the law misses that it is put over.

    Parameters
    ----------
    pair : Fit
        The map.

    Returns
    -------
    Step
        By its own back-test; by what maps usually miss by, where it came without one.
    """
    from scaling.loss_to_loss.pairs import USUAL_MAP

    found = pair.backtest
    share, degrees = (USUAL_MAP.share, USUAL_MAP.cuts) if found is None else (found.missed_share(), found.share_degrees)
    [x] = pair.law.inputs
    ends = _mapped(pair, np.array(pair.support[x]))
    low, high = pair.support[pair.law.output]
    low, high = np.where(np.isfinite(ends), ends, [low, high]).tolist()
    return Step(f"the map {pair.law.name}", share, degrees, min(low, high), max(low, high))


def _mapped(pair: Fit, losses: Array) -> Array:
    """Work a map out at losses (m,) of which some may be no numbers."""
    out = np.full(len(losses), np.nan)
    fine = np.isfinite(losses) & (losses > 0)
    if fine.any():
        out[fine] = evaluate(pair.law, pair.theta, {next(iter(pair.law.inputs)): losses[fine]})
    return out


def _error(predicted: Array, observed: Array, log: bool) -> Array:
    with np.errstate(all="ignore"):
        error = np.log(predicted) - np.log(observed) if log else predicted - observed
    error[~np.isfinite(error)] = np.nan
    return np.asarray(error)


def _interval(fitted: Fit, target: Mapping[str, Array], level: float) -> tuple[Array, Array]:
    try:
        prediction = fitted.predict(target, level=level, force=True)
    except ScalingError:
        unknown = np.full(len(next(iter(target.values()))), np.nan)
        return unknown, unknown
    return np.asarray(prediction.low, float), np.asarray(prediction.high, float)


def of_inputs(law: Law) -> Law:
    """A law of the same inputs and one parameter: rows are checked against it that nothing is fitted to."""
    return Law(law.name, law.title, " + ".join([*law.inputs, "t_"]), dict(law.inputs), (Parameter("t_"),), law.output)
