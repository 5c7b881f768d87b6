"""How a valuation is made: what is kept of it, and whether it can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from db.problems import nearest
from db.version import package_version
from scaling.errors import UsageError
from scaling.serial import plain

if TYPE_CHECKING:
    from db.store import Store

WHAT = ("examples", "sources")


@dataclass(frozen=True)
class ValuationDef:
    """How a valuation is made.

    Parameters
    ----------
    name : str
        Its name, unique.
    what : str
        What has a value: ``examples`` or ``sources``.
    method : str
        How values are found, such as ``knn_shapley``.
    n_items : int
        Examples or sources.
    set_name, fit_name : str or None
        Set whose examples are valued, and fit that values rest on.
    options : mapping
        Settings of the method; plain data, as it goes to JSON.
    seed : int or None
        Seed of the random numbers.
    level, interval_method : float, str or None
        Nominal coverage of the intervals as a share, and how they are found.
    unit : str or None
        Unit of the values.
    inputs_sha256 : str or None
        Hash of all that is read.
    command : str or None
        Command that makes it again.
    package_version : str
        Version of the package that began it.
    created_at : datetime or None
        When it was begun, UTC; None until then.
    complete : bool
        Whether every item has its value.
    """

    name: str
    what: str
    method: str
    n_items: int
    set_name: str | None = None
    fit_name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    level: float | None = None
    interval_method: str | None = None
    unit: str | None = None
    inputs_sha256: str | None = None
    command: str | None = None
    package_version: str = field(default_factory=package_version)
    created_at: datetime | None = None
    complete: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("A valuation needs a name.")
        if self.what not in WHAT:
            raise UsageError(f"A valuation is of examples or of sources, not of '{self.what}'.")
        if self.n_items < 1:
            raise UsageError(f"A valuation of {self.n_items} items has nothing to value.")
        object.__setattr__(self, "options", plain(dict(self.options)))

    def row(self) -> dict[str, Any]:
        """Columns of ``valuation_defs``, but for the time."""
        return {
            "valuation_name": self.name,
            "what": self.what,
            "method": self.method,
            "set_name": self.set_name,
            "fit_name": self.fit_name,
            "options": json.dumps(self.options, sort_keys=True),
            "seed": self.seed,
            "n_items": self.n_items,
            "level": self.level,
            "interval_method": self.interval_method,
            "unit": self.unit,
            "inputs_sha256": self.inputs_sha256,
            "complete": self.complete,
            "command": self.command,
            "package_version": self.package_version,
        }

    def differences(self, other: ValuationDef) -> list[str]:
        """Say what differs from another, in what values rest on: ``the seed (0, now 1)``."""
        words = {
            "what": "what is valued", "method": "the method", "n_items": "the number of items", "set_name": "the set",
            "fit_name": "the fit", "seed": "the seed", "level": "the level", "interval_method": "the intervals",
            "unit": "the unit", "inputs_sha256": "the data", "package_version": "the version of the package",
        }  # fmt: skip
        if other.complete:  # made by an earlier version, and still what was asked for
            del words["package_version"]
        found = [
            f"{word} ({_shown(getattr(other, name))}, now {_shown(getattr(self, name))})"
            for name, word in words.items()
            if getattr(self, name) != getattr(other, name)
        ]
        for key in sorted({*self.options, *other.options}):
            mine, theirs = self.options.get(key), other.options.get(key)
            if mine != theirs:
                found.append(f"the option {key} ({_shown(theirs)}, now {_shown(mine)})")
        return found


def read_def(store: Store, name: str) -> ValuationDef:
    """Read how a valuation is made.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The valuation.

    Returns
    -------
    ValuationDef

    Raises
    ------
    UsageError
        If there is none of that name; names the nearest.
    """
    found = find_def(store, name)
    if found is None:
        _, rows = store.query("SELECT valuation_name FROM valuation_defs ORDER BY 1")
        raise UsageError(f"The store has no valuation '{name}'.", nearest(name, [row[0] for row in rows]))
    return found


def find_def(store: Store, name: str) -> ValuationDef | None:
    """Read how a valuation is made, or None where there is none of that name."""
    columns, rows = store.query("SELECT * FROM valuation_defs WHERE valuation_name = ?", [name])
    if not rows:
        return None
    row = dict(zip(columns, rows[0], strict=True))
    row["options"] = json.loads(row["options"])
    return ValuationDef(name=row.pop("valuation_name"), **row)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(plain(value))
    return text if len(text) <= 16 else text[:13] + "..."
