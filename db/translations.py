"""Laws translated to another corpus: from a saved law and a saved map of losses, saved as a fit like any other.

Its rows are the runs of the new corpus, to which nothing is fitted. What it was made of is kept by name and identifier,
so that it can be made again, and said whether one of the two has left the store or was fitted anew.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Any

from db.backtests import untrimmed
from db.fits import check_fit_name, save_fit
from db.saved import SavedFit, load_fit, unchanged_rows
from db.select import Question, Selection, select
from db.views import quote_name, quote_text
from scaling.errors import InputDataError, UsageError
from scaling.verdicts import WEAK

if TYPE_CHECKING:
    from db.store import Store
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

KIND = "translation"  # of such a fit, in the table of fits


def translate_runs(
    store: Store, source_name: str, pair_name: str, *, name: str | None = None, replace: bool = False, seed: int = 0
) -> SavedFit:
    """Translate a saved law by a saved map, and save the result with its macro and its back-test.

    Parameters
    ----------
    store : Store
        Open for writing.
    source_name : str
        A fit of a law of N and D, to runs of the corpus that the map starts from.
    pair_name : str
        A fit of pairs of runs.
    name : str, optional
        Name of the translated fit and its macro; ``translation_1`` and so on where missing.
    replace : bool, default False
        Whether a saved fit of that name gives way.
    seed : int, default 0
        As of `scaling.loss_to_loss.translate`.

    Returns
    -------
    SavedFit
        Of the metric that the map gives, on the runs of its target corpus. Where the rows of one of the two fits are no
        longer what they were, its back-test is that of the law, seen through the map, and its verdict says so.

    Raises
    ------
    UsageError
        For fits that do not belong together, a name that makes no sense, or that of one of the two fits.
    InputDataError
        Where the new corpus has no runs, or the law no value at one of them.
    """
    from db.backtests import keep_backtest
    from scaling.loss_to_loss.translation.translate import without_untested

    check_fit_name(store, name, replace)
    source, pair = load_fit(store, source_name), load_fit(store, pair_name)
    if name is not None and name.lower() in (source.name.lower(), pair.name.lower()):
        raise UsageError(
            f"The translated law cannot take the name '{name}' from what it is made of, without which it could be "
            "neither made again nor checked.",
            "Choose another --name.",
        )
    question = _question(store, source, pair)
    rows = select(store, source.fit.law, question, positive=pair.fit.objective.residual == "log")
    changed = _changed(store, source, pair)
    fit = _translated(source, pair, rows, seed, changed)
    whole = True
    try:
        found = _back_tested(store, source, pair, rows, seed)
        fit = replace_fields(fit, backtest=found)
        if found.says_something:
            fit = without_untested(fit)
    except InputDataError:
        whole = False
    notes: dict[str, Any] = {
        "translated": {
            "source": source.name, "source_id": source.fit_id, "map": pair.name, "map_id": pair.fit_id, "seed": seed,
            "changed": changed, "tested": whole and found.says_something,
        },
    }  # fmt: skip
    saved = save_fit(
        store, fit.law.name, question, rows, fit, base=KIND, name=name, replace=replace, kind=KIND, notes=notes,
        objective=fit.objective.text, residual=fit.objective.residual_text, bootstrap=len(fit.replicates), seed=seed,
    )  # fmt: skip
    if whole:
        with store.transaction():
            keep_backtest(store, saved, rows)
    return saved


def translated_again(store: Store, saved: SavedFit, rows: Selection) -> Fit:
    """Translate again, from the two fits as they are stored, to the runs of now.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        A translated fit.
    rows : Selection
        Runs of the new corpus.

    Returns
    -------
    Fit

    Raises
    ------
    UsageError
        Where one of the two is not in the store, or is another fit by now; see `what_left`.
    """
    from scaling.loss_to_loss.translation.translate import without_untested

    source, pair = _parts(store, saved)
    kept = saved.config["translated"]
    fit = _translated(source, pair, rows, kept["seed"], kept.get("changed", ()))
    return without_untested(fit) if kept.get("tested", True) else fit


def backtest_again(store: Store, saved: SavedFit, rows: Selection, **settings: Any) -> Backtest:
    """Back-test a translated fit on the rows of both fits that it was made of.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        A translated fit.
    rows : Selection
        Its rows.
    **settings
        ``level bootstrap seed``, as of `scaling.loss_to_loss.translation.backtest.backtest_translation`.

    Returns
    -------
    Backtest

    Raises
    ------
    UsageError
        Where one of the two fits is not what it was.
    InputDataError
        Where the rows of one of them are not.
    """
    source, pair = _parts(store, saved)
    seed = settings.pop("seed", saved.config["translated"]["seed"])
    settings.pop("trim", None)  # nothing is left out of rows that nothing is fitted to
    return _back_tested(store, source, pair, rows, seed, **settings)


def what_left(store: Store, saved: SavedFit) -> tuple[str, bool] | None:
    """Say which of the two fits that a translation was made of is not what it was.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        A translated fit.

    Returns
    -------
    tuple of (str, bool) or None
        A sentence, and whether the fit has left the store, and was not fitted anew; None where both are as they were.
    """
    kept = saved.config["translated"]
    for what, key in (("law", "source"), ("map", "map")):
        _, rows = store.query("SELECT fit_id FROM fits WHERE lower(name) = lower(?)", [kept[key]])
        _, by_id = store.query("SELECT name FROM fits WHERE fit_id = ?", [kept[f"{key}_id"]])
        if by_id:
            continue
        if rows:
            return f"The {what} '{kept[key]}' that it was translated from was fitted anew since.", False
        return f"The {what} '{kept[key]}' that it was translated from is no longer in the store.", True
    return None


def made_of(store: Store, saved: SavedFit) -> list[str]:
    """Name the translated laws that were made of a fit.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        A law or a map.

    Returns
    -------
    list of str
        In the order of the alphabet.
    """
    _, rows = store.query(
        "SELECT name FROM fits WHERE ? IN (json_extract_string(config, '$.translated.source_id'), "
        "json_extract_string(config, '$.translated.map_id')) ORDER BY name",
        [saved.fit_id],
    )
    return [str(name) for (name,) in rows]


def translate_command(config: Mapping[str, Any]) -> str:
    """Return the command that makes a translated fit.

    Parameters
    ----------
    config : mapping
        Of the saved fit.
    """
    kept = config["translated"]
    words = ["scaling", "transfer", "translate", kept["source"], kept["map"]]
    words += ["--seed", str(kept["seed"])] if kept["seed"] else []
    return shlex.join([*words, "--name", config["name"]])


def _parts(store: Store, saved: SavedFit) -> tuple[SavedFit, SavedFit]:
    """Load the two fits of a translation, the very ones."""
    kept = saved.config["translated"]
    if (gone := what_left(store, saved)) is not None:
        said, left = gone
        _, rows = store.query("SELECT lower(name) FROM fits")
        here = {name for (name,) in rows}
        missing = [kept[key] for key in ("source", "map") if left and kept[key].lower() not in here]
        first = f"Fit {' and '.join(missing)} again under {'that name' if len(missing) == 1 else 'those names'}, then t"
        raise UsageError(said, f"{first if missing else 'T'}ranslate again: {saved.command} --replace")
    return load_fit(store, kept["source_id"]), load_fit(store, kept["map_id"])


def _translated(source: SavedFit, pair: SavedFit, rows: Selection, seed: int, changed: Sequence[str]) -> Fit:
    """Translate to runs. Those of the law and the pairs are never drawn together: they are other units."""
    from scaling.loss_to_loss import translate

    fit = translate(source.fit, pair.fit, rows.inputs, rows.observed, groups=rows.clusters, seed=seed)
    known = fit.diagnostics
    concerns = (*known.concerns, *((WEAK, said) for said in changed))
    return replace_fields(fit, diagnostics=replace_fields(known, concerns=concerns))


def _changed(store: Store, source: SavedFit, pair: SavedFit) -> list[str]:
    """Say of which of the two fits the rows are no longer what they were."""
    said = []
    for saved in (source, pair):
        try:
            unchanged_rows(store, saved)
        except InputDataError as error:
            said.append(f"{error.message.rstrip('.')}. What was translated is the fit as it was then.")
    return said


def _back_tested(
    store: Store, source: SavedFit, pair: SavedFit, rows: Selection, seed: int, **settings: Any
) -> Backtest:
    import numpy as np

    from scaling.loss_to_loss.translation.backtest import PairRows, Runs, backtest_translation

    old = untrimmed(store, source, unchanged_rows(store, source))
    both: Any = unchanged_rows(store, pair)
    budget = 6 * both.pairs.n_params * both.pairs.n_tokens
    if not np.all(np.isfinite(budget)):
        raise InputDataError(f"The pairs of the fit '{pair.name}' have no parameters or tokens to be held out by.")
    trim = source.config.get("trim", "none")
    law = replace_fields(source.fit, settings=source.fit.settings | {"trim": trim})
    return backtest_translation(
        law, pair.fit, Runs(old.inputs, old.observed, old.clusters), PairRows(both.inputs["x"], both.observed, budget),
        Runs(rows.inputs, rows.observed, rows.clusters), seed=seed, **settings,
    )  # fmt: skip


def _question(store: Store, source: SavedFit, pair: SavedFit) -> Question:
    """Which runs the translated law is for; refused where the two fits do not belong together."""
    pairs, law = pair.pairs, source.fit.law
    if pairs is None:
        raise UsageError(
            f"The fit '{pair.name}' is no map from one loss to another.",
            "Fit one to pairs of runs: scaling transfer fit --from OLD --to NEW",
        )
    if "translated" in source.config:
        raise UsageError(
            f"The fit '{source.name}' was itself translated.",
            f"Fit a map from where it came: scaling transfer fit --from CORPUS --to {pairs.target}",
        )
    if set(law.inputs) != {"N", "D"} or source.pairs is not None:
        raise UsageError(
            f"The fit '{source.name}' is of {', '.join(law.inputs)}, and what is translated is a law of N and D.",
            "Such as: scaling fit kaplan",
        )
    if pairs.bytes_per_token_source is not None or pairs.bytes_per_token_target is not None:
        side = "takes" if pairs.bytes_per_token_source is not None else "gives"
        words = ["--from", pairs.source, "--to", pairs.target]
        words += ["--metric-from", pairs.metric_source, "--metric-to", pairs.metric_target]
        way = f"Fit the map in nats/token, without bytes per token: scaling transfer fit {shlex.join(words)}"
        if pairs.bytes_per_token_target is None:  # the target is in bits/byte as it is
            way = (
                f"Ingest {pairs.metric_source} in bits/byte as a metric of its own, and fit the law and the map to "
                "that one."
            )
        raise UsageError(
            f"The map '{pair.name}' {side} a loss that was brought from nats/token to bits/byte, and the runs of a fit "
            "are taken as the store has them.",
            way,
        )
    if pairs.complement:
        raise UsageError(
            f"The map '{pair.name}' predicts 1 - the metric, and the runs of a fit are taken as the store has them.",
            f"Forecast through both instead: scaling transfer forecast {pair.name} --source-fit {source.name}",
        )
    if source.metric != pairs.metric_source:
        raise UsageError(
            f"The fit '{source.name}' is of the metric {source.metric}, and the map '{pair.name}' starts from "
            f"{pairs.metric_source}.",
            "Give the law of the loss that the map takes.",
        )
    column = quote_name(pairs.column)
    _, rows = store.query(
        f"SELECT DISTINCT CAST(r.{column} AS VARCHAR) FROM fit_rows AS f JOIN runs_final AS r USING (run_id) "
        "WHERE f.fit_id = ? ORDER BY 1",
        [source.fit_id],
    )
    if others := [str(value) for (value,) in rows if value != pairs.source]:
        raise UsageError(
            f"The fit '{source.name}' has runs of {', '.join(others)}, and the map '{pair.name}' starts from "
            f"{pairs.source}.",
            f"Fit the law to those runs alone: scaling fit {law.name} --where \"{pairs.column} = '{pairs.source}'\"",
        )
    asked = f"CAST({column} AS VARCHAR) = {quote_text(pairs.target)}"
    where = f"({pairs.where}\n) AND {asked}" if pairs.where else asked
    return Question(metric=pairs.metric_target, where=where, inputs=source.config["question"]["inputs"])
