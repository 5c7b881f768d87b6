"""Choose a law, its objective and its trimming by holding out the largest runs; never by how well they fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, LawError, UsageError, did_you_mean
from scaling.fitting.backtest import USUAL, Usual
from scaling.fitting.checks import check_rows
from scaling.fitting.fit import fit as fit_law
from scaling.fitting.holdout import UNKNOWN_THERE, LawAt, backtest_law, law_there
from scaling.fitting.objective import Objective
from scaling.fitting.rollout import (
    LADDER,
    Axis,
    Cut,
    evaluate,
    find_axis,
    find_cuts,
    find_units,
    refit,
    screened,
    trimmed,
    why_no_cuts,
    why_not,
)
from scaling.formatting import format_plural
from scaling.inputs import check_inputs
from scaling.laws.book import family_names, find_family, find_law
from scaling.laws.law import Law
from scaling.rivals import Rival
from scaling.selection.scores import NEED, Errors, compare, scatter, tied, weigh
from scaling.selection.selected import Candidate, Selection
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

OBJECTIVES = ("huber", "squared")
TRIMS = ("none", "smallest 25 %", "smallest 50 %", "highest 10 %")
_OFFERED = 3  # starts of the screen that each objective and trimming has beside the first one's optimum
_WORTH_CHECKING = 0.01  # weight of a rival from which on it must be identified
_ROWS_A_PARAMETER = 5  # that a trimming must leave: a trimmed handful extrapolates wildly


Report = Callable[[int, int], None]
Objectives = str | Objective | Sequence[str | Objective]


def select(
    laws_or_family: str | Sequence[str | Law],
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    objectives: Objectives | Mapping[str, Objectives] = OBJECTIVES,
    trims: str | Sequence[str] = TRIMS,
    by: str | ArrayLike | None = None,
    chosen: str | None = None,
    usual: Usual = USUAL,
    steps: Sequence[float] = LADDER,
    scores: str = "log",
    laws_at: Mapping[str, LawAt] | None = None,
    bootstrap: int = 1000,
    level: float = 0.9,
    progress: Report | None = None,
) -> Selection:
    """Choose form, objective and trimming by leaving the largest runs out.

    Parameters
    ----------
    laws_or_family : str or sequence of (str or Law)
        A family of the book, such as ``compute_optimal``; or names, files, formulas and laws, all of the same inputs;
        equal ones count once.
    inputs : mapping of str to array_like (n,)
        Natural units.
    observed : array_like (n,)
        What the laws should predict.
    groups : array_like (n,), optional
        Cluster of each row; clusters are held out and resampled whole.
    seed : int, default 0
        Of the bootstrap; the choice itself draws nothing at random.
    objectives : str, Objective or sequence of them, or mapping of str to these
        The first one is the default, which ties go to. A mapping gives those of each law by its name.
    trims : str or sequence of str
        What may be left out of the rows before each fit; the first one is the default.
    by : str or array_like (n,), optional
        What makes a run large; see `scaling.fitting.rollout.find_axis`.
    chosen : str, optional
        Name of the law that is to be taken whatever the others do; they are its rivals all the same.
    usual, steps
        As of `scaling.backtest_law`.
    laws_at : mapping of str to callable, optional
        For laws with constants that come from elsewhere, such as floors: by the name of the law, what it is at a
        cut-off, as ``law_at`` of `scaling.backtest_law`.
    scores : {'log', 'linear'}, default 'log'
        Whether laws are chosen by what they miss of the logarithm, which suits losses, or by plain differences, which
        suits a share that may come near 0.
    bootstrap : int, default 1000
        Replicates of the chosen fit.
    level : float, default 0.9
        Nominal coverage of the intervals in the back-test of the chosen fit.
    progress : callable, optional
        Told from time to time how many laws are done, and of how many.

    Returns
    -------
    Selection

    Raises
    ------
    InputDataError
        For data that cannot be fitted, or too few to hold any out.
    UsageError
        For settings that make no sense, laws of different inputs or none at all.

    Notes
    -----
    Candidates whose errors differ by less than half a standard error of the paired difference, or by less than 2 %,
    count as tied; ties go to the law with fewer parameters, then to the default trimming and objective. Held-out rows
    never touch a fit that is scored on them, but the winner was chosen by its score, so its own back-test flatters it a
    little; how much, on runs hidden from all of this, stands in docs/backtest.md.
    """
    laws = _find_laws(laws_or_family, inputs)
    check_comparable(laws)
    goals = {law.name: _goals(objectives, law.name) for law in laws}
    trims = [trims] if isinstance(trims, str) else list(trims)
    if not trims:
        raise UsageError("there is no objective or no trimming to choose from")
    if chosen is not None and chosen not in goals:
        raise UsageError(f"'{chosen}' is none of the laws to choose from", hint=did_you_mean(chosen, goals))
    x = check_inputs(laws[0], inputs)
    smallest = min(laws, key=lambda law: len(law.parameters))
    y = check_rows(smallest, x, observed, goals[smallest.name][0], None, groups).observed
    log = Objective("squared", scores).residual == "log"
    if log and not np.all(y > 0):
        raise InputDataError("laws are chosen by errors of logarithms, and a row is not above 0")
    axis, units = find_axis(laws[0], x, by), find_units(groups, len(y))
    trimmed("none", axis.values, y)
    for trim in trims:
        trimmed(trim, axis.values, y)
    cuts = find_cuts(axis.values, units, steps)
    if not cuts:
        raise InputDataError(f"no runs can be held out: {why_no_cuts(axis, units)}", hint="Add smaller or larger runs.")
    known: list[Candidate] = []
    moving = laws_at or {}
    for i, law in enumerate(laws):
        known += _candidates(law, x, y, axis, units, cuts, goals[law.name], trims, log, moving.get(law.name))
        if progress is not None:
            progress(i + 1, len(laws))
    judged = first = _judge(known, x, y, axis, chosen, log)
    best = unsure = _fit(judged[0], x, y, axis, groups, bootstrap, seed)
    sound: set[tuple[str, str, str]] = set()
    while (found := _undetermined(judged, best, x, y, axis, groups, sound, chosen is not None)) is not None:
        # A law that all the data do not determine forecasts nothing, however well it did on a few runs.
        loose, reason = found
        gone = {loose.trim} if loose.trim != trims[0] else set(trims)  # what all rows do not tell, some do not either
        known = [
            replace(c, errors=None, reason=reason) if c.law.name == loose.law.name and c.trim in gone else c
            for c in known
        ]
        if not any(c.errors is not None for c in known):
            judged, best = first, unsure  # nothing is identified: the least bad one, whose verdict says so
            break
        before, judged = judged[0], _judge(known, x, y, axis, chosen, log)
        if _key(judged[0]) != _key(before):
            best = _fit(judged[0], x, y, axis, groups, bootstrap, seed)
    winner = judged[0]
    tested = backtest_law(
        winner.law, x, y, groups=groups, by=by, objective=winner.objective, trim=winner.trim, level=level, seed=seed,
        usual=usual, steps=steps, law_at=moving.get(winner.law.name),
    )  # fmt: skip
    rivals = tuple(
        Rival(c.law, dict(zip(c.law.parameter_names, c.theta.tolist(), strict=True)), c.weight,
              c.errors.rms, str(c.objective), c.trim)
        for c in judged[1:] if c.weight > 0 and c.theta is not None and c.errors is not None
    )  # fmt: skip
    coverage = float(tested.inside[tested.judged].mean()) if tested.judged.any() else float("nan")
    judged[0] = replace(winner, coverage=coverage)
    weights = {law.name: 0.0 for law in laws}
    for c in judged:
        weights[c.law.name] += c.weight
    best = replace(best, backtest=tested, rivals=rivals)
    return Selection(tuple(judged), best, weights, axis.name, best.seed)


def _goals(objectives: Objectives | Mapping[str, Objectives], law: str) -> list[Objective]:
    """Objectives of a law, the default first."""
    if isinstance(objectives, Mapping):
        if law not in objectives:
            raise UsageError(f"no objective is given for the law '{law}'", hint="Give one for every law, by its name.")
        objectives = objectives[law]
    goals = [Objective.parse(o) for o in ([objectives] if isinstance(objectives, (str, Objective)) else objectives)]
    if not goals:
        raise UsageError("there is no objective or no trimming to choose from")
    return goals


def _find_laws(asked: str | Sequence[str | Law], inputs: Mapping[str, ArrayLike]) -> list[Law]:
    if isinstance(asked, str):
        laws = list(find_family(asked)) if asked in family_names() else [find_law(asked, inputs)]
    else:
        laws = []
        for law in (find_law(entry, inputs) for entry in asked):
            laws += [] if law in laws else [law]
    if not laws:
        raise UsageError("there is no law to choose from")
    names = [law.name for law in laws]
    # Formulas share one name, and the weights are by name.
    numbered = enumerate(laws, start=1)
    return [replace(law, name=f"{law.name}_{i}") if names.count(law.name) > 1 else law for i, law in numbered]


def check_comparable(laws: Sequence[Law]) -> None:
    """Refuse laws of different inputs, which no back-test can compare.

    Parameters
    ----------
    laws : sequence of Law
        To choose among.

    Raises
    ------
    UsageError
        With the laws by their inputs, and the families of the book that can be chosen from.
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for law in laws:
        alike.setdefault(tuple(sorted(law.inputs)), []).append(law.name)
    if len(alike) < 2:
        return
    (one, [first, *_]), (two, [second, *_]) = list(alike.items())[:2]
    listed = "; ".join(f"{', '.join(names)} (of {', '.join(inputs)})" for inputs, names in alike.items())
    families = {name: find_family(name) for name in family_names()}
    usable = [name for name, members in families.items() if len(members) > 1 and _same_inputs(members)]
    raise UsageError(
        f"the laws '{first}' and '{second}' have different inputs ({', '.join(one)}; {', '.join(two)}), so no "
        "back-test can compare them",
        hint=f"Choose among laws of the same inputs: {listed}. Families of one set of inputs: {', '.join(usable)}.",
    )


