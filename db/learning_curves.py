"""Learning curves of groups of runs: one fit a group, of what was measured over the examples it was trained on.

What was asked for, as plain data: ``count by group base value metric where higher law pool unit``. ``count`` is the
column of the number of examples, ``by`` that of the groups, ``group`` the one a fit is of, and ``base`` what the names
of all of them begin with. Where groups share their exponents (``pool``), every fit rests on the rows of all of them.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.batch_steps import asked_words
from db.kinds import DerivedSelection, hash_lines
from db.select import Excluded
from db.sweeps import check_column, number_of, runs_sql
from scaling.errors import InputDataError, ScalingError, UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.fitting.backtest import Backtest
    from scaling.fitting.objective import Objective
    from scaling.laws.law import Law
    from scaling.results import Fit
    from scaling.valuation.collection.curves import LearningCurves

Array = NDArray[np.float64]

KIND = "learning_curve"
PLAIN_PAGE = True  # every row is a run
#: Everything that can be asked for, with what it is where nothing was said.
USUAL: dict[str, Any] = {
    "count": None, "by": None, "value": None, "metric": None, "where": None, "higher": False, "law": "power_floor",
    "pool": False,
}  # fmt: skip
_OPTIONS = {"higher": "higher-is-better"}
_WITHOUT = "has no number above 0 in the column of examples"


@dataclass(frozen=True)
class CurveRows:
    """What learning curves are fitted to.

    Parameters
    ----------
    run_ids, group : tuple of str (n,)
        Of each row; the name of the only group is ``all``.
    x, y : ndarray (n,)
        Examples, and what was measured.
    """

    run_ids: tuple[str, ...]
    group: tuple[str, ...]
    x: Array
    y: Array

    @property
    def groups(self) -> list[str]:
        """All groups, in order."""
        return sorted(set(self.group))

    def of(self, group: str) -> NDArray[np.int64]:
        """Return which rows are of a group, in the order in which its curve takes them."""
        mine = np.flatnonzero(np.array(self.group) == group)
        return np.asarray(mine[np.lexsort((self.y[mine], self.x[mine]))])

    def up_to(self, largest: float) -> CurveRows:
        """Return the rows of all groups up to a number of examples."""
        some = np.flatnonzero(self.x <= largest)
        return CurveRows(
            tuple(self.run_ids[i] for i in some), tuple(self.group[i] for i in some), self.x[some], self.y[some]
        )

    def fit(self, asked: Mapping[str, Any], bootstrap: int, seed: int, progress: Any = None) -> LearningCurves:
        """Fit the curves of all groups; their unit is that which was asked for, where one was."""
        from scaling.valuation.collection.curves import learning_curves

        found = learning_curves(
            self.x, self.y, self.group, law=asked.get("law") or USUAL["law"], pool=bool(asked.get("pool")),
            higher_is_better=bool(asked.get("higher")), bootstrap=bootstrap, seed=seed,
            progress=progress,
        )  # fmt: skip
        unit = asked.get("unit")
        if unit is None:
            return found
        curves = {
            group: replace(curve, fit=replace(curve.fit, law=replace(curve.fit.law, unit=unit)))
            for group, curve in found.curves.items()
        }
        return replace(found, curves=curves)


def unit_of(store: Store, asked: Mapping[str, Any], metric: str) -> str:
    """Tell the unit of what was measured: that of the metric, as far as the store knows it; none of a column's."""
    if asked.get("higher"):
        return "error, 1 - value"
    if asked.get("value"):
        return ""
    _, rows = store.query("SELECT unit, kind FROM metric_defs WHERE metric = ?", [metric])
    known, kind = rows[0] if rows else ("unknown", "loss")
    if known != "unknown":
        return str(known)
    return "nats/token, assumed" if kind == "loss" else ""


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the runs of all groups."""
    if not asked.get("count"):
        raise UsageError(
            "Which column counts the examples is not said.", "Name it, such as --count n_examples, or --count n_tokens."
        )
    count = f"TRY_CAST({check_column(store, asked['count'], '--count')} AS DOUBLE)"
    value = asked.get("value")
    if value is not None:
        check_column(store, value, "--value")
    return runs_sql(
        store, batch=count, by=asked.get("by"), value=value, metric=asked.get("metric"), where=asked.get("where")
    )


def read_curve_rows(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> tuple[CurveRows, list[Excluded]]:
    """Read what the SQL gave: the rows of all groups, and the runs that no curve can use."""
    from scaling.valuation.collection.rows import ALL

    place = {name: j for j, name in enumerate(columns)}
    kept, excluded = [], []
    for row in rows:
        run_id, count = str(row[place["run_id"]]), number_of(row[place["batch"]])
        value, status, group = number_of(row[place["value"]]), row[place["status"]], row[place["sweep"]]
        if asked.get("by") and group is None:
            excluded.append(Excluded(run_id, f"has no {asked['by']}"))
        elif not count >= 1 or not math.isfinite(count):
            excluded.append(Excluded(run_id, _WITHOUT))
        elif status != "ok" or not math.isfinite(value):
            excluded.append(Excluded(run_id, f"the value is {status}" if status != "ok" else "the value is no number"))
        else:
            kept.append((run_id, ALL if group is None else str(group), count, value))
    if not kept:
        why = f" {excluded[0].run_id} {excluded[0].reason}." if excluded else ""
        raise InputDataError(f"No run that is selected is a point of a learning curve.{why}")
    names, groups, x, y = zip(*kept, strict=True)
    return CurveRows(names, groups, np.array(x, float), np.array(y, float)), excluded


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Take the runs of one group; where groups share their exponents those of the others stand behind them."""
    every, excluded = read_curve_rows(asked, columns, rows)
    return selection_of(asked, every, excluded, sql)


