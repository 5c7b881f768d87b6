"""Mappings of scores: which column of a table is which task, and what the others say about the model.

A mapping file of scores is TOML with a section ``[scores]``; what it leaves out is guessed from the usual names::

    [columns]                      # field = a column, or arithmetic in columns; of a list, the first that is there
    model    = "fullname"
    N        = '"#Params (B)" * 1e9'
    D        = '"Pretraining tokens (T)" * 1e12'
    released = ["Upload To Hub Date", "date"]

    [constants]                    # the same for every row
    harness = "my-harness 0.4"

    [derived]                      # from the fields above
    C = "6*N*D"

    [scores]                       # task = a column, or a table with what is known of it
    GPQA = "gpqa"
    "MATH Lvl 5" = { column = "math", metric = "exact_match", n_items = 1324, unit = "percent" }

    [keep]                         # only rows with these values
    Status = "Success"

    [tables.models]                # another table, joined by name: its file is named at the ingest
    key = "System"                 # its column that holds the name
    on  = "model"                  # the field that it is looked up with
    columns = { C = "Training compute (FLOP)" }

    [options]
    shape = "wide"                 # one row a model, one column a task; "long" is one row a score
    guess = false                  # use nothing but what is written here

In a table with one row a score, ``task`` and ``score`` are columns, and ``[scores]`` may say more of each task.
A score in percent becomes a share; ``unit = "points"`` keeps a column that is neither.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping as AbstractMapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from db.score_fields import ALIASES, BOOLEAN_FIELDS, DATE_FIELDS, FIELDS, NUMBER_FIELDS, TEXT_FIELDS, canonical
from scaling.errors import UsageError, did_you_mean

UNITS = ("auto", "share", "percent", "points")
SHAPES = ("auto", "long", "wide")
_SECTIONS = ("columns", "constants", "derived", "scores", "keep", "tables", "options")
Columns = AbstractMapping[str, "str | tuple[str, ...]"]


def _empty() -> AbstractMapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class ScoreSpec:
    """What is known of a task.

    Parameters
    ----------
    task : str
        Its name in the store.
    column : str or tuple of str, optional
        A column or an expression in columns; of several, the first that the file has, or none. Only in a wide table.
    metric : str, optional
        What was measured, such as ``acc``.
    unit : str, default "auto"
        ``share``, ``percent``, ``points`` or ``auto``: percent where the 95th percentile is above 1.
    n_items, n_shot : int, optional
        Questions, and examples in the prompt.
    chance : float, optional
        Score of guessing at random, as a share.
    version, harness, filter : str, optional
        Of the task or its grader; who ran it; how answers were extracted.
    superseded : bool, default False
        Whether another column is a later grading of the same answers.
    """

    task: str
    column: str | tuple[str, ...] | None = None
    metric: str | None = None
    unit: str = "auto"
    n_items: int | None = None
    n_shot: int | None = None
    chance: float | None = None
    version: str | None = None
    harness: str | None = None
    filter: str | None = None
    superseded: bool = False


@dataclass(frozen=True)
class TableSpec:
    """Another table that is joined by name.

    Parameters
    ----------
    key : str
        Its column that holds the name; empty where it is to be guessed.
    on : str, default "model"
        The field that is looked up.
    columns : mapping
        Field to column; a field that the first table gives stays as it is.
    keep : tuple of str
        Columns to keep with the model under their own names.
    """

    key: str = ""
    on: str = "model"
    columns: Columns = field(default_factory=_empty)
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoreMapping:
    """Which column of a table of scores is which quantity; the module says how it is written.

    Parameters
    ----------
    columns : mapping of str to str or tuple of str
        Field to column or expression; of several, the first that the file has, or none.
    constants : mapping of str to str, float or bool
        Values that hold for every row.
    derived : mapping of str to str
        Field to an expression in fields, constants and columns.
    scores : tuple of ScoreSpec
        The tasks.
    keep : mapping of str to tuple of str
        Column to the values that a row must have.
    tables : mapping of str to TableSpec
        Tables that may be joined, by the name that they are given with.
    shape : str, default "auto"
        ``long``, ``wide`` or ``auto``.
    guess : bool, default True
        Guess what is not written from the usual names.
    preset : str, optional
        Name of the mapping where it came with the package.
    joined : mapping of str to str
        SHA-256 of the files that were joined, by the name of the table.
    origins : mapping of str to str
        How each part was found; not part of the mapping's identity.
    """

    columns: Columns = field(default_factory=_empty)
    constants: AbstractMapping[str, Any] = field(default_factory=_empty)
    derived: AbstractMapping[str, str] = field(default_factory=_empty)
    scores: tuple[ScoreSpec, ...] = ()
    keep: AbstractMapping[str, tuple[str, ...]] = field(default_factory=_empty)
    tables: AbstractMapping[str, TableSpec] = field(default_factory=_empty)
    shape: str = "auto"
    guess: bool = True
    preset: str | None = None
    joined: AbstractMapping[str, str] = field(default_factory=_empty)
    origins: AbstractMapping[str, str] = field(default_factory=_empty, compare=False)

    @classmethod
    def load(cls, path: str | Path) -> ScoreMapping:
        """Read a mapping file; see `parse`."""
        return cls.parse(_read(path), name=str(path))

    @classmethod
    def parse(cls, text: str, name: str = "mapping", *, preset: str | None = None) -> ScoreMapping:
        """Read a mapping of scores from TOML text.

        Parameters
        ----------
        text : str
            The TOML.
        name : str, default "mapping"
            What to call it in messages.
        preset : str, optional
            Name of the preset that it is.

        Returns
        -------
        ScoreMapping

        Raises
        ------
        UsageError
            If it is no TOML, or says something that no mapping can.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"The mapping file {name} is not TOML: {error}.") from error
        for section, content in data.items():
            if section not in _SECTIONS:
                raise UsageError(f"{name}: there is no section [{section}].", did_you_mean(section, _SECTIONS))
            if not isinstance(content, dict):
                raise UsageError(f"{name}: [{section}] is a section, not a value.")
        columns = _columns(data.get("columns", {}), "columns", name)
        constants = {_field(k, "constants", name): _constant(v, k, name) for k, v in data.get("constants", {}).items()}
        derived = {_field(k, "derived", name): _derived(v, k, name) for k, v in data.get("derived", {}).items()}
        twice = [f for f in columns if f in constants or f in derived] + [f for f in constants if f in derived]
        if twice:
            raise UsageError(f"{name}: {twice[0]} is given twice.", "Keep one of them.")
        scores = tuple(_spec(task, value, name) for task, value in data.get("scores", {}).items())
        origin = f"of the preset {preset}" if preset else f"from {name}"
        keys = [*columns, *constants, *derived, *(spec_key(spec) for spec in scores)]
        return cls(
            columns=MappingProxyType(columns),
            constants=MappingProxyType(constants),
            derived=MappingProxyType(derived),
            scores=scores,
            keep=MappingProxyType({k: _values(v, k, name) for k, v in data.get("keep", {}).items()}),
            tables=MappingProxyType({k: _table(k, v, name) for k, v in data.get("tables", {}).items()}),
            preset=preset,
            origins=MappingProxyType(dict.fromkeys(keys, origin)),
            **_options(data.get("options", {}), name),
        )

    def to_dict(self) -> dict[str, Any]:
        """The mapping as plain data."""
        return {
            "kind": "scores",
            "columns": dict(self.columns),
            "constants": dict(self.constants),
            "derived": dict(self.derived),
            "scores": [asdict(spec) for spec in self.scores],
            "keep": {key: list(values) for key, values in self.keep.items()},
            "tables": {name: table.__dict__ | {"columns": dict(table.columns)} for name, table in self.tables.items()},
            "joined": dict(self.joined),
            "options": {"shape": self.shape, "guess": self.guess, "preset": self.preset},
        }

    def to_json(self) -> str:
        """The mapping as JSON with sorted keys, the same text for the same mapping."""
        return json.dumps(self.to_dict(), sort_keys=True, default=str)

    @property
    def sha256(self) -> str:
        """SHA-256 of `to_json`, hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def lines(self) -> list[str]:
        """The mapping, one part a line, and how each part was found."""
        parts = [*self.columns.items(), *((k, repr(v)) for k, v in self.constants.items()), *self.derived.items()]
        parts.sort(key=lambda part: list(FIELDS).index(part[0]))
        lines = [f"{key} <- {text} ({self.origins.get(key, 'given')})" for key, text in parts]
        for spec in self.scores:
            more = [
                f"{k} {v}" for k, v in asdict(spec).items() if k not in ("task", "column", "superseded", "unit") and v
            ]
            more += [spec.unit] * (spec.unit != "auto") + ["superseded"] * spec.superseded
            said = f" [{', '.join(more)}]" if more else ""
            origin = self.origins.get(spec_key(spec), "given")
            lines.append(f"task {spec.task}{said}" + (f" <- {spec.column} ({origin})" if spec.column else ""))
        lines += [f"only rows whose {key} is {' or '.join(values)}" for key, values in self.keep.items()]
        for name in self.joined:
            table = self.tables[name]
            fields = ", ".join(f"{key} <- {text}" for key, text in table.columns.items())
            lines.append(f"table of {name}, {table.key} = {table.on}: {fields}")
        return lines

    def with_(self, **changes: Any) -> ScoreMapping:
        """The same mapping with other parts."""
        return replace(self, **changes)


def spec_key(spec: ScoreSpec) -> str:
    """What a task's origin is kept under; a task may stand twice, with another grader."""
    return f"{spec.task} {spec.version or ''} {spec.harness or ''}"