def _same_inputs(laws: Sequence[Law]) -> bool:
    return len({frozenset(law.inputs) for law in laws}) == 1


def _candidates(
    law: Law, x: dict[str, Array], y: Array, axis: Axis, units: NDArray[np.int64], cuts: Sequence[Cut],
    goals: Sequence[Objective], trims: Sequence[str], log: bool = True, law_at: LawAt | None = None,
) -> list[Candidate]:  # fmt: skip
    """Fit every objective and trimming of a law at every cut-off, and to all rows."""
    found: dict[tuple[int, int], dict[int, tuple[float, float]]] = {}
    failed: dict[tuple[int, int], list[int]] = {}
    whole: dict[tuple[int, int], Array | None] = {}
    why: dict[tuple[int, int], str] = {}
    everything = Cut(float(axis.values.max()), 1.0, np.ones(len(y), bool), np.zeros(len(y), bool))
    for k, cut in enumerate([everything, *cuts]):
        starts: Array | None = None
        first = True
        for t, trim in enumerate(trims):
            left = np.flatnonzero(cut.left)
            left = left[trimmed(trim, axis.values[left], y[left])]
            mask = np.zeros(len(y), bool)
            mask[left] = True
            reason = why_not(law, x, mask, units)
            if not reason and trim != "none" and len(left) < _ROWS_A_PARAMETER * len(law.parameters):
                reason = (
                    f"it leaves {format_plural(len(left), 'row')} for {format_plural(len(law.parameters), 'parameter')}"
                )
            for o, whole_goal in enumerate(goals):
                theta: Array | None = None
                there = law_there(law, whole_goal, law_at if k else None, cut.edge)
                reason, (then, goal) = reason or (UNKNOWN_THERE if there is None else ""), there or (law, whole_goal)
                if not reason:
                    rows = {name: v[left] for name, v in x.items()}
                    try:
                        starts = screened(then, rows, y[left], goal) if starts is None else starts
                        theta = refit(then, rows, y[left], goal, starts)
                    except (InputDataError, LawError) as refused:
                        reason = refused.message
                if theta is not None and starts is not None and first:
                    # Other objectives and trimmings see these rows or some of them: they start at the first optimum,
                    # and at the best of the screen in case theirs lies elsewhere.
                    starts, first = np.concatenate([theta[None], starts[:_OFFERED]]), False
                if k == 0:
                    whole[t, o], why[t, o] = theta, reason
                elif theta is not None:
                    forecast = evaluate(then, theta, {name: v[cut.held] for name, v in x.items()})
                    error = _missed(forecast, y[cut.held], log)
                    if np.all(np.isfinite(error)):
                        found.setdefault((t, o), {})[k - 1] = (float(np.mean(error**2)), float(np.mean(error)))
                    else:
                        failed.setdefault((t, o), []).append(k - 1)
                elif reason and not why.get((t, o)):
                    why[t, o] = reason
    out = []
    for t, trim in enumerate(trims):
        for o, goal in enumerate(goals):
            theta, entries = whole[t, o], found.get((t, o), {})
            errors = None
            if theta is not None and entries:
                numbers = np.array(list(entries.values()))
                near_to = np.array([cuts[k].edge for k in entries]) / axis.values.max()
                errors = Errors(tuple(entries), numbers[:, 0], numbers[:, 1], near_to)
            fails = tuple(failed.get((t, o), ()))
            none = (
                why.get((t, o)) if theta is None or not fails else f"at no cut-off are all its forecasts {_number(log)}"
            )
            reason = "" if errors else none or "no held-out run could be forecast"
            size = (len(law.parameters), t, o)
            out.append(Candidate(law, goal, trim, size, errors, theta, reason=reason, failed=fails))
    return out


