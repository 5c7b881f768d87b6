"""Appraisals of scores against performance as commands ask for them, and their bent lines as saved fits.

A fit is of one objective of a saved appraisal: performance over its score. What was asked for, as plain data: the
columns and settings of the command (`USUAL`), ``table`` that it was given, and ``appraisal objective regime``, which
name the rows in the store.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.appraisal_tables import ScoredSubsets, ScoredTable, read_scored_table
from db.batch_steps import asked_words
from db.kinds import DerivedSelection, axis_of, hash_lines
from db.select import Excluded
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit
    from scaling.valuation.appraisal.over_optimised import OverOptimisation
    from scaling.valuation.appraisal.result import Appraisal

Array = NDArray[np.float64]

KIND = "appraisal"
PLAIN_PAGE = True  # a row is a subset, and the score a column
RECORD = "over_optimisation"  # of the settings of a fit
#: Everything that can be asked for, with what it is where nothing was said.
USUAL: dict[str, Any] = {
    "performance": None, "lower": False, "score": None, "size": None, "random": None, "class_entropy": None,
    "class_count": None, "regime": None, "budget": None, "id": None, "measure": "spearman", "level": 0.95,
    "permutations": 999,
}  # fmt: skip
_OPTIONS = {"lower": "lower-is-better"}


@dataclass(frozen=True)
class Part:
    """The appraisal of the subsets of one regime.

    Parameters
    ----------
    subsets : ScoredSubsets
    appraisal : Appraisal
    z_random : dict of str to ndarray (n,)
        By objective: standard deviations above random subsets of the size; NaN where there are too few of them.
    n_eq : dict of str to ndarray (n,)
        By objective: size at which random subsets score as much; infinite or 0 beyond what any of them reaches, NaN
        where they have fewer than three sizes.
    saved : dict of str to SavedFit
        The bent line of each objective, where they were saved.
    """

    subsets: ScoredSubsets
    appraisal: Appraisal
    z_random: dict[str, Array]
    n_eq: dict[str, Array]
    saved: dict[str, SavedFit]


@dataclass(frozen=True)
class AppraisalAnswer:
    """What came of a table.

    Parameters
    ----------
    name : str or None
        Of the appraisal in the store.
    table : ScoredTable
    parts : tuple of Part
        One a regime of the table.
    command : str
        That makes it again.
    """

    name: str | None
    table: ScoredTable
    parts: tuple[Part, ...]
    command: str

    @property
    def flagged(self) -> list[OverOptimisation]:
        """Scores that were over-optimised."""
        return [one for part in self.parts for one in part.appraisal.over_optimised if one.flagged]


def appraise_table(
    store: Store | None, source: str, asked: Mapping[str, Any], *, name: str | None = None, replace: bool = False,
    bootstrap: int = 1000, seed: int = 0,
) -> AppraisalAnswer:  # fmt: skip
    """Appraise a table, and save it with the bent line of each objective where it is given a name.

    Parameters
    ----------
    store : Store or None
        Open for writing where there is a name.
    source : str
        As of `db.appraisal_tables.read_scored_table`.
    asked : mapping
        As of `USUAL`.
    name : str, optional
        Of the appraisal; those of the fits begin with it.
    replace : bool, default False
        Whether an appraisal and fits of those names give way.
    bootstrap, seed : int
        As of `scaling.valuation.appraise`.

    Returns
    -------
    AppraisalAnswer

    Raises
    ------
    UsageError
        For a question that makes no sense, or names that are taken.
    InputDataError
        For a table that cannot be appraised.
    """
    from scaling.valuation.appraisal.entrance import appraise

    asked = {**USUAL, **asked}
    table = read_scored_table(store, source, asked)
    if name is not None:
        assert store is not None
        if table.uri is None and table.source == name:
            raise UsageError(
                f"The appraisal '{name}' would take the place of what it is made from.", "Choose another --name."
            )
        _check_names(store, name, replace)
    parts = []
    for subsets in table.parts:
        found = appraise(
            **subsets.arrays(), better="higher" if table.higher_is_better else "lower", measure=asked["measure"],
            level=asked["level"], permutations=asked["permutations"], bootstrap=bootstrap, seed=seed,
        )  # fmt: skip
        z, worth = _against_random(subsets, found, seed)
        parts.append(Part(subsets, found, z, worth, {}))
    command = _command(source, asked, bootstrap, seed, name)
    answer = AppraisalAnswer(name, table, tuple(parts), command)
    if name is None or store is None:
        return answer
    from db.appraisal_saving import save_answer

    return save_answer(store, answer, asked, replace=replace, bootstrap=bootstrap, seed=seed)


def _check_names(store: Store, name: str, replace: bool) -> None:
    """Refuse a taken name before the work."""
    from db.macros import check_name

    check_name(store, name)
    if not replace and store.query("SELECT 1 FROM appraisal_defs WHERE appraisal_name = ?", [name])[1]:
        raise UsageError(
            f"The store already has an appraisal '{name}'.", "Choose another --name, or let it give way with --replace."
        )


def _against_random(
    subsets: ScoredSubsets, found: Appraisal, seed: int
) -> tuple[dict[str, Array], dict[str, Array]]:  # fmt: skip
    """Hold each score against random subsets: of its own size, and of the size that scores as much."""
    from scaling.valuation.equivalence.score_curve import score_curve_of

    spreads = {(one.of, one.size): one for one in found.spreads}
    z, worth = {}, {}
    drawn = np.zeros(len(subsets.names), bool) if subsets.is_random is None else subsets.is_random
    for objective, score in subsets.scores.items():
        known = [spreads.get((objective, float(size))) for size in subsets.size]
        z[objective] = np.array(
            [(s - one.mean) / one.sd if one and one.sd > 0 else np.nan for s, one in zip(score, known, strict=True)]
        )
        worth[objective] = np.full(len(score), np.nan)
        use = drawn & np.isfinite(score)
        try:
            curve = score_curve_of(subsets.size[use], score[use], seed=seed)
        except InputDataError:  # fewer than three sizes: nothing to read the size from
            continue
        worth[objective] = np.array(
            [curve.worth(float(s), bootstrap=2).size if np.isfinite(s) else np.nan for s in score]
        )
    return z, worth


# --- As a kind of saved fit -----------------------------------------------------------------------------------------


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the subsets of an appraisal that have a performance and all scores."""
    from db.appraisals import read_appraisal

    read_appraisal(store, asked["appraisal"])  # says so where it is gone
    return select_text(asked)


