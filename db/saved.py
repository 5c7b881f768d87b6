"""Fits as they stand in the store: load one, and select its rows again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from db.select import Question, Selection, select, select_by_sql
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.boundaries import ScoreSelection
    from db.pairs import PairQuestion
    from db.score_rows import ScoreQuestion
    from db.store import Store
    from scaling.results import Fit


@dataclass(frozen=True)
class SavedFit:
    """A fit as it stands in the store.

    Parameters
    ----------
    fit_id, name : str
        The identifier and the name, which is also that of the SQL macro.
    fit : Fit
        The fit.
    metric : str
        Metric that was fitted.
    sql, data_sha256 : str
        What selected the rows, and the hash of their values.
    config : dict
        What was asked for: the question and the settings of the fit.
    excluded : dict
        ``counts`` by reason, and the first ``rows``.
    group_by, group_value : str or None
        For a fit of one value of a column.
    env : dict
        Versions of Python and the libraries.
    created_at : datetime
        UTC.
    """

    fit_id: str
    name: str
    fit: Fit
    metric: str
    sql: str
    data_sha256: str
    config: dict[str, Any]
    excluded: dict[str, Any]
    group_by: str | None
    group_value: str | None
    env: dict[str, str]
    created_at: datetime

    @property
    def columns(self) -> dict[str, str]:
        """Column of ``runs_final``, SQL expression in parentheses or ``metric:NAME`` for each input of the law."""
        return dict(self.config["columns"])

    @property
    def pairs(self) -> PairQuestion | None:
        """What chose the pairs of runs that this fit is of; None for a fit of single runs."""
        from db.pairs import PairQuestion

        table = self.config.get("pairs")
        return None if table is None else PairQuestion.from_dict(table)

    @property
    def scores(self) -> ScoreQuestion | None:
        """What chose the scores that this fit is of; None for a fit of runs."""
        from db.score_rows import ScoreQuestion

        table = self.config.get("scores")
        return None if table is None else ScoreQuestion.from_dict(table)

    @property
    def observational(self) -> bool:
        """Whether it is a law of a task's score over those on benchmarks."""
        return "observational" in self.config

    @property
    def of_scores(self) -> bool:
        """Whether its rows are scores of models, and not runs."""
        return self.observational or "scores" in self.config

    @property
    def derived(self) -> bool:
        """Whether its rows are worked out from several runs each; see `db.kinds`."""
        return "derived" in self.config

    @property
    def dated(self) -> bool:
        """Whether it is a boundary of scores that a year moves."""
        return "in_time" in self.config

    @property
    def arguments(self) -> dict[str, str]:
        """Name of the macro's argument for each input: its column, or the input where that is an expression.

        Where two would be called the same, all are numbered.
        """
        names = {k: (c if c.isidentifier() else k) for k, c in self.columns.items()}
        if len({name.lower() for name in names.values()}) < len(names):
            return {k: f"x{i}" for i, k in enumerate(names, start=1)}
        return names

    @property
    def command(self) -> str:
        """The command that makes this fit."""
        question, settings = self.config["question"], self.config["settings"]
        if self.of_scores:
            return _score_command(self)
        if self.derived:
            from db.kinds import kind_of

            kind = kind_of(self)
            assert kind is not None
            return kind.command_of(self.config)
        if "translated" in self.config:
            from db.translations import translate_command

            return translate_command(self.config)
        if (pairs := self.pairs) is not None:
            if "accuracy" in self.config:
                from db.accuracies import accuracy_command

                return accuracy_command(self.config, pairs)
            return _transfer_command(self.config, pairs)
        law = self.config["law"]
        words = ["scaling", "fit", *([f"--formula={law}"] if law.startswith("-") else [law])]
        if (family := self.config.get("family")) is not None:  # the choice makes it, with its rivals and its trimming
            words = ["scaling", "fit", "auto", *([f"--family={family}"] if family[:1] == "-" else ["--family", family])]
            question = question | {"where": self.config["untrimmed"]}
            settings = {option: settings[option] for option in ("bootstrap", "seed")}
        for name, bounds in self.config["parameters"].items():
            words += ["--param", f"{name}={bounds.get('low', '')}:{bounds.get('high', '')}"]
        for name, column in question["inputs"].items():
            words += ["--input", f"{name}={column}"]
        for option in ("metric", "where", "by", "cluster"):
            words += [f"--{option}", question[option]] if question[option] else []
        for option, value in settings.items():
            if option == "start":
                words += [word for k, v in value.items() for word in ("--start", f"{k}={v}")]
            elif option == "penalty":
                words += [word for k, (c, s) in value.items() for word in ("--penalty", f"{k}={c}:{s}")]
            else:
                words += [f"--{option}", str(value)]
        words += ["--no-backtest"] if self.fit.backtest is None and "family" not in self.config else []
        return shlex.join([*words, "--name", self.config["name"]])