def _judge(
    known: Sequence[Candidate], x: dict[str, Array], y: Array, axis: Axis, wanted: str | None, log: bool
) -> list[Candidate]:
    """Score, break ties, weigh and rank; `wanted` is the law that is taken whatever the others do."""
    plain = [c for c in known if c.errors is not None and c.simplicity[1:] == (0, 0)] or [
        c for c in known if c.errors is not None
    ]
    if not plain:
        reasons = "; ".join(sorted({f"{c.law.name}: {c.reason}" for c in known if c.simplicity[1:] == (0, 0)}))
        raise InputDataError(f"no law can be held against held-out runs. {reasons}", hint="Add runs.")
    noise = min(_scatter(c, x, y, axis, log) for c in plain)
    reference = min(plain, key=lambda c: (-_reach(c), c.simplicity))
    scored: list[Candidate] = []
    for c in known:
        if c.errors is None:
            scored.append(c)
            continue
        assert reference.errors is not None
        # One that is taken whatever the others do is judged where it has forecasts; its back-test counts the others.
        if (lost := len(set(c.failed) & set(reference.errors.cuts))) and c.law.name != wanted:
            # Left out there, it would be scored without the forecasts that failed worst.
            where = f"{format_plural(lost, 'cut-off')} where those of {reference.law.name} are"
            reason = f"its forecasts are not all {_number(log)} at {where}"
            scored.append(replace(c, errors=None, reason=reason))
            continue
        score, _, shared = compare(c.errors, reference.errors, noise)
        if shared < NEED:
            scored.append(replace(c, errors=None, reason=f"it could be tried at {len(c.errors.cuts)} cut-offs only"))
            continue
        scored.append(replace(c, log_score=score))
    open_ = [c for c in scored if c.errors is not None]
    own = [c for c in open_ if wanted in (None, c.law.name)]
    if not own:
        reason = next(c.reason for c in scored if c.law.name == wanted)
        raise InputDataError(f"the law '{wanted}' cannot be held against held-out runs: {reason}", hint="Add runs.")
    first = min(own, key=lambda c: (c.log_score, c.simplicity))
    assert first.errors is not None
    ties = [c for c in own if c is first or tied(*compare(_errors(c), first.errors, noise)[:2])]
    chosen = min(ties, key=lambda c: (c.simplicity, c.log_score))
    # The best candidate of each law stands for it; of the chosen law the chosen one does.
    stands = {chosen.law.name: chosen}
    for c in sorted(open_, key=lambda c: (c.log_score, c.simplicity)):
        stands.setdefault(c.law.name, c)
    share = dict(zip(stands, weigh(np.array([c.log_score for c in stands.values()])), strict=True))
    out = []
    for c in scored:
        if c.errors is None:
            out.append(replace(c, verdict="refused"))
            continue
        ratio, se, _ = compare(c.errors, _errors(chosen), noise)
        verdict = "chosen" if c is chosen else "tied" if c in ties else "worse"
        weight = float(share[c.law.name]) if stands[c.law.name] is c else 0.0
        out.append(replace(c, ratio=ratio, se=se, verdict=verdict, weight=weight))
    order = {"chosen": 0, "tied": 1, "worse": 1, "refused": 2}
    return sorted(out, key=lambda c: (order[c.verdict], np.nan_to_num(c.log_score, nan=0.0), c.simplicity))