def is_of_scores(path: str | Path) -> bool:
    """Whether a mapping file is one of scores: it has a section ``[scores]``."""
    try:
        return "scores" in tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The mapping file {path} is not TOML: {error}.") from error


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"There is no mapping file {path}.", "Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The mapping file {path} cannot be read: {error}.", "Name a TOML file.") from error


def _field(key: str, section: str, name: str) -> str:
    full = canonical(key)
    if full not in FIELDS:
        hint = did_you_mean(key, [*FIELDS, *ALIASES]) + " Other columns are kept; tasks go into [scores]."
        raise UsageError(f"{name}: [{section}] has no field '{key}'.", hint)
    return full


def _columns(data: Any, section: str, name: str) -> dict[str, str | tuple[str, ...]]:
    if not isinstance(data, dict):
        raise UsageError(f"{name}: [{section}] holds field = column.")
    return {_field(key, section, name): _column(value, f"[{section}] {key}", name) for key, value in data.items()}


def _column(value: Any, where: str, name: str) -> str | tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(part, str) and part.strip() for part in value):
        return tuple(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise UsageError(
        f"{name}: {where} is a column, an expression or a list of columns, not {value!r}.",
        "A value that holds for every row goes into [constants].",
    )


def _derived(value: Any, key: str, name: str) -> str:
    if canonical(key) not in NUMBER_FIELDS or not isinstance(value, str) or not value.strip():
        raise UsageError(f"{name}: [derived] {key} cannot be computed by {value!r}.", 'Write: C = "6*N*D"')
    return value.strip()


def _constant(value: Any, key: str, name: str) -> Any:
    full = canonical(key)
    fine = {
        "a text in quotes": full in (*TEXT_FIELDS, *DATE_FIELDS) and isinstance(value, str) and bool(value),
        "true or false": full in BOOLEAN_FIELDS and isinstance(value, bool),
        "a number": full in NUMBER_FIELDS and isinstance(value, int | float) and not isinstance(value, bool),
    }
    if not any(fine.values()):
        wanted = "a number" if full in NUMBER_FIELDS else "true or false" if full in BOOLEAN_FIELDS else "a text"
        raise UsageError(f"{name}: [constants] {key} is {wanted}, not {value!r}.", "Columns go into [columns].")
    return value


def _spec(task: str, value: Any, name: str) -> ScoreSpec:
    if isinstance(value, str):
        value = {"column": value}
    if not isinstance(value, dict):
        raise UsageError(f"{name}: [scores] {task} is a column, or a table such as {{ column = ... }}.")
    known: dict[str, type | tuple[type, ...]] = {
        "task": str, "column": (str, list), "metric": str, "unit": str, "n_items": int, "n_shot": int,
        "chance": (int, float), "version": str, "harness": str, "filter": str, "superseded": bool,
    }  # fmt: skip
    for key, found in value.items():
        if key not in known:
            raise UsageError(f"{name}: [scores] {task} has no setting '{key}'.", did_you_mean(key, known))
        if not isinstance(found, known[key]) or (isinstance(found, bool) and key != "superseded") or found in ("", []):
            raise UsageError(f"{name}: [scores] {task}, {key} cannot be {found!r}.")
    if value.get("unit", "auto") not in UNITS:
        raise UsageError(f"{name}: [scores] {task} has no unit '{value['unit']}'.", did_you_mean(value["unit"], UNITS))
    if "column" in value:
        value = value | {"column": _column(value["column"], f"[scores] {task}", name)}
    return ScoreSpec(**({"task": task} | value))


def _values(value: Any, key: str, name: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(part, str) for part in values):
        raise UsageError(f"{name}: [keep] {key} is a text or a list of texts, not {value!r}.")
    return tuple(values)


def _table(key: str, value: Any, name: str) -> TableSpec:
    known = {"key", "on", "columns", "keep"}
    if not isinstance(value, dict) or set(value) - known or not isinstance(value.get("key"), str):
        raise UsageError(f"{name}: [tables.{key}] has a key, an on, columns and a keep.", 'Write: key = "Model"')
    on = _field(str(value.get("on", "model")), f"tables.{key}", name)
    columns = _columns(value.get("columns", {}), f"tables.{key}.columns", name)
    kept = _values(value["keep"], f"of tables.{key}", name) if "keep" in value else ()
    return TableSpec(value["key"], on, MappingProxyType(columns), kept)


def _options(options: dict[str, Any], name: str) -> dict[str, Any]:
    known: dict[str, type] = {"shape": str, "guess": bool}
    for key, value in options.items():
        if key not in known:
            raise UsageError(f"{name}: there is no option '{key}'.", did_you_mean(key, known))
        if not isinstance(value, known[key]):
            raise UsageError(f"{name}: the option {key} cannot be {value!r}.")
    if options.get("shape", "auto") not in SHAPES:
        raise UsageError(f"{name}: there is no shape '{options['shape']}'.", did_you_mean(options["shape"], SHAPES))
    return dict(options)
