"""What a reader of results gave, put together for a look at it, and files that are cut off or damaged."""

from collections import Counter
from pathlib import Path

from db.problems import Problem
from db.readers.found import Note, ScoreFound
from db.readers.probe import Probe
from scaling.errors import ReadError

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"


class Results:
    """Scores, problems and notes of a source."""

    def __init__(self, module, path):
        sign = module.sniff(Probe(path))
        self.sign = sign
        self.scores, self.problems, self.notes = [], [], []
        for one in module.read(path, () if sign is None else sign.entries):
            kind = {ScoreFound: self.scores, Problem: self.problems, Note: self.notes}[type(one)]
            kind.append(one.text if isinstance(one, Note) else one)

    def by(self, *names):
        """Values by some of the attributes of their scores; no two may share them."""
        found = {tuple(getattr(score, name) for name in names): score for score in self.scores}
        assert len(found) == len(self.scores)
        return {key: score.value for key, score in found.items()}

    def one(self, **wanted):
        [found] = [s for s in self.scores if all(getattr(s, name) == value for name, value in wanted.items())]
        return found


def outcome(module, path):
    """Read a source that may be damaged; what it gives is counted by kind. Nothing but `ReadError` may be raised."""
    try:
        sign = module.sniff(Probe(path))
        return Counter(type(one).__name__ for one in module.read(path, () if sign is None else sign.entries))
    except ReadError as error:
        return "ReadError" if str(path.parent) in str(error) else f"an error without its file: {error}"


def cut_everywhere(module, whole, path, every=1):
    """Read a file cut off after each of its bytes."""
    data = whole.read_bytes()
    outcomes = []
    for size in range(0, len(data), every):
        path.write_bytes(data[:size])
        outcomes.append(outcome(module, path))
    return outcomes


def mutated(data, changes):
    """Bytes with some of them changed, by place and value."""
    found = bytearray(data)
    for place, value in changes:
        if found:
            found[place % len(found)] = value
    return bytes(found)
