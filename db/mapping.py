"""Mappings: which column of a log is which quantity, and in which unit.

A mapping file is TOML; every part of it is optional, and what it leaves out is guessed from the usual names::

    [columns]                      # field = a column, or arithmetic in columns
    run_id = ["size", "seed"]      # several columns joined with "-"
    N = "params_M * 1e6"
    D = "tokens"

    [constants]                    # the same for every row: a field, or a number to use in expressions
    corpus = "c4"

    [derived]                      # from the fields above
    C = "6*N*D"

    [metrics]                      # metric = a column or an expression, or a table with its unit and kind
    loss = { column = "val_loss", unit = "nats/token" }

    [options]
    metric = "loss"                # the metric that runs_final shows as the loss
    shape = "long"                 # one row a step; "wide" is one row a run
    allow_units = true             # keep an N below 1e3 beside a D above 1e9
    allow_missing = true           # keep runs whose N or D is missing
    guess = false                  # use nothing but what is written here

Names that are no plain words stand in quotes inside an expression, ``N = '"Model Size (B)" * 1e9'``;
alone they need none.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from db.fields import ALIASES, FIELDS, TEXT_FIELDS, canonical
from scaling.errors import UsageError, did_you_mean

KINDS = ("loss", "accuracy", "rate", "count", "time", "other")
SHAPES = ("auto", "long", "wide")
_Value = TypeVar("_Value")
_SECTIONS = ("columns", "constants", "derived", "metrics", "options")


def _empty() -> AbstractMapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class MetricSpec:
    """Where a metric comes from.

    Parameters
    ----------
    metric : str
        Its name in the store.
    column : str
        A column, or an expression in columns.
    unit : str, default "unknown"
        Unit of the values, such as ``nats/token``.
    kind : str, optional
        ``loss`` (values must be above 0), ``accuracy``, ``rate``, ``count``, ``time`` or ``other``. By default decided
        by the name.
    """

    metric: str
    column: str
    unit: str = "unknown"
    kind: str | None = None


@dataclass(frozen=True)
class Mapping:
    """Which column of a log is which quantity.

    Parameters
    ----------
    columns : mapping of str to str or tuple of str
        Field to column or expression; several columns for ``run_id``.
    constants : mapping of str to float or str
        Values that hold for every row.
    derived : mapping of str to str
        Field to an expression in fields, constants and columns.
    metrics : tuple of MetricSpec
        The metrics.
    metric : str, optional
        Metric that ``runs_final`` shows as the loss.
    shape : str, default "auto"
        ``long``, ``wide`` or ``auto``.
    allow_units : bool, default False
        Keep an N below 1e3 beside a D above 1e9.
    allow_missing : bool, default False
        Keep runs whose N or D is missing.
    guess : bool, default True
        Guess what is not written from the usual names.
    origins : mapping of str to str
        How each part was found; not part of the mapping's identity.
    """

    columns: AbstractMapping[str, str | tuple[str, ...]] = field(default_factory=_empty)
    constants: AbstractMapping[str, float | str] = field(default_factory=_empty)
    derived: AbstractMapping[str, str] = field(default_factory=_empty)
    metrics: tuple[MetricSpec, ...] = ()
    metric: str | None = None
    shape: str = "auto"
    allow_units: bool = False
    allow_missing: bool = False
    guess: bool = True
    origins: AbstractMapping[str, str] = field(default_factory=_empty, compare=False)

    @classmethod
    def load(cls, path: str | Path) -> Mapping:
        """Read a mapping file.

        Parameters
        ----------
        path : str or Path
            A TOML file.

        Returns
        -------
        Mapping

        Raises
        ------
        UsageError
            If it is missing, no TOML, or says something that no mapping can.
        """
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise UsageError(f"There is no mapping file {path}.", "Check the path.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The mapping file {path} cannot be read: {error}.", "Name a TOML file.") from error
        return cls.parse(text, name=str(path))

    @classmethod
    def parse(cls, text: str, name: str = "mapping") -> Mapping:
        """Read a mapping from TOML text.

        Parameters
        ----------
        text : str
            The TOML.
        name : str, default "mapping"
            What to call it in messages.

        Returns
        -------
        Mapping

        Raises
        ------
        UsageError
            If it is no TOML, or says something that no mapping can.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"The mapping file {name} is not TOML: {error}.") from error
        return cls.from_dict(data, name=name)

    @classmethod
    def from_dict(cls, data: AbstractMapping[str, Any], name: str = "mapping") -> Mapping:
        """Make a mapping from the sections of a mapping file.

        Parameters
        ----------
        data : mapping
            The sections ``columns``, ``constants``, ``derived``, ``metrics`` and ``options``; all optional.
        name : str, default "mapping"
            What to call it in messages.

        Returns
        -------
        Mapping

        Raises
        ------
        UsageError
            If it says something that no mapping can.
        """
        for section, content in data.items():
            if section not in _SECTIONS:
                raise UsageError(f"{name}: there is no section [{section}].", did_you_mean(section, _SECTIONS))
            if not isinstance(content, AbstractMapping):
                raise UsageError(f"{name}: [{section}] is a section, not a value.")
        columns = _section(data, "columns", name, _column)
        derived = _section(data, "derived", name, _derived)
        constants = _section(data, "constants", name, _constant)
        _refuse_doubles(columns, constants, derived, name)
        metrics = tuple(_metric(key, value, name) for key, value in data.get("metrics", {}).items())
        origins = dict.fromkeys([*columns, *constants, *derived, *(spec.metric for spec in metrics)], f"from {name}")
        return cls(
            columns=MappingProxyType(columns),
            constants=MappingProxyType(constants),
            derived=MappingProxyType(derived),
            metrics=metrics,
            origins=MappingProxyType(origins),
            **_options(data.get("options", {}), name),
        )

    def to_dict(self) -> dict[str, Any]:
        """The mapping as the sections of a mapping file; `from_dict` reads it back."""
        options: dict[str, Any] = {"shape": self.shape, "guess": self.guess}
        options |= {"allow_units": self.allow_units, "allow_missing": self.allow_missing}
        if self.metric is not None:
            options["metric"] = self.metric
        return {
            "columns": {key: list(value) if isinstance(value, tuple) else value for key, value in self.columns.items()},
            "constants": dict(self.constants),
            "derived": dict(self.derived),
            "metrics": {
                spec.metric: {"column": spec.column, "unit": spec.unit} | ({"kind": spec.kind} if spec.kind else {})
                for spec in self.metrics
            },
            "options": options,
        }

    def to_json(self) -> str:
        """The mapping as JSON with sorted keys, the same text for the same mapping."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @property
    def sha256(self) -> str:
        """SHA-256 of `to_json`, hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def lines(self) -> list[str]:
        """The mapping, one part a line, and how each part was found.

        Returns
        -------
        list of str
            Such as ``n_params <- params_M * 1e6 (guessed from the name)``.
        """
        parts: list[tuple[str, str]] = [
            (key, " + '-' + ".join(value) if isinstance(value, tuple) else value) for key, value in self.columns.items()
        ]
        parts += [(key, repr(value)) for key, value in self.constants.items()]
        parts += list(self.derived.items())
        order = list(FIELDS)
        parts.sort(key=lambda part: order.index(part[0]) if part[0] in order else len(order))
        lines = [f"{key} <- {text} ({self.origins.get(key, 'given')})" for key, text in parts]
        for spec in self.metrics:
            role = ", shown as the loss" if spec.metric == self.metric else ""
            unit = f" [{spec.unit}]" if spec.unit != "unknown" else ""
            lines.append(
                f"metric {spec.metric}{unit} <- {spec.column} ({self.origins.get(spec.metric, 'given')}{role})"
            )
        return lines

    def with_options(self, **options: Any) -> Mapping:
        """The same mapping with other options."""
        return replace(self, **options)