def selection_of(
    asked: Mapping[str, Any], every: CurveRows, excluded: Sequence[Excluded], sql: str
) -> DerivedSelection:  # fmt: skip
    """Make the runs of one group the rows of a fit."""
    group = asked.get("group") or every.groups[0]
    at = every.of(group)
    if not len(at):
        raise InputDataError(f"No run that is selected is of the group '{group}'.")
    behind = range(len(every.x)) if asked.get("pool") else at.tolist()
    y = 1 - every.y if asked.get("higher") else every.y
    order = at if not asked.get("higher") else at[np.lexsort((y[at], every.x[at]))]
    return DerivedSelection(
        run_ids=tuple(every.run_ids[i] for i in order),
        inputs={"x": every.x[order]},
        observed=y[order],
        sql=sql,
        sha256=hash_lines([every.group[i], every.run_ids[i], float(every.x[i]), float(every.y[i])] for i in behind),
        excluded=tuple(excluded),
        not_selected=0,
        columns={"x": str(asked["count"])},
        metric=str(asked.get("value") or asked.get("metric") or "loss"),
        order=every.x[order],
        members=tuple((every.run_ids[i],) for i in order),
        source=every,
        notes=("The curve is that of the error, 1 - value.",) if asked.get("higher") else (),
    )


def make(rows: DerivedSelection, asked: Mapping[str, Any], bootstrap: int = 200, seed: int = 0) -> Fit:
    """Fit the curve of one group."""
    every: CurveRows = rows.source
    group = asked.get("group") or every.groups[0]
    if not asked.get("pool"):
        mine = every.of(group)
        every = CurveRows(rows.run_ids, (group,) * len(mine), every.x[mine], every.y[mine])
    found = every.fit(asked, bootstrap, seed)
    if group not in found.curves:
        raise InputDataError(f"The learning curve of {group} cannot be fitted: it {found.refused[group]}.")
    return found[group].fit


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the largest sizes out; an exponent that rests on all groups is found again from what is left of all."""
    import scaling

    asked, every = saved.config["derived"]["asked"], rows.source
    if not asked.get("pool"):
        return scaling.backtest_law(saved.fit, rows.inputs, rows.observed, by=rows.order, **settings)

    def law_at(largest: float) -> tuple[Law, Objective] | None:
        try:
            found = every.up_to(largest).fit(asked, 0, saved.fit.seed)
            alpha = found[asked["group"]].fit.estimates["alpha"]
        except ScalingError:
            return None
        return _held(saved.fit, alpha), saved.fit.objective

    own = {k: v for k, v in saved.fit.settings.items() if k != "penalty"}
    fit = replace(saved.fit, settings=own)
    return scaling.backtest_law(fit, rows.inputs, rows.observed, by=rows.order, law_at=law_at, **settings)


def _held(fit: Fit, alpha: float) -> Law:
    """Write the law of a curve with its exponent as a number."""
    left = tuple(parameter for parameter in fit.law.parameters if parameter.name != "alpha")
    return replace(fit.law, formula=f"E + A/x**{alpha:.17g}", parameters=left, published=())


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved curve; of a group among several the one that makes all of them."""
    asked, settings = config["derived"]["asked"], config["settings"]
    said = {_OPTIONS.get(k, k): v for k, v in asked.items() if k in USUAL}
    usual = {_OPTIONS.get(k, k): v for k, v in USUAL.items()}
    words = ["scaling", "value", "curves", *asked_words(said, usual)]
    words += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"])]
    return shlex.join([*words, "--name", asked.get("base") or config["name"]])
