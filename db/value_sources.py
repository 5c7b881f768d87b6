"""Values of sources under a saved law, the price of their next tokens, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from db.saved import SavedFit, load_fit
from db.value_entries import of_each
from scaling.errors import InputDataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store
    from scaling.results import Fit
    from scaling.valuation.sources.law_utility import LawUtility
    from scaling.valuation.sources.price import TokenPrice
    from scaling.valuation.sources.valued import SourceValues

KEYS = ("tokens", "weight", "unique", "decay", "cost")
WAYS = ("shapley", "banzhaf", "beta", "leave-one-out", "aumann-shapley")


@dataclass(frozen=True)
class SourcesAnswer:
    """What sources are worth.

    Parameters
    ----------
    saved : SavedFit
        The law.
    values : SourceValues
        Of each source, by each method.
    price : TokenPrice
        Of the next token of each source, where all of them are.
    kept : dict of str to str
        Name in the store of the values of each method; empty where they were not kept.
    command : str
        That makes it again.
    notes : tuple of str
        What to know, in sentences.
    """

    saved: SavedFit
    values: SourceValues
    price: TokenPrice
    kept: dict[str, str] = field(default_factory=dict)
    command: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """Sources as they were given, in the form that the library takes them.

    Parameters
    ----------
    tokens : dict of str to float
    weights, unique, decay, cost : dict of str to float or None
        By source; None where no source has one.
    """

    tokens: dict[str, float]
    weights: dict[str, float] | None
    unique: dict[str, float] | None
    decay: dict[str, float] | None
    cost: dict[str, float] | None

    @property
    def worn(self) -> dict[str, float]:
        """Epochs of the sources that were seen more than once."""
        return {k: self.tokens[k] / u for k, u in (self.unique or {}).items() if u < self.tokens[k]}


def ways_of(asked: Sequence[str] | None) -> list[str]:
    """Read methods as commands name them; Shapley where none is named."""
    if asked and "all" in asked:
        return [way.replace("-", "_") for way in WAYS]
    named = [way.replace("_", "-") for way in asked or ("shapley",)]
    if unknown := [way for way in named if way not in WAYS]:
        raise UsageError(f"There is no method '{unknown[0]}' to value sources.", did_you_mean(unknown[0], WAYS))
    return [way.replace("-", "_") for way in dict.fromkeys(named)]


def as_asked(entries: dict[str, dict[str, float]], decay: float | None) -> Asked:
    """Bring entries by source, with the keys of `KEYS`, into the form that the library takes.

    Parameters
    ----------
    entries : dict
        From `db.value_entries.read_entries`.
    decay : float, optional
        Of the sources that have none of their own.

    Returns
    -------
    Asked

    Raises
    ------
    InputDataError
        For unique tokens that are none.
    UsageError
        Where sources are repeated, and it is known of some alone how fast they wear out; or costs of some alone.
    """
    tokens, unique = of_each(entries, "tokens"), of_each(entries, "unique")
    if bad := [name for name, u in unique.items() if not u > 0]:
        raise InputDataError(f"The source '{bad[0]}' has {unique[bad[0]]:g} unique tokens; a number above 0 is needed.")
    worn = [name for name, u in unique.items() if u < tokens[name]]
    slow = of_each(entries, "decay")
    if decay is not None:
        slow = dict.fromkeys(unique, decay) | slow
    if slow and (left := [name for name in worn if name not in slow]):
        raise UsageError(
            f"The source '{left[0]}' is repeated, and how fast its tokens wear out is not known.",
            f"Give it: --source {left[0]}=...,decay=15, or --decay for all of them.",
        )
    cost = of_each(entries, "cost")
    if cost and (free := [name for name in tokens if name not in cost]):
        raise UsageError(f"The source '{free[0]}' has no cost.", "Give one for every source, or for none.")
    weights = of_each(entries, "weight")
    return Asked(
        tokens,
        dict.fromkeys(tokens, 1.0) | weights if weights else None,
        {name: min(unique.get(name, n), n) for name, n in tokens.items()} if unique else None,
        slow or None,
        cost or None,
    )


def values_of_sources(
    store: Store,
    name: str,
    entries: dict[str, dict[str, float]],
    n_params: float | None,
    *,
    methods: Sequence[str] | None = None,
    base: float = 0.0,
    decay: float | None = None,
    beta: tuple[float, float] = (16.0, 1.0),
    level: float = 0.9,
    rounds: int | None = None,
    seed: int = 0,
    at: Mapping[str, float] | None = None,
    input_name: str | None = None,
    currency: str = "",
    force: bool = False,
    keep_as: str | None = None,
    replace: bool = False,
    command: str = "",
) -> SourcesAnswer:
    """Value sources under a saved law, and keep the values where they are given a name.

    Parameters
    ----------
    store : Store
        Open for writing where there is a name.
    name : str
        Of the fit.
    entries : dict
        As of `as_asked`.
    n_params, base, beta, level, rounds, seed, at, input_name, force
        As of `scaling.valuation.source_values`.
    methods : sequence of str, optional
        Some of `WAYS`, or ``all``; ``shapley`` where missing.
    decay : float, optional
        As of `as_asked`.
    currency : str
        Of the costs.
    keep_as : str, optional
        Name of the valuation; of several methods what their names begin with.
    replace : bool
        Whether valuations of those names give way.
    command : str
        Kept with them.

    Returns
    -------
    SourcesAnswer

    Raises
    ------
    UsageError, InputDataError, VerdictError
        As of `scaling.valuation.source_values`; for names that are taken.
    """
    from scaling.valuation.sources.law_utility import law_utility
    from scaling.valuation.sources.values import source_values

    asked, ways = as_asked(entries, decay), ways_of(methods)
    saved = load_fit(store, name)
    names = {way: keep_as if len(ways) == 1 else f"{keep_as}_{way}" for way in ways} if keep_as else {}
    _check_free(store, list(names.values()), replace)
    told: dict[str, Any] = {
        "weights": asked.weights, "unique": asked.unique, "decay": asked.decay, "at": at, "input_name": input_name,
        "force": force,
    }  # fmt: skip
    found = source_values(
        saved.fit, asked.tokens, n_params, base=base, methods=ways, beta=beta, level=level, rounds=rounds, seed=seed,
        **told,
    )  # fmt: skip
    game = law_utility(saved.fit, asked.tokens, n_params, base=base, **told)
    price = _price(saved.fit, game, asked, base, level, currency)
    if names:
        _keep(store, saved, asked, found, names, replace, command, {"at": at, "input": input_name})
    return SourcesAnswer(saved, found, price, names, command, _notes(saved.fit, asked))


def _price(fit: Fit, game: LawUtility, asked: Asked, base: float, level: float, currency: str) -> TokenPrice:
    """The price of the next token of each source where all of them are."""
    from scaling.valuation.equivalence.repetition import effective_tokens
    from scaling.valuation.equivalence.token_curve import SOURCES
    from scaling.valuation.sources.price import token_price
    from scaling.valuation.sources.repeated_price import repeated_price

    epochs, n_params = asked.worn, game.curve.held.get("N")
    if not game.additive:
        fresh = np.array([name not in epochs for name in game.names])
        cost = None if asked.cost is None else np.array([asked.cost[name] for name in game.names])
        return repeated_price(game, fresh, cost=cost, currency=currency, level=level)
    at = {k: v for k, v in game.curve.held.items() if k != "N" and k not in _inputs_of_sources(fit)}
    record = fit.settings.get(SOURCES)
    own: dict[str, Any] = {
        "level": level, "at": at, "input_name": None if record else game.curve.tokens, "currency": currency,
        "epochs": epochs, "decay": asked.decay, "force": True,
    }  # fmt: skip
    if record and asked.weights is None:
        fresh_tokens = {
            name: float(effective_tokens(n, n / epochs[name], (asked.decay or {})[name])) if name in epochs else n
            for name, n in asked.tokens.items()
        }
        reference = str(record["reference"])  # what is there in any case counts as tokens of it
        reached = fresh_tokens | {reference: fresh_tokens.get(reference, 0.0) + base}
        return token_price(fit, reached, n_params, cost=_costs(asked, record["inputs"]), **own)
    weights = asked.weights or dict.fromkeys(game.names, 1.0)
    total = float(game.totals(np.ones((1, game.k)))[0, 0, 0])
    return token_price(fit, total, n_params, weights=weights, cost=asked.cost, **own)


def _costs(asked: Asked, known: Mapping[str, str]) -> dict[str, float] | None:
    """Costs of all sources of a law; those that nobody wants to buy are refused by name."""
    if asked.cost is not None and (left := [name for name in known if name not in asked.cost]):
        raise UsageError(
            f"The law knows the source '{left[0]}' too, which has no cost.",
            f"Give it with no tokens: --source {left[0]}=0,cost=...",
        )
    return asked.cost


def _inputs_of_sources(fit: Fit) -> set[str]:
    from scaling.valuation.equivalence.token_curve import SOURCES

    return set(fit.settings.get(SOURCES, {}).get("inputs", {}).values())


def _check_free(store: Store, names: Sequence[str], replace: bool) -> None:
    """Refuse names of valuations that are taken, before anything is worked out or written."""
    from db.valuations import find_def

    for name in names:
        if not replace and find_def(store, name) is not None:
            raise UsageError(
                f"There is a valuation '{name}' already.", "Choose another name, or replace it with --replace."
            )


def _keep(
    store: Store, saved: SavedFit, asked: Asked, found: SourceValues, names: Mapping[str, str], replace: bool,
    command: str, more: Mapping[str, Any],
) -> None:  # fmt: skip
    """Keep the values of each method as a valuation."""
    from db.valuations import ValuationDef, save_valuation

    sampled = {"rounds_of_orders": found.coalitions} if found.sampling_errors else {}
    for method, name in names.items():
        low, high = found.intervals[method]
        options = {
            "fit_id": saved.fit_id, "tokens": asked.tokens, "weights": asked.weights, "unique": asked.unique,
            "decay": asked.decay, "base": found.base, "total": found.total, **sampled, **more,
        }  # fmt: skip
        if method in found.sampling_errors:
            errors = found.sampling_errors[method]
            options["sampling_error"] = dict(zip(found.names, map(float, errors), strict=True))
        options |= {"beta": list(found.beta)} if method == "beta" else {}
        made = ValuationDef(
            name, "sources", method, len(found.names), fit_name=saved.name, options=options, seed=found.seed,
            level=found.level, interval_method=found.method, unit=saved.fit.law.unit or None,
            inputs_sha256=saved.data_sha256, command=command or None,
        )  # fmt: skip
        own: dict[str, Any] = {"low": low, "high": high, "items": list(found.names)}
        save_valuation(store, made, found.values[method], replace=replace, **own)


def _notes(fit: Fit, asked: Asked) -> tuple[str, ...]:
    from scaling.valuation.equivalence.token_curve import SOURCES

    if asked.weights is None and asked.unique is None and SOURCES not in fit.settings and len(asked.tokens) > 1:
        return (
            "Neither the law nor a weight tells the sources apart: a token of each is worth the same, and values "
            "differ by how many there are alone. Weights from runs on mixtures: scaling value quality",
        )
    return ()
