"""What a reader refuses, bounded: the first hundred of a kind one by one, and how many more there were."""

from __future__ import annotations

from collections.abc import Iterator

from db.problems import Problem
from db.readers.found import Note

#: Problems of one kind that are told one by one.
LIMIT = 100


class Complaints:
    """Problems of a file as they come up.

    Parameters
    ----------
    file : str
        The file.

    Notes
    -----
    `add` where something is refused, give on what `take` yields now and then, and what `rest` yields at the end.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.waiting = False
        self._held: list[Problem] = []
        self._counts: dict[str, int] = {}

    def add(self, line: int, column: str | None, value: object, reason: str, refused: str = "value") -> None:
        """Refuse something; `reason` is what the problems of a kind have in common."""
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        if count <= LIMIT:
            shown = None if value is None else str(value)[:200]
            self._held.append(Problem(self.file, line, column, shown, reason, refused))
            self.waiting = True

    def take(self) -> Iterator[Problem]:
        """Give on the problems that wait."""
        held, self._held, self.waiting = self._held, [], False
        yield from held

    def rest(self) -> Iterator[Problem | Note]:
        """Give on what waits, and the counts of what was not told one by one."""
        yield from self.take()
        for reason, count in self._counts.items():
            if count > LIMIT:
                yield Note(f"{self.file}: {count - LIMIT:,} more of this were refused: {reason}.")