def _score_command(saved: SavedFit) -> str:
    """The command that makes a fit of scores."""
    if saved.observational:
        from db.observational_fits import observational_command

        return observational_command(saved.config)
    if saved.dated:
        from db.boundary_dated import drift_command

        return drift_command(saved.config)
    from db.boundaries import boundary_command

    return boundary_command(saved.config)


def _transfer_command(config: Mapping[str, Any], pairs: PairQuestion) -> str:
    """The command that makes a fit of pairs."""
    asked = config["transfer"]
    options = {
        "from": pairs.source, "to": pairs.target, "metric-from": pairs.metric_source, "metric-to": pairs.metric_target,
        "where": pairs.where, "by-column": None if pairs.column == "corpus" else pairs.column, "pair-by": pairs.by,
        "tolerance": pairs.tolerance, "bytes-per-token-from": pairs.bytes_per_token_source,
        "bytes-per-token-to": pairs.bytes_per_token_target, "floors": asked["floors"],
        "floor-from": asked["floor_from"], "floor-to": asked["floor_to"], "floor-law": asked["floor_law"],
        "form": config["law"], "bootstrap": config["settings"]["bootstrap"], "seed": config["settings"]["seed"],
    }  # fmt: skip
    words = ["scaling", "transfer", "fit", *(["--complement"] if pairs.complement else [])]
    for option, value in options.items():
        text = None if value is None else str(value)
        if text is not None:
            words += [f"--{option}={text}"] if text.startswith("-") else [f"--{option}", text]
    return shlex.join([*words, "--name", config["name"]])


def load_fit(store: Store, name: str) -> SavedFit:
    """Load a saved fit.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        Its name, its identifier, or ``latest``.

    Returns
    -------
    SavedFit

    Raises
    ------
    UsageError
        Where there is none; suggests the nearest name.
    """
    from scaling.results import Fit

    columns = (
        "fit_id, name, fit, metric, query_sql, data_sha256, config, excluded, group_by, group_value, env, created_at"
    )
    order = "ORDER BY created_at DESC, fit_id DESC LIMIT 1"
    _, rows = store.query(
        f"SELECT {columns} FROM fits WHERE lower(name) = lower($name) OR fit_id = $name", {"name": name}
    )
    if not rows and name == "latest":
        _, rows = store.query(f"SELECT {columns} FROM fits {order}")
    if not rows:
        _, known = store.query("SELECT name FROM fits")
        first = "Fit one first: scaling fit chinchilla --name NAME. Of scores: scaling boundary fit TASK --name NAME"
        hint = did_you_mean(name, [k for (k,) in known]) if known else first
        raise UsageError(f"The store has no fit '{name}'.", hint)
    row = rows[0]
    table = json.loads(row[2])
    table["replicates"] = _replicates(store, row[0], list(table["law"]["parameters"]))
    return SavedFit(
        fit_id=row[0],
        name=row[1],
        fit=Fit.from_dict(table),
        metric=row[3],
        sql=row[4],
        data_sha256=row[5],
        config=json.loads(row[6]),
        excluded=json.loads(row[7]),
        group_by=row[8],
        group_value=row[9],
        env=json.loads(row[10]),
        created_at=row[11],
    )


def rows_of(store: Store, saved: SavedFit) -> Selection:
    """Select the rows of a saved fit again, by asking its question anew.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The fit.

    Returns
    -------
    Selection
        Its hash differs from that of the fit where the data have changed since.
    """
    if (scores := saved.scores) is not None:
        from db.boundaries import select_scores

        return _with_year(saved, select_scores(store, scores))
    if saved.observational:
        from db.observational_fits import select_again

        return select_again(store, saved)
    if saved.derived:
        from db import kinds

        return kinds.select_again(store, saved)
    if (pairs := saved.pairs) is not None:
        from db.pairs import select_pairs

        return select_pairs(store, pairs)
    positive = saved.fit.objective.residual == "log"
    return _group(saved, select(store, saved.fit.law, _question(saved), positive=positive))


