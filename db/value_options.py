"""Options of an objective as people type them: numbers, words, and files of arrays."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from db.value_columns import read_values
from db.value_data import Data, digest, read_table
from scaling import arguments
from scaling.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store

_ONE_A_ROW = {"weights": "weight", "tokens": "token"}  # arrays with one value an example
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Options:
    """What an objective is made with.

    Parameters
    ----------
    values : dict
        As the objective takes them.
    said : dict
        As they were typed; plain data.
    sha256 : str or None
        Of the arrays among them.
    """

    values: dict[str, Any] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    sha256: str | None = None


def option_kinds(objective: str) -> dict[str, tuple[str, Any]]:
    """Options of an objective: the kind of each (number, whole, yes or no, word, file, fit) and its default.

    Raises
    ------
    UsageError
        For a name that there is not.
    """
    from scaling.valuation.catalogue import OBJECTIVES

    if objective not in OBJECTIVES:
        raise UsageError(f"There is no objective '{objective}'.", did_you_mean(objective, OBJECTIVES))
    module, kind, _ = OBJECTIVES[objective]
    made = getattr(import_module(f"scaling.valuation.{module}"), kind)
    found = {}
    for parameter in inspect.signature(made.build).parameters.values():
        if parameter.name not in ("X", "k", "name"):
            found[parameter.name] = (_kind(str(parameter.annotation)), parameter.default)
    return found


def read_options(
    store: Store | None, data: Data | None, objective: str, texts: Sequence[str] | None,
    files: dict[str, str | None] | None = None,
) -> Options:  # fmt: skip
    """Read the options of an objective.

    Parameters
    ----------
    store : Store or None
        Where sets and fits may be.
    data : Data or None
        The candidates, whose columns an option may name.
    objective : str
        As the catalogue has it.
    texts : sequence of str, optional
        ``KEY=VALUE``.
    files : dict, optional
        Options that a command has a name of its own for, such as ``queries``; None where not given.

    Returns
    -------
    Options

    Raises
    ------
    UsageError
        For an option that there is not, or a value of another kind.
    InputDataError
        For a file that cannot be read.
    """
    kinds = option_kinds(objective)
    typed = dict(arguments.pairs(texts, "--option"))
    for name, text in (files or {}).items():
        if text is None:
            continue
        if name in typed:
            raise UsageError(f"'{name}' is given twice: as --{name}, and as an option.", "Leave out one of the two.")
        typed[name] = text
    values: dict[str, Any] = {}
    arrays: list[Any] = []
    for name, text in typed.items():
        if name not in kinds:
            hint = did_you_mean(name, list(kinds)) if kinds else "It has none."
            raise UsageError(f"The objective '{objective}' has no option '{name}'.", hint)
        values[name] = _value(store, data, name, text, kinds[name][0])
        if kinds[name][0] == "file":
            arrays += [name, values[name]]
    return Options(values, typed, digest(*arrays) if arrays else None)


def not_default(objective: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Name the options of a kept selection that are not what its objective has where nothing is said.

    Parameters
    ----------
    objective : str
        Of the selection.
    options : mapping
        As they are kept with it: ``given`` has those that were typed, without it settings stand beside others.

    Returns
    -------
    dict of str to str
        As they were typed. A file always is among them: what was in another is not known.
    """
    try:
        kinds = option_kinds(objective)
    except UsageError:
        kinds = {}
    given = options.get("given")
    if given is None:
        known = {key: options[key] for key, (_, default) in kinds.items() if default is not None and key in options}
        return {key: str(value) for key, value in known.items() if value != kinds[key][1]}
    found = {}
    for key, text in given.items():
        kind, default = kinds.get(key, ("file", None))
        try:
            same = kind not in ("file", "fit") and _value(None, None, key, str(text), kind) == default
        except UsageError:
            same = False
        if not same:
            found[key] = str(text)
    return found


def plain_options(texts: Sequence[str] | None, known: dict[str, type], what: str) -> dict[str, Any]:
    """Read options whose types are known: ``KEY=VALUE``; what is of type `object` stays text, such as a file."""
    found: dict[str, Any] = {}
    for name, text in arguments.pairs(texts, "--option"):
        if name not in known:
            hint = did_you_mean(name, list(known)) if known else "It has none."
            raise UsageError(f"{what} has no option '{name}'.", hint)
        kind = {int: "whole", float: "number", bool: "yes or no"}.get(known[name], "word")
        found[name] = _value(None, None, name, text, kind)
    return found


def _kind(annotation: str) -> str:
    words = {"ArrayLike": "file", "Fit": "fit", "int": "whole", "float": "number", "bool": "yes or no"}
    return next((word for part, word in words.items() if annotation.startswith(part)), "word")


def _value(store: Store | None, data: Data | None, name: str, text: str, kind: str) -> Any:
    if kind == "file":
        if name in _ONE_A_ROW and data is not None:
            return read_values(data, text, _ONE_A_ROW[name], f"--option {name}", count=False)
        return read_table(store, text)
    if kind == "fit":
        return _fit(store, name, text)
    if kind == "yes or no":
        if text.lower() not in _TRUTH:
            raise UsageError(f"The option '{name}' is '{text}'; yes or no is expected.")
        return _TRUTH[text.lower()]
    return text if kind == "word" else _number(name, text, whole=kind == "whole")


def _number(name: str, text: str, *, whole: bool) -> float | int:
    if text.lower() in ("inf", "infinity") and not whole:
        return float("inf")
    number = arguments.quantity(text, f"--option {name}")
    if whole and number != int(number):
        raise UsageError(f"The option '{name}' is {text}; a whole number is expected.")
    return int(number) if whole else number


def _fit(store: Store | None, name: str, text: str) -> Any:
    from db.saved import load_fit

    if store is None:
        raise UsageError(f"The option '{name}' names a fit, and there is no store to look in.", "Give --db FILE.")
    return load_fit(store, text).fit