def _fit(
    c: Candidate, x: dict[str, Array], y: Array, axis: Axis, groups: ArrayLike | None, bootstrap: int, seed: int,
    start: bool = False,
) -> Fit:  # fmt: skip
    """Fit a candidate to all the rows that its trimming leaves; with `start` from the optimum that is known."""
    keep = trimmed(c.trim, axis.values, y)
    known = dict(zip(c.law.parameter_names, c.theta.tolist(), strict=True)) if start and c.theta is not None else None
    fit = fit_law(
        c.law, {name: v[keep] for name, v in x.items()}, y[keep], objective=c.objective,
        groups=None if groups is None else np.asarray(groups)[keep], bootstrap=bootstrap, seed=seed, start=known,
    )  # fmt: skip
    return fit if c.trim == "none" else replace(fit, settings=fit.settings | {"trim": c.trim})


def _undetermined(
    judged: Sequence[Candidate], best: Fit, x: dict[str, Array], y: Array, axis: Axis, groups: ArrayLike | None,
    sound: set[tuple[str, str, str]], wanted: bool,
) -> tuple[Candidate, str] | None:  # fmt: skip
    """Find a candidate with a say, the chosen one or a rival of some weight, that its rows do not determine; and why.

    A rival that is not identified would stretch every interval to wherever its optimum happened to lie. Those found to
    be identified are added to `sound`, and not looked at again. A chosen one that was `wanted` stays, with its verdict.
    """
    if best.verdict == NOT_IDENTIFIED and not wanted:
        return judged[0], _why_undetermined(judged[0], best)
    for c in judged[1:]:
        if c.weight >= _WORTH_CHECKING and _key(c) not in sound:
            fit = _fit(c, x, y, axis, groups, 0, 0, start=True)
            if fit.verdict == NOT_IDENTIFIED:
                return c, _why_undetermined(c, fit)
            sound.add(_key(c))
    return None


def _why_undetermined(c: Candidate, fit: Fit) -> str:
    which = "all rows do" if c.trim == "none" else "the rows that the trimming leaves do"
    return f"{which} not determine it: {' '.join(fit.diagnostics.reasons)}"


def _key(c: Candidate) -> tuple[str, str, str]:
    return c.law.name, str(c.objective), c.trim


def _scatter(c: Candidate, x: dict[str, Array], y: Array, axis: Axis, log: bool) -> float:
    """Scatter of the rows that a candidate is fitted to."""
    assert c.theta is not None
    residual = _missed(evaluate(c.law, c.theta, x), y, log)
    return scatter(residual[trimmed(c.trim, axis.values, y)])


def _reach(c: Candidate) -> float:
    return float(np.sqrt(_errors(c).near).sum())


def _errors(c: Candidate) -> Errors:
    assert c.errors is not None
    return c.errors


def _missed(forecast: Array, y: Array, log: bool) -> Array:
    """What forecasts missed by; NaN where there is none, or none above 0 where logarithms are compared."""
    if not log:
        return np.asarray(forecast - y)
    return np.asarray(np.log(np.where(forecast > 0, forecast, np.nan)) - np.log(y))


def _number(log: bool) -> str:
    return "above 0" if log else "numbers"