def _section(
    data: AbstractMapping[str, Any], section: str, name: str, read: Callable[[Any, str, str], _Value]
) -> dict[str, _Value]:
    content: dict[str, _Value] = {}
    for key, value in data.get(section, {}).items():
        full = canonical(key) if section == "constants" else _field(key, section, name)
        if full in content:
            raise UsageError(f"{name}: [{section}] gives {full} twice, once as '{key}'.", "Keep one of them.")
        content[full] = read(value, key, name)
    return content


def _field(key: str, section: str, name: str) -> str:
    full = canonical(key)
    if full not in FIELDS:
        known = [*FIELDS, *ALIASES]
        hint = did_you_mean(key, known) + " Other columns are kept under their own names; metrics go into [metrics]."
        raise UsageError(f"{name}: [{section}] has no field '{key}'.", hint)
    return full


def _column(value: Any, key: str, name: str) -> str | tuple[str, ...]:
    if canonical(key) == "run_id" and isinstance(value, list | tuple):
        if not value or not all(isinstance(part, str) and part for part in value):
            raise UsageError(f"{name}: [columns] {key} is a list of column names.", 'Write: run_id = ["size", "seed"]')
        return tuple(value)
    return _text(value, f"[columns] {key}", name)


def _derived(value: Any, key: str, name: str) -> str:
    if canonical(key) in TEXT_FIELDS:
        raise UsageError(f"{name}: [derived] {key} is a text and cannot be computed.", "Name its column in [columns].")
    return _text(value, f"[derived] {key}", name)


