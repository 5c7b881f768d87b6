"""Observational scaling from the scores of a store: a task from the components of other benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from db.boundary_joined import JoinedScores, load_joined
from db.observational_fits import check_saving, save_observational
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.saved import SavedFit
    from db.store import Store
    from scaling.boundary.observational import Analysis, FamilySelection

_FOR_SELECTION = 3  # components where nothing says how many: those of arXiv:2405.10938


@dataclass(frozen=True)
class ObservationalAnswer:
    """What components of benchmarks say of a task, and which families to evaluate on it.

    Parameters
    ----------
    task : str or None
        The task; None where families are selected for one that nobody has run.
    benchmarks : tuple of str
        What components are made of.
    joined : JoinedScores
        The scores, one row a model.
    kept : ndarray of int (n,)
        Rows of the models with a score on a benchmark.
    analysis : Analysis or None
        None without a task.
    selection : FamilySelection or None
        None where not asked for.
    components : int
        In the link, or in what families are selected by.
    notes : tuple of str
        What is to be known of the scores.
    saved : SavedFit or None
        The link as a law of the benchmark scores; None where it was not named.
    """

    task: str | None
    benchmarks: tuple[str, ...]
    joined: JoinedScores
    kept: NDArray[np.intp]
    analysis: Analysis | None
    selection: FamilySelection | None
    components: int
    notes: tuple[str, ...]
    saved: SavedFit | None = None

    @property
    def models(self) -> list[str]:
        """Names of the models with a score on a benchmark."""
        return [self.joined.model[i] for i in self.kept]

    @property
    def families(self) -> list[str]:
        """Their families; a model without one goes by its own name."""
        return [self.joined.groups[i].removeprefix("alone: ") for i in self.kept]


def observe(
    store: Store,
    task: str | None,
    benchmarks: Sequence[str],
    asked: Mapping[str, Any],
    *,
    select: int | None = None,
    forced: Sequence[str] = (),
    method: str = "exact",
    components: int | None = None,
    preset: str | None = None,
    name: str | None = None,
    replace_fit: bool = False,
    **settings: Any,
) -> ObservationalAnswer:
    """Forecast a task from benchmarks, or select families to evaluate on it, or both.

    Parameters
    ----------
    store : Store
        An open store; for writing where `name` is given.
    task : str, optional
        The task; None for one that nobody has run, for which families can be selected.
    benchmarks : sequence of str
        Two or more, without the task.
    asked : mapping
        As of `db.boundary_joined.asked_of`; ``group`` is the column of families.
    select : int, optional
        Most models of the families to select.
    forced, method
        As of `scaling.boundary.observational.select_families`.
    components, preset
        As of `scaling.boundary.observational.analyse`. Families are selected by as many components as the link has.
    name : str, optional
        Of the link, which is then saved as a law of the benchmark scores, with its macro.
    replace_fit : bool
        Whether a saved fit of that name gives way.
    **settings
        As of `scaling.boundary.observational.analyse`.

    Returns
    -------
    ObservationalAnswer

    Raises
    ------
    UsageError
        For a question that makes no sense.
    InputDataError
        Where scores are missing, too few models share them, or they fix no link.
    """
    from scaling.boundary.observational import analyse, fit_components, select_families

    _check(task, benchmarks, select, forced)
    check_saving(store, task, name, replace_fit)
    named = [*benchmarks, *([] if task is None else [task])]
    joined = load_joined(store, named, asked)
    table = np.column_stack([joined.scores[name] for name in benchmarks])
    kept = np.flatnonzero(np.isfinite(table).any(axis=1))
    notes = list(joined.notes)
    if lost := len(joined) - len(kept):
        notes.append(
            f"{format_plural(lost, 'model')} left out that {'has' if lost == 1 else 'have'} no score on any benchmark."
        )
    here = ObservationalAnswer(task, tuple(benchmarks), joined, kept, None, None, components or _FOR_SELECTION, ())
    families, models = here.families, here.models
    if asked["group"] is None or len(set(families)) == len(families):
        notes.append("Every model is a family of its own, so intervals do not know which ones are alike.")
    analysis = selection = None
    count = components or _FOR_SELECTION
    if task is not None:
        shared = int(np.sum(np.isfinite(joined.scores[task][kept])))
        if not shared:
            raise InputDataError(
                f"No model has both a score on '{task}' and one on a benchmark.",
                "Models of two sources are matched by name. See: scaling ls --what models",
            )
        analysis = analyse(
            table[kept], joined.scores[task][kept], joined.log10_compute[kept], families, benchmarks=benchmarks,
            models=models, n_components=components, preset=preset, **settings,
        )  # fmt: skip
        count = analysis.n_components
    if select is not None:
        made = fit_components(
            table[kept], max(count, 1), rank=settings.get("rank", 1), benchmarks=benchmarks, models=models
        )
        selection = select_families(made.values[:, :count], families, select, forced=forced, method=method)
    answer = ObservationalAnswer(task, tuple(benchmarks), joined, kept, analysis, selection, count, tuple(notes))
    if name is None:
        return answer
    given = {"n_components": components, "preset": preset} | settings
    return replace(answer, saved=save_observational(store, answer, name, replace_fit=replace_fit, asked=given))


def _check(task: str | None, benchmarks: Sequence[str], select: int | None, forced: Sequence[str]) -> None:
    if len(benchmarks) < 2:
        raise UsageError(
            f"{format_plural(len(benchmarks), 'benchmark')} can have no components.",
            "Name two or more: --benchmarks MMLU,ARC-C,HellaSwag. See: scaling boundary tasks",
        )
    if task is not None and task in benchmarks:
        raise UsageError(
            f"'{task}' is the task, so it cannot be a benchmark that forecasts it.", "Leave it out of --benchmarks."
        )
    if task is None and select is None:
        raise UsageError(
            "There is nothing to do: no task to forecast, and no families to select.",
            "Name a task, or a budget of models: --select-families 8",
        )
    if forced and select is None:
        raise UsageError("--force names families to evaluate, and none are selected.", "Add --select-families 8, say.")
