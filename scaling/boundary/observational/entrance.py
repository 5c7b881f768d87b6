"""Observational scaling in one call: components, their number, the link, the test, and compute of equal worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from scaling.boundary.observational.analysis import Analysis, Forecast
from scaling.boundary.observational.components import PUBLISHED, Components, check_draws, expanded_level, fit_components
from scaling.boundary.observational.equivalent import REFERENCE, EquivalentCompute, equivalent_compute
from scaling.boundary.observational.heldout import Rehearsal, contest, hold_against, leave_largest_out
from scaling.boundary.observational.imputation import refuse_empty_rows
from scaling.boundary.observational.link import MAX_SHIFT, Link, LinkSettings, fit_link
from scaling.boundary.observational.pipeline import COMPUTE, CONSTANT, Refits, enough, forecasts, label, learn, refit
from scaling.boundary.observational.table import Array, Mask, Table, read_table
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.inputs import check_level

#: Settings of arXiv:2405.10938.
PRESETS = {"ruan2024": 3}
_SAME = 1e-9  # in log10 FLOP: a model at the cutoff is below it, however its product was rounded


def analyse(
    scores: ArrayLike,
    task: ArrayLike,
    log10_compute: ArrayLike,
    families: Sequence[str],
    *,
    benchmarks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    cutoff_flop: float | None = None,
    n_components: int | None = None,
    preset: str | None = None,
    chance: float = 0.0,
    objective: str = "squared",
    delta: float = 0.1,
    max_shift: float = MAX_SHIFT,
    rank: int = 1,
    reference: str = REFERENCE,
    bootstrap: int = 200,
    level: float = 0.9,
    seed: int = 0,
) -> Analysis:
    """Forecast a task from benchmarks, and say whether that beats compute alone.

    Parameters
    ----------
    scores : array_like (n, d)
        Scores on the benchmarks, shares between 0 and 1; NaN where a model was not evaluated.
    task : array_like (n,)
        Score on the task, which must not be one of the benchmarks; NaN where it is not known. Models without it still
        shape the components.
    log10_compute : array_like (n,)
        log10 of the training compute in FLOP; NaN where it is not known.
    families, models : sequence of str (n,)
        Names. The bootstrap draws families whole.
    benchmarks : sequence of str (d,), optional
        Names.
    cutoff_flop : float, optional
        Models up to this compute train, all others test: those of unknown compute too, as in arXiv:2405.10938, though
        they are no part of the comparison with compute. Without it all models train, and nothing is tested but what
        leaving the largest out tells.
    n_components : int, optional
        Where missing, the number that forecasts the largest training models best from the smaller ones.
    preset : {'ruan2024'}, optional
        3 components, as arXiv:2405.10938 takes for every task.
    chance : float, default 0
        Score of a guess: 0.25 for four choices.
    objective : {'squared', 'huber'}, default 'squared'
    delta : float, default 0.1
        Where ``huber`` turns linear.
    max_shift : float, default 0.2
        How far above chance the sigmoid may start.
    rank : int, default 1
        Components that missing scores are filled in by; 0 for means.
    reference : str, default 'Llama-2'
        Family that compute of equal worth is measured in.
    bootstrap : int, default 200
        Replicates; 0 for no intervals.
    level : float, default 0.9
        Nominal coverage of intervals.
    seed : int, default 0
        Recorded.

    Returns
    -------
    Analysis

    Raises
    ------
    InputDataError
        For scores that are no shares, models or benchmarks with nothing observed, too few models on the training side,
        or none.
    UsageError
        For settings that make no sense.
    """
    check_level(level)
    bootstrap, seed = check_draws(bootstrap, seed)
    table = read_table(scores, task, log10_compute, families, benchmarks, models)
    refuse_empty_rows(table.scores, table.models)
    settings = LinkSettings(chance, objective, delta, max_shift)
    train = _training(table, cutoff_flop)
    most = min(PUBLISHED, table.scores.shape[1], int(train.sum()) - 1)
    asked = _asked(n_components, preset)
    if asked is not None and not 1 <= asked <= min(table.scores.shape[1], int(train.sum()) - 1):
        raise UsageError(
            f"{int(train.sum())} training models on {table.scores.shape[1]} benchmarks have no {asked} components",
            f"At most {min(table.scores.shape[1], int(train.sum()) - 1)}.",
        )
    counts = sorted({*range(1, most + 1), *([] if asked is None else [asked])})
    rehearsal = leave_largest_out(table, train, counts, rank, settings)
    k = _settle(table, train, asked, rehearsal)

    rows = np.flatnonzero(train)
    components = fit_components(
        table.scores[train],
        max(k, most),
        rank=rank,
        benchmarks=table.benchmarks,
        models=[table.models[i] for i in rows],
        families=[table.families[i] for i in rows],
        bootstrap=bootstrap if len({table.families[i] for i in rows}) > 1 else 0,
        seed=seed,
    )
    known = np.isfinite(table.task[train])
    groups = [table.families[i] for i in rows[known]]
    link = fit_link(
        components.values[known, :k],
        table.task[train][known],
        settings=settings,
        families=groups if len(set(groups)) > 1 else None,
    )
    possible = [c for c in counts if enough(table, rows, c)]
    predicted = forecasts(table, train, possible, rank, settings)
    values = components.transform(table.scores, table.models)[:, :k]
    predicted[label(k)], index = link.predict(values), link.index(values)
    first = learn(table, rows, [k], rank, settings)[0]
    refits = refit(table, train, first, rank, settings, components.families and bootstrap, seed)
    notes = _notes(refits, table, train)
    equivalent = _equivalent(table, index, reference, refits, components.families, level, notes)
    return Analysis(
        table=table,
        train=train,
        cutoff_flop=float("nan") if cutoff_flop is None else float(cutoff_flop),
        n_components=k,
        how_chosen="asked for" if asked is not None else "by leaving the largest training models out",
        components=components,
        link=link,
        benchmark_weights=link.beta @ components.loadings[:k],
        benchmark_weight_replicates=refits.benchmark_weights,
        rehearsal=rehearsal,
        errors=hold_against(table, train, predicted, {label(c): c for c in counts}),
        contest=contest(table, train, predicted[label(k)], predicted[COMPUTE], predicted[CONSTANT], level, seed),
        forecast=_forecast(predicted[label(k)], refits, link, components, table, train, level),
        equivalent=equivalent,
        notes=tuple(notes),
        settings={
            "preset": preset,
            "rank": rank,
            "chance": chance,
            "objective": objective,
            "delta": delta if objective == "huber" else None,
            "max_shift": max_shift,
            "reference": reference,
            "bootstrap": bootstrap,
        },
        level=level,
        seed=seed,
    )


def _training(table: Table, cutoff_flop: float | None) -> Mask:
    """Split the models at a compute."""
    if cutoff_flop is None:
        return np.ones(table.n_models, bool)
    if not (math.isfinite(cutoff_flop) and cutoff_flop > 0):
        raise UsageError(f"a cutoff of {cutoff_flop:g} FLOP is none", hint="Give a compute above 0.")
    with np.errstate(invalid="ignore"):
        train = table.log10_compute <= math.log10(cutoff_flop) + _SAME
    if train.sum() < 4 or train.all():
        side = "below" if not train.all() else "beyond"
        raise InputDataError(
            f"only {int(train.sum())} models lie below the cutoff of {cutoff_flop:g} FLOP"
            if side == "below"
            else f"no model lies beyond the cutoff of {cutoff_flop:g} FLOP",
            hint="The cutoff is in FLOP; choose one with models on both sides.",
        )
    return np.asarray(train)


def _asked(n_components: int | None, preset: str | None) -> int | None:
    """Return the number of components that was asked for, by itself or by a preset."""
    if preset is None:
        return n_components
    if preset not in PRESETS:
        raise UsageError(f"there is no preset '{preset}'", hint=did_you_mean(preset, PRESETS))
    if n_components not in (None, PRESETS[preset]):
        raise UsageError(
            f"the preset '{preset}' has {PRESETS[preset]} components, not {n_components}", "Give one of both."
        )
    return PRESETS[preset]


def _settle(table: Table, train: Mask, asked: int | None, rehearsal: Rehearsal) -> int:
    """Return the number of components to use, or say why there is none."""
    rows = np.flatnonzero(train)
    k = rehearsal.n_components if asked is None else asked
    if k == 0:
        raise InputDataError(
            "too few training models have a known compute and scores on the task that differ, so leaving some out "
            "cannot choose the number of components",
            hint="Give n_components, or more models.",
        )
    if not enough(table, rows, k) and not np.isnan(table.scores[train]).all(axis=0).any():
        scored = int(np.isfinite(table.task[train]).sum())
        raise InputDataError(
            f"{scored} training models have a score on the task, or all the same one; a link from {label(k)} needs "
            f"{k + 3} that differ",
            hint="Take fewer components, or raise the cutoff.",
        )
    return k


def _equivalent(
    table: Table, index: Array, reference: str, refits: Refits, drawn: int, level: float, notes: list[str]
) -> EquivalentCompute | None:
    """Work compute of equal worth out, or note why there is none."""
    try:
        return equivalent_compute(
            index,
            table.log10_compute,
            table.families,
            models=table.models,
            reference=reference,
            replicates=refits.index,
            drawn_families=drawn,
            level=level,
        )
    except InputDataError as error:
        notes.append(f"No compute of equal worth: {error.message}.")
        return None


def _forecast(
    mean: Array, refits: Refits, link: Link, components: Components, table: Table, train: Mask, level: float
) -> Forecast:
    """Put intervals around forecasts: families drawn anew, and the scatter of single models about the link."""
    from scaling.fitting.intervals import percentile_interval, t_quantile

    residuals = (table.task - mean)[train & np.isfinite(table.task)]
    degrees = max(len(residuals) - link.fit.fitted_parameters, 1)
    half = t_quantile(level, degrees) * float(np.sqrt(residuals @ residuals / degrees))
    if not len(refits.predicted) or not components.families:
        unknown = np.full(len(mean), np.nan)
        return Forecast(mean, unknown, unknown)
    first, last = percentile_interval(refits.predicted, expanded_level(level, components.families))
    low = mean - np.hypot(np.maximum(mean - first, 0.0), half)
    high = mean + np.hypot(np.maximum(last - mean, 0.0), half)
    return Forecast(mean, np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0))


def _notes(refits: Refits, table: Table, train: Mask) -> list[str]:
    """Say what a reader has to know."""
    notes = []
    if refits.lost_share > 0.02:
        notes.append(f"{refits.lost_share:.0%} of the bootstrap replicates had too few models and were left out.")
    families = len({table.families[i] for i in np.flatnonzero(train)})
    if families < 2:
        notes.append("All training models are of one family, so there are no intervals.")
    unknown = int(np.sum(~train & ~np.isfinite(table.log10_compute) & np.isfinite(table.task)))
    if unknown:
        notes.append(f"{unknown} test models of unknown compute are no part of the comparison with compute alone.")
    return notes
