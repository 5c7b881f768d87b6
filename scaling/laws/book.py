"""Find a law: by its name in the book, in a TOML file of the user's, or as a bare formula.

The book is every ``*.toml`` file beside this module, one file a family, one table a law.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from scaling.errors import LawError, did_you_mean
from scaling.laws.formula import parse_formula
from scaling.laws.law import Law, find_name


@cache
def _families() -> dict[str, tuple[Law, ...]]:
    families: dict[str, tuple[Law, ...]] = {}
    seen: set[str] = set()
    files = sorted(
        (f for f in resources.files("scaling.laws").iterdir() if f.name.endswith(".toml")), key=lambda f: f.name
    )
    for file in files:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        if twice := sorted(seen & set(tables)):
            raise LawError(f"the law '{twice[0]}' stands in the book twice, the second time in {file.name}")
        seen |= set(tables)
        families[file.name.removesuffix(".toml")] = tuple(
            Law.from_dict(name, table, where=file.name) for name, table in tables.items()
        )
    return families


@cache
def _book() -> dict[str, Law]:
    return {law.name: law for laws in _families().values() for law in laws}


def law_names() -> list[str]:
    """Return the names of all laws in the book, in the order of its pages."""
    return list(_book())


def family_names() -> list[str]:
    """Return the names of the families in the book: its files, each of laws for one kind of data."""
    return list(_families())


def find_family(name: str) -> tuple[Law, ...]:
    """Find a family: laws that may stand for each other, and among which a back-test can choose.

    Parameters
    ----------
    name : str
        Such as ``compute_optimal``.

    Returns
    -------
    tuple of Law
        In the order of its page. The length of ``law.parameters`` says which of two laws is the simpler one.

    Raises
    ------
    LawError
        Where there is no such family.

    Examples
    --------
    >>> [law.name for law in find_family("compute_optimal")]
    ['chinchilla', 'kaplan', 'skaling', 'multiplicative', 'farseer', 'gadre']
    """
    if name not in _families():
        raise LawError(f"the book has no family '{name}'", hint=did_you_mean(name, family_names()))
    return _families()[name]


def find_law(
    text: str | Law, inputs: Iterable[str] = (), parameters: Mapping[str, Mapping[str, Any]] | None = None
) -> Law:
    """Find a law.

    Parameters
    ----------
    text : str or Law
        A name in the book (``chinchilla``), the path of a TOML file (``my_law.toml``, or ``my_law.toml:name`` where it
        holds several), or a formula (``"E + A/N**alpha"``). A law is returned as it is.
    inputs : iterable of str
        For a formula: which of its names are inputs.
    parameters : mapping of str to mapping, optional
        For a formula: keys ``low high screen`` a parameter. Parameters not named here are unbounded.

    Returns
    -------
    Law

    Raises
    ------
    LawError
        Where there is no such law, or the file or formula cannot be read.
    """
    if isinstance(text, Law):
        return text
    if text in _book():
        law = _book()[text]
    elif _looks_like_file(text):
        law = _from_file(text)
    elif text.isidentifier():
        raise LawError(f"the book has no law '{text}'", hint=did_you_mean(text, law_names()))
    else:
        return _from_formula(text, inputs, parameters or {})
    if parameters:
        raise LawError(
            f"bounds of parameters were given for the law '{law.name}', which has its own",
            hint=f'Give its formula instead, and bounds with it: "{law.formula}".',
        )
    return law


def _looks_like_file(text: str) -> bool:
    return text.endswith(".toml") or ".toml:" in text


def _from_file(text: str) -> Law:
    path_text, _, wanted = text.partition(".toml:") if ".toml:" in text else (text, "", "")
    path = Path(path_text + ".toml" if wanted else path_text)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LawError(
            f"there is no file {path}", hint="A law is a name in the book, a TOML file or a formula."
        ) from error
    except IsADirectoryError as error:
        raise LawError(f"{path} is a directory; a TOML file was expected") from error
    except tomllib.TOMLDecodeError as error:
        raise LawError(f"{path} is not valid TOML: {error}") from error
    except (OSError, ValueError) as error:  # no permission; no UTF-8; a path with a null character
        raise LawError(f"{path} cannot be read: {error}") from error
    laws = {name: table for name, table in tables.items() if isinstance(table, Mapping)}
    if not laws:
        raise LawError(
            f"{path} holds no law", hint='A law is a table: [my_law], then formula = "...", inputs, parameters.'
        )
    if not wanted and len(laws) > 1:
        raise LawError(
            f"{path} holds {len(laws)} laws", hint=f"Name one: {', '.join(f'{path}:{name}' for name in laws)}."
        )
    name = wanted or next(iter(laws))
    if name not in laws:
        raise LawError(f"{path} holds no law '{name}'", hint=did_you_mean(name, laws))
    return Law.from_dict(name, laws[name], where=str(path))


def _from_formula(text: str, inputs: Iterable[str], parameters: Mapping[str, Mapping[str, Any]]) -> Law:
    names = sorted((str(s) for s in parse_formula(text).free_symbols), key=lambda name: find_name(name, text))
    inputs = [name for name in inputs if name in names and name not in parameters]
    if not inputs:
        raise LawError(
            f"none of the names {', '.join(names)} is an input", text, 0, hint="Inputs are the columns of the data."
        )
    if unknown := [name for name in parameters if name not in names]:
        raise LawError(f"there is no parameter '{unknown[0]}' in {text}", hint=did_you_mean(unknown[0], names))
    output = "y"
    while output in names:
        output += "_"
    table = {
        "title": text,
        "formula": text,
        "inputs": dict.fromkeys(inputs, ""),
        "predicts": {output: ""},
        "parameters": {name: parameters.get(name, {}) for name in names if name not in inputs},
    }
    return Law.from_dict("formula", table)
