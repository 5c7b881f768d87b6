"""Choose a part of the data: the entrance to all optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_number, format_plural
from scaling.valuation.catalogue import make_objective
from scaling.valuation.choosing.certificate import UpperBound
from scaling.valuation.choosing.constraints import Constraint, make_constraint
from scaling.valuation.choosing.greedy import Progress, all_gains
from scaling.valuation.choosing.methods import EPSILON, METHODS, Finished, Plan, scores_of
from scaling.valuation.choosing.selected import Selected, promise_of
from scaling.valuation.choosing.swap import swap
from scaling.valuation.embeddings import Rows, as_embeddings
from scaling.valuation.objective import Objective


def select(
    X: ArrayLike | None,
    k: int | None,
    objective: str | Objective = "vendi",
    method: str = "lazy",
    seed: int = 0,
    *,
    labels: ArrayLike | None = None,
    per_class: int | None = None,
    caps: Mapping[Any, int] | None = None,
    costs: ArrayLike | None = None,
    budget: float | None = None,
    swaps: int = 0,
    epsilon: float | None = None,
    parts: int | None = None,
    certify: bool = True,
    progress: Progress | None = None,
    **objective_options: Any,
) -> Selected:
    """Choose the k candidates that an objective values most together.

    Parameters
    ----------
    X : array_like (n, m) or None
        Embeddings, one row a candidate; None where the objective is given ready, or takes similarities.
    k : int or None
        How many to choose, at most n. None takes what a budget buys.
    objective : str or Objective, default "vendi"
        A name of the catalogue, or an objective; of the latter a fresh copy is used.
    method : {"lazy", "eager", "stochastic", "sieve", "partitions"}
        How. "lazy" takes the same members as "eager"; where an objective's gains can grow it falls back to it, and
        says so.
    seed : int, default 0
        Of samples and of partitions.
    labels : array_like (n,), optional
        Class of each candidate. Alone, it shares k out to classes that are as equal as they can be: one that is too
        small gives all it has, and what does not divide goes to those that sort first.
    per_class : int, optional
        Most members of each class.
    caps : mapping of label to int, optional
        Most members of the classes named; others have no cap.
    costs : array_like (n,), optional
        Positive cost of each candidate, such as its tokens.
    budget : float, optional
        Most that the members may cost together.
    swaps : int, default 0
        Most members that may be swapped for better ones at the end. Each offer adds all others again.
    epsilon : float, optional
        Of "stochastic" (0.1: a step looks at n/k log(1/epsilon) candidates) and "sieve" (0.2: step of thresholds).
    parts : int, optional
        Of "partitions"; by default about sqrt(n / k).
    certify : bool, default True
        Whether gains of all candidates are evaluated once more at the end, for a certificate that is closer.
    progress : callable, optional
        Called as ``progress(done, total)``.
    **objective_options
        Of the objective, such as ``kernel``, ``q`` or ``queries``.

    Returns
    -------
    Selected
        With ``indices``, ``gains``, ``certificate`` and ``guarantee``.

    Raises
    ------
    UsageError
        For settings that do not go together, names that there are not, and k above n.
    InputDataError
        For embeddings, labels or costs that cannot be used.

    Notes
    -----
    Ties go to the lowest index, so every exact method takes the same members. An objective that is monotone only up to
    a number of members is made so up to 2 k of them: what greedy promises, and what a certificate says, hold the set
    and the optimum together.

    Examples
    --------
    >>> import numpy as np
    >>> from scaling.valuation import select
    >>> X = np.eye(4)[[0, 0, 1, 2, 2, 3]]
    >>> select(X, 3, "feature_based").indices.tolist()
    [0, 2, 3]
    """
    _check(method, seed, swaps, parts, certify)
    rows = None if X is None else as_embeddings(X, normalise=False)
    held = {"labels": labels, "per_class": per_class, "caps": caps, "costs": costs, "budget": budget}
    empty, constraint, notes = _prepared(rows, k, objective, method, held, objective_options)
    step = _epsilon(method, epsilon)
    if method == "sieve" and not constraint.counts_only:
        raise UsageError("The sieve has no place for classes or costs.", "Use method='lazy' or 'stochastic'.")
    if method in ("partitions", "stochastic") and constraint.costs is not None:
        raise UsageError(f"The method '{method}' has no place for costs.", "Use method='lazy'.")
    upper = UpperBound(empty, constraint, wanted=certify)
    made = Plan(method, constraint, seed, step, parts, upper, progress).run(empty)
    swapped = 0
    if swaps:
        swapped = _swapped(empty, made, constraint, swaps)
    if certify and not upper.why_not:
        closer = made.objective.gains() if made.method == "eager" else all_gains(made.objective)
        made.evaluations += empty.n
        upper.finish(made.objective, closer / empty.guarantee.ratio)
    upper.relax(made.objective)
    return _selected(made, upper, constraint, seed, step, swapped, notes + _seen(rows, made, constraint))


def _check(method: str, seed: int, swaps: int, parts: int | None, certify: bool) -> None:
    """Refuse settings that mean nothing."""
    if method not in METHODS:
        raise UsageError(f"There is no method '{method}'.", did_you_mean(str(method), METHODS))
    for name, value, low in (("seed", seed, 0), ("swaps", swaps, 0), ("parts", parts, 2)):
        if value is None and name == "parts":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
            raise UsageError(f"{name} is {value}: a whole number from {low} on is expected.")
    if not isinstance(certify, bool):
        raise UsageError(f"certify is {certify}: True or False is expected.")


def _epsilon(method: str, epsilon: float | None) -> float:
    """Return epsilon, or the method's own."""
    if epsilon is None:
        return EPSILON.get(method, 0.0)
    if method not in EPSILON:
        raise UsageError(f"The method '{method}' has no epsilon.", "'stochastic' and 'sieve' have one.")
    if not 0 < epsilon < 1:
        raise UsageError(f"epsilon is {format_number(epsilon)}: a number between 0 and 1 is expected.")
    return float(epsilon)