def rows_by_sql(store: Store, saved: SavedFit) -> Selection:
    """Select the rows of a saved fit again, by the SQL that is stored with it.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The fit.

    Returns
    -------
    Selection
        As of `rows_of`.

    Raises
    ------
    UsageError
        Where that SQL fails, or cannot be the one that selected these rows.
    InputDataError
        Where no row is left.
    """
    if (scores := saved.scores) is not None:
        from db.boundaries import select_scores_by_sql

        return _with_year(saved, select_scores_by_sql(store, scores, saved.sql))
    if saved.observational:
        from db.observational_fits import select_again_by_sql

        return select_again_by_sql(store, saved)
    if saved.derived:
        from db import kinds

        return kinds.select_again(store, saved, by_sql=True)
    if (pairs := saved.pairs) is not None:
        from db.pairs import select_pairs_by_sql

        return select_pairs_by_sql(store, pairs, saved.sql)
    positive = saved.fit.objective.residual == "log"
    found = select_by_sql(
        store, saved.fit.law, _question(saved), saved.sql, saved.columns, saved.metric, positive=positive
    )
    return _group(saved, found)


def _with_year(saved: SavedFit, selection: ScoreSelection) -> ScoreSelection:
    if not saved.dated:
        return selection
    from db.boundary_dated import with_year

    return with_year(selection)


def _question(saved: SavedFit) -> Question:
    return Question(**saved.config["question"])


def _group(saved: SavedFit, selection: Selection) -> Selection:
    return selection if saved.group_value is None else selection.take(saved.group_value)


def unchanged_rows(store: Store, saved: SavedFit) -> Selection:
    """Select the rows of a saved fit again, and refuse where they are no longer those that were fitted.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The fit.

    Returns
    -------
    Selection

    Raises
    ------
    InputDataError
        Where the data have changed since, or are no longer in the store.
    """
    try:
        rows = rows_of(store, saved)
    except (InputDataError, UsageError) as error:
        raise _gone(store, saved, error.message) from error
    if not len(rows):
        raise _gone(store, saved, f"No run has {saved.group_by} = {saved.group_value}")
    if rows.sha256 != saved.data_sha256:
        raise InputDataError(
            f"The rows of the fit '{saved.name}' have changed since it was made, so it no longer describes them.",
            f"Fit again: {saved.command} --replace",
        )
    return rows


def _gone(store: Store, saved: SavedFit, why: str) -> InputDataError:
    """Say that the rows of a fit cannot be had any more, and what still works without them."""
    table, key = ("evals", "eval_id") if saved.of_scores else ("runs", "run_id")
    _, [(left,)] = store.query(
        f"SELECT count(*) FROM fit_rows AS f JOIN {table} AS t ON t.{key} = f.run_id WHERE f.fit_id = ?", [saved.fit_id]
    )
    then = format_plural(saved.fit.n_obs, "row")
    if left:
        text = f"The rows of the fit '{saved.name}' can no longer be selected ({then} then, {left} still there): {why}"
    else:
        text = f"The rows of the fit '{saved.name}' are no longer in the store: {then} then, none now."
    again = "read the file that they came from in again: scaling ingest FILE"
    if saved.derived and saved.config["derived"]["kind"] == "appraisal":
        again = f"appraise again: {saved.command} --replace"
    return InputDataError(
        text, f"forecast, allocate and compare still work, from the fit itself. To bring the rows back, {again}"
    )


def _replicates(store: Store, fit_id: str, names: list[str]) -> list[list[float | None]]:
    _, rows = store.query(
        "SELECT replicate, parameter, value FROM fit_replicates WHERE fit_id = ? ORDER BY replicate", [fit_id]
    )
    count = len(rows) // len(names)
    out: list[list[float | None]] = [[None] * len(names) for _ in range(count)]
    place = {name: j for j, name in enumerate(names)}
    for replicate, parameter, value in rows:
        out[replicate][place[parameter]] = value
    return out