def _text(value: Any, where: str, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(
            f"{name}: {where} is a column name or an expression in quotes, not {value!r}.",
            "A value that holds for every row goes into [constants].",
        )
    return value.strip()


def _constant(value: Any, key: str, name: str) -> float | str:
    if canonical(key) in TEXT_FIELDS:
        if isinstance(value, str) and value and canonical(key) != "run_id":
            return value
        raise UsageError(f"{name}: [constants] {key} cannot be {value!r}.", "A name or corpus is a text in quotes.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name}: [constants] {key} is a number, not {value!r}.", "Columns go into [columns].")
    return float(value)


def _metric(key: str, value: Any, name: str) -> MetricSpec:
    if isinstance(value, str):
        value = {"column": value}
    if not isinstance(value, AbstractMapping) or "column" not in value:
        raise UsageError(
            f"{name}: [metrics] {key} needs a column.",
            f'Write: {key} = "val_loss", or {key} = {{ column = "val_loss" }}',
        )
    unknown = sorted(set(value) - {"column", "unit", "kind"})
    if unknown:
        hint = did_you_mean(unknown[0], ["column", "unit", "kind"])
        raise UsageError(f"{name}: [metrics] {key} has no setting '{unknown[0]}'.", hint)
    kind = value.get("kind")
    if kind is not None and kind not in KINDS:
        raise UsageError(f"{name}: [metrics] {key} has no kind '{kind}'.", did_you_mean(str(kind), KINDS))
    unit = _text(value.get("unit", "unknown"), f"[metrics] {key}, unit", name)
    return MetricSpec(key, _text(value["column"], f"[metrics] {key}", name), unit, kind)


def _options(options: AbstractMapping[str, Any], name: str) -> dict[str, Any]:
    known: dict[str, type] = {"metric": str, "shape": str, "allow_units": bool, "allow_missing": bool, "guess": bool}
    for key, value in options.items():
        if key not in known:
            raise UsageError(f"{name}: there is no option '{key}'.", did_you_mean(key, known))
        if not isinstance(value, known[key]):
            wanted = "true or false" if known[key] is bool else "a text in quotes"
            raise UsageError(f"{name}: the option {key} is {wanted}, not {value!r}.")
    if options.get("shape", "auto") not in SHAPES:
        raise UsageError(f"{name}: there is no shape '{options['shape']}'.", did_you_mean(options["shape"], SHAPES))
    return dict(options)


def _refuse_doubles(
    columns: AbstractMapping[str, Any],
    constants: AbstractMapping[str, Any],
    derived: AbstractMapping[str, Any],
    name: str,
) -> None:
    for key in FIELDS:
        sections = [
            section
            for section, content in (("columns", columns), ("constants", constants), ("derived", derived))
            if key in content
        ]
        if len(sections) > 1:
            raise UsageError(
                f"{name}: {key} is given twice, in [{sections[0]}] and in [{sections[1]}].", "Keep one of them."
            )
