"""Rows that stand twice in a large table with one row a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from db.assemble import conflicts_error, numbered_names, repeated_rows_warning, row_digest
from db.bulk_part import Part
from db.problems import line_list
from scaling.errors import InputDataError

_CELLS = 1_000_000  # that are held together
_TOLD = 5  # runs that an error names
_LINES = 9  # that are written, and one more


@dataclass
class Doubles:
    """What is known of doubles so far.

    Attributes
    ----------
    n_repeated, n_conflicts : int
        Rows that repeat an earlier one, and runs that stand there with different values.
    lines : list of int
        The first of the former.
    conflicts : list of tuple
        The first of the latter: the line where the second values stand, the run, its first lines, how many lines.
    """

    n_repeated: int = 0
    n_conflicts: int = 0
    lines: list[int] = field(default_factory=list)
    conflicts: list[tuple[int, str, list[int], int]] = field(default_factory=list)
    _digests: list[np.ndarray] = field(default_factory=list)
    _of: list[np.ndarray] = field(default_factory=list)

    def within_runs(self, part: Part, codes: np.ndarray, names: list[str]) -> np.ndarray:
        """Look at the runs of a part with several rows; gives the rows that repeat an earlier one of their run."""
        taken = np.flatnonzero(codes >= 0)
        rows = taken[np.bincount(codes[taken], minlength=len(names))[codes[taken]] > 1]
        rows = rows[np.argsort(codes[rows], kind="stable")]
        repeated: list[int] = []
        held: dict[bytes, int] = {}
        run, run_lines = -1, [0]
        for row, digest in _digests(part, rows):
            if codes[row] != run:
                self._conflict(names, run, run_lines)
                run, run_lines, held = int(codes[row]), [], {}
            if digest in held:
                repeated.append(row)
                continue
            held[digest] = row
            run_lines.append(int(part.lines[row]))
        self._conflict(names, run, run_lines)
        found = np.array(sorted(repeated), dtype=np.int64)
        self.n_repeated += found.size
        self.lines = sorted([*self.lines, *(int(part.lines[row]) for row in found[:_LINES])])[:_LINES]
        return found

    def _conflict(self, names: list[str], run: int, lines: list[int]) -> None:
        if len(lines) > 1:
            self.n_conflicts += 1
            self.conflicts = sorted([*self.conflicts, (lines[1], names[run], lines[:_LINES], len(lines))])[:_TOLD]

    def among_all(self, part: Part, codes: np.ndarray) -> None:
        """Remember the rows of a part, each of which is a run."""
        rows = np.flatnonzero(codes >= 0)
        digests = b"".join(digest for _, digest in _digests(part, rows))
        self._digests.append(np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2))
        self._of.append(np.asarray(part.lines)[rows])

    def finish(self, path: str, columns: tuple[str, ...]) -> list[str]:
        """Say what was found.

        Parameters
        ----------
        path : str
            The file.
        columns : tuple of str
            Columns of the identifier; none where each row is a run.

        Returns
        -------
        list of str
            Warnings.

        Raises
        ------
        InputDataError
            If runs stand there with different values.
        """
        if self.n_conflicts:
            raise self._error(path, columns)
        if self._digests:
            digests, lines = np.concatenate(self._digests), np.concatenate(self._of)
            order = np.lexsort((lines, digests[:, 0], digests[:, 1]))
            same = (digests[order[1:]] == digests[order[:-1]]).all(axis=1)
            found = np.sort(lines[order[1:][same]])
            self.n_repeated, self.lines = found.size, found[:_LINES].tolist()
        if not self.n_repeated:
            return []
        return [repeated_rows_warning(line_list(self.lines, count=self.n_repeated), are_runs=not columns)]

    def _error(self, path: str, columns: tuple[str, ...]) -> InputDataError:
        told = [(name, line_list(lines, count=count)) for _, name, lines, count in self.conflicts]
        return conflicts_error(path, columns, told, self.n_conflicts)


def _digests(part: Part, rows: np.ndarray) -> Iterator[tuple[int, bytes]]:
    """Rows with what stands for their content."""
    columns = list(part.columns)
    together = max(_CELLS // len(columns), 1)
    for at in range(0, rows.size, together):
        some = rows[at : at + together]
        cells = part.cells_at(columns, some)
        for row in some.tolist():
            yield row, row_digest(cells[row])


@dataclass(frozen=True)
class Numbered:
    """Runs of a table whose rows are all runs of their own, and are named after the file."""

    path: str
    n_rows: int

    def batches(self, n_rows: int) -> Iterator[tuple[int, int, np.ndarray, list[str]]]:
        """Some runs together; see :meth:`db.bulk_runs.Order.batches`."""
        for start in range(0, self.n_rows, n_rows):
            stop = min(start + n_rows, self.n_rows)
            yield start, stop, np.arange(stop - start), numbered_names(self.path, start, stop, self.n_rows)
