"""Logged values of runs on their way into the store: in memory, or on disk where they are many."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from db.temporary import temporary_file

Block = dict[str, np.ndarray]
#: Values in a block: whole row groups of DuckDB, which writes those to disk as they come and keeps others in memory.
BLOCK = 8 * 122_880
_KINDS = {"run": "i4", "metric": "i4", "step": "i8", "tokens": "f8", "value": "f8", "status": "u1"}


class Logged:
    """Logged values in blocks; arrays of one entry a value.

    ``run`` and ``metric`` are numbers, ``step`` is -1 for none, ``tokens`` NaN for unknown; then ``value`` and
    ``status``.

    Parameters
    ----------
    on_disk : bool, default False
        Keep the blocks in a temporary file, which goes when the object does.

    Attributes
    ----------
    size : int
        Values in all.
    """

    def __init__(self, *, on_disk: bool = False) -> None:
        self.size = 0
        self._file: Path | None = None
        if on_disk:
            self._file = temporary_file("values")
            weakref.finalize(self, self._file.unlink, missing_ok=True)
        self._held: list[Block] = []
        self._n_held = 0
        self._n_blocks = 0
        self._runs: np.ndarray | None = None
        self._with_tokens = True

    def append(self, block: Block) -> None:
        """Add a block."""
        self.size += block["run"].size
        self._held.append({key: block[key] for key in _KINDS})
        self._n_held += block["run"].size
        if self._file is None or self._n_held < BLOCK:
            return
        whole = {key: np.concatenate([held[key] for held in self._held]) for key in _KINDS}
        n_whole = self._n_held // BLOCK
        with self._file.open("ab") as stream:
            for index in range(n_whole):
                for key, kind in _KINDS.items():
                    whole[key][index * BLOCK : (index + 1) * BLOCK].astype(kind, copy=False).tofile(stream)
        self._n_blocks += n_whole
        self._n_held -= n_whole * BLOCK
        self._held = [{key: whole[key][n_whole * BLOCK :].copy() for key in _KINDS}]

    def finish(self, runs: np.ndarray, *, with_tokens: bool) -> None:
        """Say which number each run has in the end, and whether tokens are known step by step."""
        self._runs = None if np.array_equal(runs, np.arange(runs.size)) else runs
        self._with_tokens = with_tokens

    def room(self) -> Block:
        """Arrays that hold any one of the blocks."""
        size = BLOCK if self._n_blocks else self._n_held
        return {key: np.empty(size, kind) for key, kind in _KINDS.items()}

    def blocks(self) -> Iterator[Block]:
        """The blocks, in the order in which they were added."""
        at = 0
        for _ in range(self._n_blocks):
            block: Block = {}
            for key, kind in _KINDS.items():
                assert self._file is not None
                block[key] = np.memmap(self._file, kind, "r", at, (BLOCK,))
                at += block[key].nbytes
            yield self._final(block)
        if self._held:
            yield self._final({key: np.concatenate([held[key] for held in self._held]) for key in _KINDS})

    def _final(self, block: Block) -> Block:
        if self._runs is not None:
            block = block | {"run": self._runs[block["run"]]}
        if not self._with_tokens:
            block = block | {"tokens": np.full(block["run"].size, np.nan)}
        return block
