"""Looking settings up by name, and reading numbers as people write them in them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.fields import normalise

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_NUMBER = re.compile(
    r"([-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([kKmMbBgGtT]?)(?:\s*(?:params?|tokens?))?\Z"
)


@dataclass(frozen=True)
class Entry:
    """One thing that a log says of a run.

    Parameters
    ----------
    key : str
        Where it stands, with its place: ``config optimizer.lr``.
    value : object
        What stands there.
    """

    key: str
    value: Any


class Settings:
    """All that a log says of a run, to be looked up by the end of a key.

    Parameters
    ----------
    places : mapping of str to mapping
        By place (``config``, ``summary``, ``logged``), what stands there by key. An earlier place is asked first.
    """

    def __init__(self, places: Mapping[str, Mapping[str, Any]]) -> None:
        self._entries: dict[str, list[tuple[str, ...]]] = {}
        self._found: dict[tuple[str, ...], list[Entry]] = {}
        for place, content in places.items():
            for key, value in content.items():
                words = tuple(normalise(part) for part in re.split(r"[./]", key) if part)
                # The whole key and each of its ends: model.n_layer is found as n_layer and as model.n_layer.
                for start in range(max(0, len(words) - 3), len(words)):
                    self._found.setdefault((place, *words[start:]), []).append(Entry(f"{place} {key}", value))
        self._places = tuple(places)

    def find(self, name: str, places: Sequence[str] = ()) -> list[Entry]:
        """Entries whose key ends with a name, from the first place that has any; ``a.b`` is the end of a path."""
        words = tuple(normalise(part) for part in name.split("."))
        for place in places or self._places:
            if found := self._found.get((place, *words)):
                return found
        return []

    def numbers(self, names: Sequence[str], places: Sequence[str] = ()) -> Iterator[tuple[str, list[Entry]]]:
        """For each name that is there, the entries that are numbers above 0, with these as their values."""
        for name in names:
            read = [Entry(entry.key, value) for entry in self.find(name, places) if (value := positive(entry.value))]
            if read:
                yield name, read


def positive(value: Any) -> float | None:
    """A finite number above 0 as people write it: ``124M``, ``1.5e9``, ``2_048``; None where it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
    else:
        match = _NUMBER.match(str(value).strip())
        if match is None:
            return None
        number = float(match[1].replace("_", "").replace(",", "")) * _UNITS[match[2].lower()]
    return number if math.isfinite(number) and number > 0 else None
