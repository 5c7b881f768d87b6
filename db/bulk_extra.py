"""Kept columns of the runs of a large table, on their way into the store: JSON in a temporary file."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from db.temporary import temporary_file


class KeptTexts(Sequence[dict[str, Any]]):
    """Kept columns of each run, in a file that goes when the object does."""

    def __init__(self) -> None:
        file = temporary_file("kept")
        self._stream = file.open("r+b")
        weakref.finalize(self, _remove, self._stream, file)
        self._sizes: list[np.ndarray] = []
        self._ends = np.zeros(1, dtype=np.int64)
        self._order = np.zeros(0, dtype=np.int64)

    def append(self, texts: list[str]) -> None:
        """Add runs; their JSON is in ASCII."""
        self._stream.write("".join(texts).encode("ascii"))
        self._sizes.append(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))

    def finish(self, order: np.ndarray) -> None:
        """Say in which order the runs come in the end; no more are added."""
        self._ends = np.concatenate([[0], *self._sizes]).cumsum()
        self._order = order

    def __len__(self) -> int:
        return self._order.size

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [json.loads(text) for text in self.texts(*index.indices(len(self))[:2])]
        place = range(len(self))[index]
        found: dict[str, Any] = json.loads(self.texts(place, place + 1)[0])
        return found

    def texts(self, start: int, stop: int) -> list[str]:
        """JSON of some runs."""
        numbers = self._order[start:stop]
        begins, ends = self._ends[numbers], self._ends[numbers + 1]
        if (begins[1:] == ends[:-1]).all() and numbers.size:
            first = int(begins[0])
            whole = self._read(first, int(ends[-1])).decode("ascii")
            places = zip((begins - first).tolist(), (ends - first).tolist(), strict=True)
            return [whole[begin:end] for begin, end in places]
        places = zip(begins.tolist(), ends.tolist(), strict=True)
        return [self._read(begin, end).decode("ascii") for begin, end in places]

    def _read(self, begin: int, end: int) -> bytes:
        self._stream.seek(begin)
        return self._stream.read(end - begin)


def _remove(stream: IO[bytes], file: Path) -> None:
    stream.close()
    file.unlink(missing_ok=True)


def kept_texts(extra: Sequence[dict[str, Any]], start: int, stop: int) -> list[str]:
    """Kept columns of some runs as JSON."""
    if isinstance(extra, KeptTexts):
        return extra.texts(start, stop)
    return [json.dumps(one) for one in extra[start:stop]]