def select_text(asked: Mapping[str, Any]) -> str:
    """Write that SELECT without looking whether the appraisal is there."""
    name, objective = _text(asked["appraisal"]), _text(asked["objective"])
    regime = "NULL" if asked.get("regime_value") is None else _text(asked["regime_value"])
    mine = f"appraisal_name = {name} AND regime IS NOT DISTINCT FROM {regime}"
    needed = ["score", "performance", *(asked.get("needed") or ())]
    lacking = " OR ".join(f"{column} IS NULL" for column in needed)
    return (
        f"SELECT subset_name, size, is_random, score, performance\nFROM appraisals\nWHERE {mine}\n"
        f"  AND objective = {objective}\n"
        f"  AND subset_name NOT IN (SELECT subset_name FROM appraisals WHERE {mine} AND ({lacking}))\nORDER BY rowid"
    )


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Take the subsets among which a bend is looked for."""
    from scaling.valuation.appraisal.table import bend_rows

    if list(columns) != ["subset_name", "size", "is_random", "score", "performance"]:
        raise UsageError(f"It gives the columns {', '.join(columns)}, and not those of an appraisal.")
    names, size, drawn, score, performance = zip(*rows, strict=True)
    kept, notes = bend_rows(np.array(size, float))
    chosen = set(kept.tolist())
    s, y, is_random = np.array(score, float)[kept], np.array(performance, float)[kept], np.array(drawn, bool)[kept]
    mine = tuple(str(names[i]) for i in kept)
    return DerivedSelection(
        run_ids=mine,
        inputs={"s": s},
        observed=y,
        sql=sql,
        sha256=hash_lines([n, bool(r), float(a), float(b)] for n, r, a, b in zip(mine, is_random, s, y, strict=True)),
        excluded=tuple(Excluded(str(names[i]), "is of another size") for i in range(len(names)) if i not in chosen),
        not_selected=0,
        columns={"s": str(asked["objective"])},
        metric=str(asked.get("metric") or "performance"),
        order=s,
        source=is_random,
        notes=tuple(notes),
    )


def make(rows: DerivedSelection, asked: Mapping[str, Any], bootstrap: int = 1000, seed: int = 0) -> Fit:
    """Fit the bent line, with what the detector says beside it."""
    from scaling.valuation.appraisal.over_optimised import detect_over_optimisation

    found = detect_over_optimisation(
        rows.inputs["s"], rows.observed, is_random=rows.source, objective=asked["objective"], better=asked["better"],
        level=asked["level"], permutations=asked["permutations"], bootstrap=bootstrap, seed=asked["bend_seed"],
    )  # fmt: skip
    return fit_bend(rows, found, bootstrap, seed)


def fit_bend(rows: DerivedSelection, found: OverOptimisation, bootstrap: int, seed: int) -> Fit:
    """Fit the bent line, and keep what the detector found with it; rows are counted as the fit has them."""
    from scaling.valuation.appraisal.broken_line import fit_broken_line

    fit = fit_broken_line(rows.inputs["s"], rows.observed, bootstrap=bootstrap, seed=seed)
    record = {key: value for key, value in found.to_dict().items() if key != "pushed_rows"}
    return replace(fit, settings={**fit.settings, RECORD: record})


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the highest scores out, to see whether performance goes on as it began."""
    import scaling

    return scaling.backtest_law(saved.fit, rows.inputs, rows.observed, by=axis_of(rows), **settings)


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved fit, with those of the other objectives."""
    asked, settings = config["derived"]["asked"], config["settings"]
    return _command(asked["table"], asked, settings["bootstrap"], settings["seed"], asked["appraisal"])


def _command(source: str, asked: Mapping[str, Any], bootstrap: int, seed: int, name: str | None) -> str:
    said = {_OPTIONS.get(k, k.replace("_", "-")): v for k, v in asked.items() if k in USUAL}
    usual = {_OPTIONS.get(k, k.replace("_", "-")): v for k, v in USUAL.items()}
    words = ["scaling", "value", "appraise", source, *asked_words(said, usual)]
    words += ["--bootstrap", str(bootstrap), "--seed", str(seed)]
    return shlex.join([*words, *(["--name", name] if name else [])])


def _text(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"
