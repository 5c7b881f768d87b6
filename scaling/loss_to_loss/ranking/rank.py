"""Rank training corpora by the loss that each would give at a budget that none has tried.

Probabilities come from joint draws: of the parameters, of the scatter of a run, and of what the form of a law or a map
misses by, which is taken from back-tests. What all corpora miss by together is drawn once for all of them, so it
cancels where two are compared. Next to both stands the plain baseline, the best loss at the largest budget tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_factor, format_number, format_percent
from scaling.inputs import check_level
from scaling.loss_to_loss.monotone import ERROR_RATE, larger_half, rising_chance
from scaling.loss_to_loss.ranking.baseline import Baseline, find_baseline
from scaling.loss_to_loss.ranking.chained import USUAL_OF_ALL, MapForecasts, forecast_maps
from scaling.loss_to_loss.ranking.laws import LawForecasts, forecast_laws
from scaling.loss_to_loss.ranking.result import RankedCorpus, Ranking, ranks_of
from scaling.loss_to_loss.ranking.runs import Runs, read_runs
from scaling.verdicts import NOT_IDENTIFIED

Array = NDArray[np.float64]

METHODS = ("laws", "maps", "both")
_DRAWS = 4000
_FEWEST_TO_TELL = 10  # runs; fewer often hide a fall that is there


def rank_corpora(
    runs: Mapping[str, Any],
    target_flop: float,
    *,
    law: str = "auto",
    method: str = "both",
    n_params: float | None = None,
    reference: str | None = None,
    ceiling: float = math.inf,
    level: float = 0.9,
    bootstrap: int = 500,
    seed: int = 0,
) -> Ranking:
    """Rank corpora at a budget.

    Parameters
    ----------
    runs : mapping of str to (sequence of array_like (n,), or mapping)
        Corpus to N, D, compute and loss of its runs, natural units; or a mapping of these names. Compute may be None,
        which makes it 6 N D. One metric, of which lower is better: of an accuracy, 1 minus it.
    target_flop : float
        The budget.
    law : str, default 'auto'
        A law of N and D, fitted to each corpus; or chosen by what its largest runs, held out, say.
    method : {'both', 'laws', 'maps'}, default 'both'
        ``laws``: each corpus by a law of its own. ``maps``: one corpus by its law, all others through their
        loss-to-loss maps of it (arXiv:2411.12925), which share that law's error. ``both`` draws half of each.
    n_params : float, optional
        Parameters of the run at the target. Where missing, each law has its lowest loss for the budget.
    reference : str, optional
        The corpus that maps start from; the one with the most pairs where missing.
    ceiling : float, optional
        What the metric cannot exceed: 1 for an error.
    level : float, default 0.9
        Nominal coverage of the intervals.
    bootstrap : int, default 500
        Replicates of each law and map.
    seed : int, default 0
        Of everything that is drawn; recorded.

    Returns
    -------
    Ranking

    Raises
    ------
    InputDataError
        For fewer than two corpora, columns that cannot be used, or too few runs for a law or a map.
    UsageError
        For settings that make no sense.
    """
    check_level(level)
    if method not in METHODS:
        raise UsageError(f"there is no method '{method}' to rank corpora by", hint=did_you_mean(method, METHODS))
    if not (math.isfinite(target_flop) and target_flop > 0):
        raise UsageError(f"the target budget must be a positive number of FLOP, not {target_flop}")
    if n_params is not None and not (math.isfinite(n_params) and n_params > 0):
        raise UsageError(f"parameters at the target must be a positive number, not {n_params}")
    if not bootstrap >= 2:
        raise UsageError("the probabilities are drawn from bootstrap replicates, so some hundreds are needed")
    read = read_runs(runs)
    if reference is not None and reference not in read:
        raise UsageError(f"there is no corpus '{reference}' to map from", hint=did_you_mean(reference, read))
    laws = forecast_laws(read, law, bootstrap=bootstrap, seed=seed)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, 13]).spawn(3)]
    notes: list[str] = []
    found: dict[str, tuple[Array, Array]] = {"laws": draw_laws(laws, read, target_flop, n_params, streams[0])}
    maps: MapForecasts | None = None
    if method != "laws":
        try:
            maps = forecast_maps(read, laws, reference=reference, bootstrap=bootstrap, seed=seed)
            found["maps"] = draw_maps(maps, laws, read, target_flop, n_params, found["laws"][1], streams[1])
        except InputDataError as error:
            if method == "maps":
                raise
            notes.append(f"Ranked by laws alone: {error.message}.")
    found = {name: (np.minimum(c, ceiling), np.minimum(d, ceiling)) for name, (c, d) in found.items()}
    baseline = find_baseline(read)
    drawn = baseline.draws(_DRAWS, streams[2], np.array([laws.scatter(c) for c in read]))
    if method == "both" and maps is not None:
        centres, draws = zip(*found.values(), strict=True)
        found["both"] = (np.exp(np.mean(np.log(centres), axis=0)), np.concatenate([d[::2] for d in draws]))
    used = method if method in found else "laws"
    kept = {name: pair for name, pair in found.items() if name == used or method == "both"}
    return Ranking(
        corpora=tuple(read),
        method=used,
        target_flop=float(target_flop),
        n_params=n_params,
        level=level,
        law=laws.law,
        trim=laws.trim,
        reference=maps.reference if maps else "",
        form=maps.form if maps else "",
        tables={name: _table(read, *pair, baseline, drawn, level) for name, pair in kept.items()},
        pairwise={name: pairwise(pair[1]) for name, pair in kept.items()} | {"baseline": pairwise(drawn)},
        baseline_flop=baseline.budget,
        baseline_scatter=baseline.scatter,
        bootstrap=bootstrap,
        draws=_DRAWS,
        seed=seed,
        not_falling=tuple(corpus for corpus, r in read.items() if not falls(r)),
        notes=(*notes, *_notes(read, laws, baseline, target_flop)),
    )


def draw_laws(
    laws: LawForecasts, runs: Mapping[str, Runs], target: float, n_params: float | None, random: np.random.Generator
) -> tuple[Array, Array]:
    """Forecast each corpus by its own law.

    Parameters
    ----------
    laws : LawForecasts
        The laws.
    runs : mapping of str to Runs
        What they were fitted to.
    target, n_params
        As of `rank_corpora`.
    random : Generator
        Of random numbers.

    Returns
    -------
    centre : ndarray (n,)
        The forecasts.
    draws : ndarray (m, n)
        What a run at the target may give.
    """
    together = random.standard_normal(_DRAWS)
    own, shared = laws.misses.split()
    centre, columns, changes = [], [], []
    for corpus, r in runs.items():
        fit = laws.fits[corpus]
        at = {k: np.array([v]) for k, v in zip("ND", laws.cell(corpus, target, n_params), strict=True)}
        mean = float(fit.evaluate(at)[0][0])
        values = _logs(fit.evaluate(at, fit.replicates)[:, 0])
        centre.append(mean)
        changes.append(laws.change(corpus, at, target / float(r.compute.max())))
        columns.append(values[random.integers(len(values), size=_DRAWS)])
    change = float(np.sqrt(np.mean(np.square(changes))))  # of all: a law that lies at its floor is not known better
    out = np.stack(columns, axis=1) - (shared * change * together)[:, None]
    scatter = np.array([laws.scatter(corpus) for corpus in runs])
    out = out + random.standard_normal(out.shape) * np.sqrt((own * change) ** 2 + scatter**2)
    return np.array(centre), np.exp(out)


def draw_maps(
    maps: MapForecasts, laws: LawForecasts, runs: Mapping[str, Runs], target: float, n_params: float | None,
    by_laws: Array, random: np.random.Generator,
) -> tuple[Array, Array]:  # fmt: skip
    """Forecast one corpus by its law, and the others through their maps of it.

    Parameters
    ----------
    maps, laws, runs, target, n_params
        As of `draw_laws`, and the maps.
    by_laws : ndarray (m, n)
        The draws of `draw_laws`, whose column of the reference is x.
    random : Generator
        Of random numbers.

    Returns
    -------
    centre : ndarray (n,)
        The forecasts.
    draws : ndarray (m, n)
        What a run at the target may give.
    """
    place = list(runs).index(maps.reference)
    fit = laws.fits[maps.reference]
    at = {k: np.array([v]) for k, v in zip("ND", laws.cell(maps.reference, target, n_params), strict=True)}
    x = float(fit.evaluate(at)[0][0])
    beyond = max(target / float(runs[maps.reference].compute.max()), 1.0)
    edge = float(fit.evaluate({k: v / math.sqrt(beyond) for k, v in at.items()})[0][0])
    own = maps.misses.whole(USUAL_OF_ALL)
    x_draws = by_laws[:, place]
    rows = random.integers(len(next(iter(maps.coefficients.values()))) - 1, size=_DRAWS)
    centre, columns = [], []
    for corpus in runs:
        if corpus == maps.reference:
            centre.append(x)
            columns.append(np.log(x_draws))
            continue
        ends = maps(corpus, np.array([x, edge]))
        change = abs(float(np.log(ends[0] / ends[1])))
        values = _logs(maps(corpus, x_draws, rows), float(np.log(ends[0])))
        error = math.hypot(own * change, maps.scatter[corpus]) * random.standard_normal(_DRAWS)
        centre.append(float(ends[0]))
        columns.append(values + error)
    return np.array(centre), np.exp(np.stack(columns, axis=1))


def pairwise(draws: Array) -> Array:
    """Return the probability that the corpus of the row has a lower loss than that of the column, shape (n, n)."""
    below = np.mean(draws[:, :, None] < draws[:, None, :], axis=0)
    ties = np.mean(draws[:, :, None] == draws[:, None, :], axis=0)
    return np.asarray(below + 0.5 * ties)


def _logs(values: Array, instead: float = math.nan) -> Array:
    """Logarithms; draws for which a law or a map has no value give way to others."""
    with np.errstate(all="ignore"):
        logs = np.log(values)
    known = np.isfinite(logs)
    if not known.any():
        if math.isnan(instead):
            raise InputDataError("no replicate of the law has a forecast above 0 at the target")
        return np.full(len(values), instead)
    return np.where(known, logs, np.median(logs[known]))


def falls(runs: Runs) -> bool:
    """Tell whether a loss falls with compute over the larger half of the budgets, as far as so many runs can.

    Parameters
    ----------
    runs : Runs
        Of one corpus.

    Returns
    -------
    bool
        True as well where too few runs are there to tell.
    """
    levels: Array = np.asarray(np.round(np.log(runs.compute), 2), float)
    some = larger_half(levels)
    if some.sum() < _FEWEST_TO_TELL or len(np.unique(levels[some])) < 2:
        return True
    return rising_chance(-runs.loss[some], levels[some]) <= ERROR_RATE


def _table(
    runs: Mapping[str, Runs], centre: Array, draws: Array, baseline: Baseline, drawn: Array, level: float
) -> tuple[RankedCorpus, ...]:
    """Sum the draws up, the best corpus first."""
    ends = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(draws, ends, axis=0)
    ranks = 1 + np.argsort(np.argsort(draws, axis=1), axis=1)
    rank_low, rank_high = np.quantile(ranks, ends, axis=0, method="inverted_cdf")
    best, plain = (np.bincount(np.argmin(d, axis=1), minlength=len(runs)) / len(d) for d in (draws, drawn))
    rank, plain_rank = ranks_of(centre), ranks_of(baseline.loss)
    rows = [
        RankedCorpus(
            corpus, float(centre[i]), float(low[i]), float(high[i]), float(best[i]), int(rank[i]), int(rank_low[i]),
            int(rank_high[i]), float(baseline.loss[i]), int(plain_rank[i]), float(plain[i]), len(r),
        )
        for i, (corpus, r) in enumerate(runs.items())
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: row.rank))


def _notes(runs: Mapping[str, Runs], laws: LawForecasts, baseline: Baseline, target: float) -> list[str]:
    notes = []
    loose = [corpus for corpus, fit in laws.fits.items() if fit.verdict == NOT_IDENTIFIED]
    if loose:
        notes.append(
            f"The law {laws.law} is not identified on {', '.join(loose)}, so forecasts there rest on the replicates."
        )
    if not baseline.exact:
        notes.append(
            "No budget was tried on every corpus: the baseline takes the best loss of all runs up to "
            f"{format_number(baseline.budget)} FLOP, the largest that each corpus reaches."
        )
    most = max(float(r.compute.max()) for r in runs.values())
    least = min(float(r.compute.max()) for r in runs.values())
    if most > 1.5 * least:
        notes.append(
            f"The largest budgets of the corpora differ by {format_factor(most / least)}, and the baseline compares "
            f"them at {format_number(baseline.budget)} FLOP."
        )
    if math.isnan(baseline.scatter):
        scatter = format_percent(float(np.mean([laws.scatter(c) for c in runs])))
        notes.append(
            "Too few runs at that budget to tell their scatter; the baseline's probability takes that about the laws, "
            f"{scatter}."
        )
    if target <= most:
        notes.append("The target lies inside the budgets tried: runs there decide it without any law.")
    return notes
