"""Which runs to buy on a new corpus, from the sweep of one that the store holds and the maps between all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.problems import nearest
from db.ranking import CorpusRuns, runs_by_corpus
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from db.store import Store
    from scaling.loss_to_loss.purchase.result import PurchasePlan
    from scaling.loss_to_loss.purchase.truths import PairsOfCorpora
    from scaling.loss_to_loss.ranking.runs import Runs


@dataclass(frozen=True)
class Purchase:
    """A plan of runs on a new corpus.

    Parameters
    ----------
    plan : PurchasePlan
        Designs, of cells by their number.
    source, metric : str
        Whose sweep, and which loss.
    cells : Runs
        The cells of the plan.
    run_ids : tuple of str
        The runs of the source there.
    target : str
        Where x at the target comes from, in words.
    notes : tuple of str
        What was left out, and what speaks against the plan.
    not_falling : tuple of str
        Corpora on whose larger budgets no fall of the metric with compute can be told from chance.
    """

    plan: PurchasePlan
    source: str
    metric: str
    cells: Runs
    run_ids: tuple[str, ...]
    target: str
    notes: tuple[str, ...]
    not_falling: tuple[str, ...] = ()


def plan_purchase(
    store: Store,
    source: str,
    metric: str,
    *,
    target_x: float | None = None,
    target_run: str | None = None,
    column: str = "corpus",
    where: str | None = None,
    **settings: Any,
) -> Purchase:
    """Plan runs on a corpus that has none.

    Parameters
    ----------
    store : Store
        An open store.
    source : str
        The corpus whose sweep is there.
    metric : str
        The loss.
    target_x : float, optional
        Loss of the source at the target.
    target_run : str, optional
        Or a run of the source that has it. Without either, the lowest loss of the largest budget, whose runs are then
        no cells of the plan.
    column, where
        As of `db.ranking.runs_by_corpus`.
    **settings
        ``counts simulations seed``, as of `scaling.loss_to_loss.plan_pairs`.

    Returns
    -------
    Purchase

    Raises
    ------
    UsageError
        For a source, metric or run that is not there, and an accuracy in place of a loss.
    InputDataError
        Where the sweep is too small.
    VerdictError
        Where the loss does not fall with compute on the source, so that no map from it says anything beyond the data.
    """
    import numpy as np

    from scaling.loss_to_loss.purchase.plan import plan_pairs
    from scaling.loss_to_loss.ranking.rank import falls
    from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN

    if target_x is not None and target_run is not None:
        raise UsageError("The target is either a loss (--target-x) or a run (--target-run), not both.")
    ours = runs_by_corpus(store, metric, [source], column, where, at_least=1)
    if ours.kind != "loss":
        raise UsageError(
            f"The metric {metric} is an accuracy, and a plan is of maps from loss to loss.",
            "Plan by a loss. How the accuracy follows it: scaling transfer accuracy.",
        )
    runs, ids = ours.runs[source], np.array(ours.run_ids[source])
    if target_run is not None:
        if target_run not in ids:
            raise UsageError(
                f"{source} has no run '{target_run}' with {metric}.", nearest(target_run, list(ids))
            )  # fmt: skip
        at = int(np.flatnonzero(ids == target_run)[0])
        x, said = float(runs.loss[at]), f"that of the run {target_run}"
        keep = runs.compute < runs.compute[at] * (1 - 1e-3)
    elif target_x is not None:
        x, said, keep = target_x, "as given", np.ones(len(runs), bool)
    else:
        largest = float(runs.compute.max())
        held = np.abs(np.log(runs.compute / largest)) <= 1e-3
        at = int(np.flatnonzero(held)[np.argmin(runs.loss[held])])
        x, keep = float(runs.loss[at]), ~held
        said = f"that of the run {ids[at]}, the lowest at the largest budget of {format_number(largest)} FLOP"
    if keep.sum() < 2:
        raise InputDataError(
            f"{source} has {format_plural(int(keep.sum()), 'run')} below the target, and a map needs more.",
            "Name a larger target: --target-run, or --target-x.",
        )
    cells = runs.take(keep)
    if not falls(cells):
        raise VerdictError(
            f"The metric {metric} is not monotone: over the larger budgets of {source} no fall with compute can be "
            "told from chance, so no map of it says anything beyond the data, however many runs are bought.",
            "Plan by a metric that falls with compute; how an accuracy follows a loss says scaling transfer accuracy.",
        )
    maps, notes, not_falling = _maps(store, metric, column, where)
    plan = plan_pairs(
        cells.loss, cells.compute, FLOP_PER_PARAMETER_TOKEN * cells.n_params * cells.n_tokens, x, maps=maps, **settings
    )
    notes = list(dict.fromkeys([*(n for n in ours.notes if not n.startswith("NOT LIKE")), *notes]))
    if not_falling:
        notes.append(
            f"The metric {metric} is not monotone: over the larger budgets of {', '.join(not_falling)} no fall with "
            "compute can be told from chance. It may not fall on the new corpus either, and then no number of runs "
            "gives a forecast."
        )
    ids_kept = tuple(ids[keep].tolist())
    return Purchase(plan, source, metric, cells, ids_kept, said, tuple(notes), not_falling)


def chosen_designs(
    purchase: Purchase, error: float | None = None, budget: float | None = None, measure: str = "mean"
) -> dict[str, Any]:
    """Answer what was asked of a plan.

    Parameters
    ----------
    purchase : Purchase
        The plan.
    error : float, optional
        A wanted error, as a share.
    budget : float, optional
        FLOP for all runs.
    measure : {'mean', 'p90'}
        Which error is meant.

    Returns
    -------
    dict of str to Design
        ``cheapest for the error`` and ``best for the budget``, as far as asked for.
    """
    found = {}
    if error is not None:
        found["cheapest for the error"] = purchase.plan.cheapest(error, measure)
    if budget is not None:
        found["best for the budget"] = purchase.plan.best(budget, measure)
    return found


def _maps(
    store: Store, metric: str, column: str, where: str | None
) -> tuple[list[PairsOfCorpora], Sequence[str], tuple[str, ...]]:
    """Pair every two corpora of the store, none where it has one alone; with notes, and the corpora without a fall."""
    import numpy as np

    from scaling.loss_to_loss.purchase.truths import PairsOfCorpora
    from scaling.loss_to_loss.ranking.rank import falls
    from scaling.loss_to_loss.ranking.runs import cell_numbers

    try:
        every: CorpusRuns = runs_by_corpus(store, metric, (), column, where)
    except InputDataError:
        return [], [], ()
    numbers = cell_numbers(every.runs)
    out = []
    for a, b in itertools.permutations(every.runs, 2):
        _, i, j = np.intersect1d(numbers[a], numbers[b], return_indices=True)
        one, other = every.runs[a].take(i), every.runs[b].take(j)
        if len(i) and math.isfinite(float(one.loss.sum() + other.loss.sum())):
            out.append(PairsOfCorpora(one.loss, other.loss, one.compute, f"{a} -> {b}"))
    not_falling = tuple(corpus for corpus, runs in every.runs.items() if not falls(runs))
    return out, [n for n in every.notes if not n.startswith("NOT LIKE")], not_falling
