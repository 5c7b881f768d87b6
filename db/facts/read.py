"""Looking settings up by name, and reading numbers as people write them in them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from db.fields import normalise

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
# Commas part thousands and nothing else: 1,5 is no number here, and neither 15 nor 1.5.
_NUMBER = re.compile(
    r"([-+]?(?:\d{1,3}(?:,\d{3})+|\d[\d_]*)?(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*([kKmMbBgGtT]?)"
    r"(?:\s*(?:params?|parameters?|tokens?|flops?))?\Z",
    re.ASCII | re.IGNORECASE,
)
_LONGEST = 60  # characters of a number; what is longer is a text
#: Parts of a path that mean another model than the one that is trained.
OTHERS = frozenset(
    {
        "teacher", "draft", "draft_model", "reference", "ref", "ref_model", "reward", "reward_model", "judge", "critic",
        "teacher_model", "reference_model", "judge_model", "assistant_model", "generation", "generation_config",
    }
)  # fmt: skip


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
        self._found: dict[tuple[str, ...], list[Entry]] = {}
        for place, content in places.items():
            for key, value in content.items():
                words = _words(key)
                if not OTHERS.isdisjoint(words[:-1]):
                    continue
                # The whole key and each of its ends: model.n_layer is found as n_layer and as model.n_layer.
                for start in range(max(0, len(words) - 3), len(words)):
                    self._found.setdefault((place, *words[start:]), []).append(Entry(f"{place} {key}", value))
        self._places = tuple(places)

    def find(self, name: str, places: Sequence[str] = ()) -> list[Entry]:
        """Entries whose key ends with a name, from the first place that has any; ``a.b`` is the end of a path."""
        words = _words(name)
        for place in places or self._places:
            if found := self._found.get((place, *words)):
                return found
        return []

    def numbers(self, names: Sequence[str], places: Sequence[str] = ()) -> list[Entry]:
        """Entries of all of these names that are numbers above 0, from the first place that has any such."""
        for place in places or self._places:
            read = [
                Entry(entry.key, value)
                for name in names
                for entry in self.find(name, (place,))
                if (value := positive(entry.value)) is not None
            ]
            if read:
                return read
        return []


@lru_cache(maxsize=65_536)
def _name_words(name: str) -> tuple[str, ...]:
    return tuple(normalise(part) for part in re.split(r"[./]", name) if part)


def _words(key: str) -> tuple[str, ...]:
    """Words of a path; most keys come again with the next run."""
    return _name_words(key) if len(key) < 80 else _name_words.__wrapped__(key)


def positive(value: Any) -> float | None:
    """A finite number above 0 as people write it: ``124M``, ``1.5e9``, ``2_048``; None where it is none."""
    number = any_number(value)
    return number if number is not None and number > 0 else None


def any_number(value: Any) -> float | None:
    """A finite number as people write it, whatever its sign; None where it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
    elif isinstance(value, str):
        text = value.strip()
        match = _NUMBER.match(text) if len(text) <= _LONGEST else None
        if match is None or not any(sign.isdigit() for sign in match[1].lower().partition("e")[0]):
            return None
        number = float(match[1].replace("_", "").replace(",", "")) * _UNITS[match[2].lower()]
    else:
        return None
    return number if math.isfinite(number) else None
