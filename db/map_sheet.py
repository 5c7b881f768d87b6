"""All maps of a sheet from the store: which pairs of corpora, their runs and floors, and the large run of each."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.floors import floors_of
from db.map_targets import LargeRuns, SideRun
from db.pairs import PairQuestion, PairSelection, ask_pairs
from db.views import quote_name
from scaling.errors import InputDataError, ScalingError, StoreError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store
    from scaling.loss_to_loss.sensitivity import LawFloor
    from scaling.loss_to_loss.sheet import PairData, SheetMap


@dataclass(frozen=True)
class SheetQuestion:
    """What a sheet of maps shows: everything that was asked for, as plain data.

    Parameters
    ----------
    sources, targets : tuple of str
        Values of the column; an empty one stands for every value whose runs have the metric.
    metric, metric_source, metric_target : str, optional
        As of `db.pairs.ask_pairs`.
    column, where, by, tolerance
        As of `db.pairs.PairQuestion`.
    floors, floor_law : str
        As of `db.floors.floors_of`.
    form : str
        As of `scaling.loss_to_loss.fit_pairs`.
    x : float, optional
        Loss of a run on the source that the maps are asked about.
    target_run : str, optional
        A run of the source, whose loss is that x.
    source_fit : str, optional
        A saved law that forecasts x, at `n_params` parameters and `n_tokens` tokens.
    n_params, n_tokens : float, optional
        Of the run that is forecast.
    compute_flop : float, optional
        Training compute of the run whose loss is `x`, FLOP.
    level : float
        Nominal coverage of the intervals.
    bootstrap, seed : int
        Replicates behind them, and their seed.
    """

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    metric: str | None = None
    metric_source: str | None = None
    metric_target: str | None = None
    column: str = "corpus"
    where: str | None = None
    by: str = "cell"
    tolerance: float | None = None
    floors: str = "free"
    floor_law: str = "chinchilla"
    form: str = "auto"
    x: float | None = None
    target_run: str | None = None
    source_fit: str | None = None
    n_params: float | None = None
    n_tokens: float | None = None
    compute_flop: float | None = None
    level: float = 0.9
    bootstrap: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        asked = [
            option
            for option, value in (("--x", self.x), ("--target-run", self.target_run), ("--source-fit", self.source_fit))
            if value is not None
        ]
        if len(asked) > 1:
            raise UsageError(f"{' and '.join(asked)} each say which run is forecast.", "Give one of them.")
        sizes = (self.n_params, self.n_tokens)
        if self.source_fit is not None and None in sizes:
            raise UsageError(
                "A law forecasts the loss of a model of some size on some tokens, and these are missing.",
                "Add --params 3.3B --tokens 50B.",
            )
        if self.source_fit is None and sizes != (None, None):
            raise UsageError(
                "--params and --tokens say what a law of the source forecasts, and no law is named.",
                "Add --source-fit NAME.",
            )
        if self.compute_flop is not None and self.x is None:
            raise UsageError("--flops is the compute of the run whose loss is --x, which is missing.", "Add --x 2.13.")
        if (self.x is not None or self.source_fit is not None) and len(self.sources) != 1:
            raise UsageError(
                f"{asked[0]} is about one loss, and that is a loss on one source.", "Name the source with --from."
            )

    @property
    def command(self) -> str:
        """The command that makes this sheet."""
        options: dict[str, Any] = {
            "from": ",".join(self.sources) or None, "to": ",".join(self.targets) or None, "metric": self.metric,
            "metric-from": self.metric_source, "metric-to": self.metric_target,
            "by-column": None if self.column == "corpus" else self.column, "where": self.where,
            "pair-by": None if self.by == "cell" else self.by, "tolerance": self.tolerance, "floors": self.floors,
            "floor-law": None if self.floors == "free" else self.floor_law, "form": self.form, "x": self.x,
            "target-run": self.target_run, "source-fit": self.source_fit, "params": _plain(self.n_params),
            "tokens": _plain(self.n_tokens), "flops": _plain(self.compute_flop), "level": self.level,
            "bootstrap": self.bootstrap, "seed": self.seed,
        }  # fmt: skip
        words = ["scaling", "transfer", "report"]
        for option, value in options.items():
            if value is not None:
                words += [f"--{option}={value}"] if str(value).startswith("-") else [f"--{option}", str(value)]
        return shlex.join(words)


@dataclass(frozen=True)
class Sheet:
    """The maps of a sheet, and what they were made from.

    Parameters
    ----------
    question : SheetQuestion
        What was asked for.
    maps : tuple of SheetMap
        Source by source.
    sources : tuple of SourceOfRuns
        Files that the runs came from.
    simulated : bool
        Whether no model was trained.
    versions : dict of str to str
        Software.
    store : str
        Name of the store.
    """

    question: SheetQuestion
    maps: tuple[SheetMap, ...]
    sources: tuple[Any, ...] = ()
    simulated: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    store: str = ""


def map_sheet(store: Store, asked: SheetQuestion, progress: Callable[[int, int], None] | None = None) -> Sheet:
    """Fit all maps of a sheet; nothing is saved.

    Parameters
    ----------
    store : Store
        An open store.
    asked : SheetQuestion
        Which maps, and what is forecast with them.
    progress : callable, optional
        Told how many maps are done, and of how many.

    Returns
    -------
    Sheet
        A map that cannot be fitted stands on it with the reason.

    Raises
    ------
    UsageError
        For a question that makes no sense, and a run or fit that is not there or of another side.
    InputDataError
        Where no map at all can be fitted; the error is that of the first.
    """
    from db.fits import environment
    from db.provenance import is_simulated, sources_of
    from scaling.loss_to_loss.sheet import make_map

    _check(asked)
    large = LargeRuns(store, asked)
    sides = _sides(store, replace(asked, sources=large.sources))
    laws: dict[tuple[Any, ...], tuple[LawFloor, ...]] = {}
    maps: list[SheetMap] = []
    runs: dict[str, None] = {}
    first: ScalingError | None = None
    for done, (source, target) in enumerate(sides):
        if progress is not None:
            progress(done, len(sides))
        question = ask_pairs(
            store, source, target, asked.metric, metric_source=asked.metric_source, metric_target=asked.metric_target,
            column=asked.column, where=asked.where, by=asked.by, tolerance=asked.tolerance,
        )  # fmt: skip
        try:
            question, rows, run = large.of(question)
            data = _pair_data(store, asked, question, rows)
        except StoreError:
            raise
        except ScalingError as error:
            first = first or error
            maps.append(_refused(question, error))
            continue
        floors = [law_floors_of(large, laws, question, side, asked.seed) for side in ("source", "target")]
        settings: dict[str, Any] = {"form": asked.form, "bootstrap": asked.bootstrap, "seed": asked.seed}
        settings |= {"level": asked.level, "source_floors": floors[0], "target_floors": floors[1]}
        maps.append(make_map(data, run, **settings))
        runs |= dict.fromkeys([*rows.runs, *([run.run_id] if run is not None and run.run_id else [])])
    if all(one.fit is None for one in maps):
        raise first or InputDataError(f"None of the {len(maps)} maps can be fitted. {maps[0].refused}")
    return Sheet(
        question=replace(asked, sources=large.sources),
        maps=tuple(maps),
        sources=tuple(sources_of(store, list(runs))),
        simulated=is_simulated(store, list(runs)),
        versions=environment(),
        store=Path(store.path).name,
    )


def _plain(value: float | None) -> str | None:
    return None if value is None else f"{value:.12g}"


def _check(asked: SheetQuestion) -> None:
    """Refuse what would be refused of every map."""
    from db.floors import MODES
    from scaling.inputs import check_level
    from scaling.laws.book import find_law
    from scaling.loss_to_loss.maps import find_form

    check_level(asked.level)
    if asked.form != "auto":
        find_form(asked.form)
    if asked.floors not in MODES:
        raise UsageError(f"There are no floors '{asked.floors}'.", did_you_mean(asked.floors, MODES))
    if asked.floors != "free":
        find_law(asked.floor_law)
    if asked.x is not None and not (math.isfinite(asked.x) and asked.x > 0):
        raise UsageError(f"A loss is a number above 0, not {asked.x}.", "Such as --x 2.13.")


def _sides(store: Store, asked: SheetQuestion) -> list[tuple[str, str]]:
    """Ordered pairs of values: those named, or all whose runs have the metric."""
    one, other = asked.metric_source or asked.metric, asked.metric_target or asked.metric
    sources = asked.sources or _values(store, asked, one)
    targets = asked.targets or _values(store, asked, other)
    known = _values(store, asked, None) if asked.sources or asked.targets else ()
    for value in (*asked.sources, *asked.targets):
        if value not in known:
            raise UsageError(f"No runs in the store have {asked.column} = '{value}'.", did_you_mean(value, known))
    same = one == other
    found = [(a, b) for a in sources for b in targets if not (same and a == b)]
    if not found:
        named = asked.sources or asked.targets
        only = f"the only value is {named[0]}" if named else "fewer than two values have runs with the metric"
        raise UsageError(
            f"There are no two sides to map: of {asked.column}, {only}.",
            "Name two (--from web --to code), or two metrics of one (--metric-from, --metric-to).",
        )
    return found


def _values(store: Store, asked: SheetQuestion, metric: str | None) -> tuple[str, ...]:
    from db.columns import usual_column

    known, _ = store.query("SELECT * FROM runs_final LIMIT 0")
    column = usual_column(asked.column, known)
    if column is None:
        raise UsageError(f"runs_final has no column '{asked.column}'.", did_you_mean(asked.column, known))
    shown, usable = "runs_final", ""
    if metric is not None:
        shown, usable = f"({store.runs_final_sql(metric)}) AS runs_final", "loss_status = 'ok' AND "
    quoted = quote_name(column)
    _, rows = store.query(
        f"SELECT DISTINCT CAST({quoted} AS VARCHAR) AS value FROM {shown} WHERE {usable}{quoted} IS NOT NULL ORDER BY 1"
    )
    return tuple(value for (value,) in rows)


def _pair_data(store: Store, asked: SheetQuestion, question: PairQuestion, rows: PairSelection) -> PairData:
    from scaling.loss_to_loss.sheet import PairData

    floors = floors_of(store, question, asked.floors, law=asked.floor_law, seed=asked.seed)
    return PairData(
        question.source, question.target, question.metric_source, question.metric_target, rows.units["x"],
        rows.target_unit, rows.inputs["x"], rows.observed, rows.order, rows.run_ids,
        tuple((one.run_id, one.reason) for one in rows.excluded), rows.notes, rows.sql, rows.sha256, *floors,
    )  # fmt: skip


def _refused(question: PairQuestion, error: ScalingError) -> SheetMap:
    import numpy as np

    from scaling.loss_to_loss.sheet import PairData, SheetMap

    none = np.empty(0)
    sides = (question.source, question.target, question.metric_source, question.metric_target)
    text = error.message.rstrip(".")
    return SheetMap(PairData(*sides, "", "", none, none, None, ()), None, refused=f"{text[:1].upper()}{text[1:]}.")


def law_floors_of(
    large: LargeRuns, known: dict[tuple[Any, ...], tuple[LawFloor, ...]], question: PairQuestion, side: str, seed: int
) -> tuple[LawFloor, ...]:
    """Floors of the laws of one side; the same side of another map has them already."""
    from scaling.loss_to_loss.sensitivity import law_floors

    value, metric = getattr(question, side), getattr(question, f"metric_{side}")
    key = (value, metric, question.where)
    if key not in known:
        runs = large.runs(question, side, question.where)
        columns = _columns(runs)
        known[key] = law_floors(*columns, seed=seed, side=f"{value} ({metric})") if runs else ()
    return known[key]


def _columns(runs: Sequence[SideRun]) -> list[list[float]]:
    return [
        [run.n_params for run in runs],
        [run.n_tokens for run in runs],
        [run.loss for run in runs],
        [run.compute_flop if math.isfinite(run.compute_flop) else 6 * run.n_params * run.n_tokens for run in runs],
    ]