def _prepared(
    rows: Rows | None,
    k: int | None,
    objective: str | Objective,
    method: str,
    held: dict[str, Any],
    options: dict[str, Any],
) -> tuple[Objective, Constraint, list[str]]:
    """Return the objective with the empty set, and what sets have to keep to."""
    if isinstance(objective, Objective):
        if options:
            raise UsageError(f"'{next(iter(options))}' is an option of an objective by name; this one is made already.")
        if rows is not None and len(rows) != objective.n:
            raise InputDataError(f"X has {format_plural(len(rows), 'row')}, and the objective is of {objective.n}.")
        constraint, notes = make_constraint(objective.n, k, **held)
        return objective.fresh(), constraint, notes
    if rows is None:
        made = make_objective(objective, rows, None if k is None else 2 * k, **options)
        constraint, notes = make_constraint(made.n, k, **held)
        return made, constraint, notes
    constraint, notes = make_constraint(len(rows), k, **held)
    made = make_objective(objective, rows, min(2 * constraint.most, len(rows)), **options)
    sized = constraint.costs is None and method != "sieve"  # whose thresholds are of gains above zero
    return made.of_one_size() if sized else made, constraint, notes


def _swapped(empty: Objective, made: Finished, constraint: Constraint, limit: int) -> int:
    """Swap members, and put the better set in place."""
    before = made.objective.value
    members, count, evaluations = swap(empty, np.array(made.objective.chosen, dtype=np.intp), constraint, limit)
    made.evaluations += evaluations
    if count:
        made.objective = empty.fresh()
        made.gains = [made.objective.add(int(index)) for index in members]
        gained = format_number(made.objective.value - before, 3)
        made.notes.append(f"{format_plural(count, 'swap')} at the end raised the value by {gained}")
    if count == limit:
        made.notes.append(f"the limit of {format_plural(limit, 'swap')} was reached: more may gain more")
    return count


def _seen(rows: Rows | None, made: Finished, constraint: Constraint) -> list[str]:
    """Say what the set itself shows: members that are equal, or fewer than were asked for."""
    notes = []
    members = made.objective.chosen
    if len(members) == constraint.n and constraint.costs is None:
        notes.append(f"k is the number of candidates: all {constraint.n} are taken, and the choice is their order")
    if rows is not None and len(members) > 1:
        distinct = len(np.unique(rows[np.sort(members)], axis=0))
        if distinct < len(members):
            count = format_plural(len(members) - distinct, "member")
            notes.append(f"{count} of the set with embeddings that another has too: duplicates")
    if constraint.groups is not None and constraint.caps is not None:
        counts = np.bincount(constraint.groups[members], minlength=len(constraint.caps))
        notes.append(f"members of each class: {counts.min()} to {counts.max()}")
    return notes


def _selected(
    made: Finished, upper: UpperBound, constraint: Constraint, seed: int, epsilon: float, swapped: int, notes: list[str]
) -> Selected:
    """Put the result together."""
    state, gains = made.objective, np.array(made.gains, dtype=np.float64)
    limit = "count" if constraint.counts_only else "caps" if constraint.costs is None else "mixed"
    if constraint.budget_alone:
        limit = "budget"
    share, promise = promise_of(made.method, state.guarantee, limit, epsilon)
    if share is not None and state.monotone_to is not None and state.monotone_to < min(2 * constraint.most, state.n):
        share = None
        promise = f"none: the objective is monotone up to {state.monotone_to} members, and twice k are needed"
    scores = scores_of(state, gains)
    judged = np.cumsum(gains) if scores is None else scores
    best = 1 + int(np.argmax(judged >= judged.max() - 1e-9 * abs(judged.max()))) if len(judged) else 0
    if state.guarantee.monotone and scores is None:
        best = len(gains)
    notes = [*notes, *getattr(state, "notes", ()), *made.notes]
    settings = {name: value for name, value in state.describe().items() if name != "notes"}
    if best < len(gains):
        worst = format_number(float(judged[-1]))
        what = "value" if scores is None else "score"
        notes.append(
            f"the {what} is best at {format_plural(best, 'member')} ({format_number(judged[best - 1])}) and "
            f"ends at {worst}: see best_prefix"
        )
    return Selected(
        indices=np.array(state.chosen, dtype=np.intp),
        gains=gains,
        certificate=upper.certificate(state),
        guarantee=state.guarantee,
        promised_share=share,
        promise=promise,
        objective=state.name,
        method=made.method,
        options={**settings, **constraint.to_dict(), **made.settings},
        seed=seed,
        n=state.n,
        value=float(state.value),
        score=float(state.score()),
        scores=scores,
        best_prefix=best,
        evaluations=made.evaluations,
        swaps=swapped,
        notes=tuple(notes),
    )


__all__ = ["select"]
