"""What every format promises, held against all of them: attributes, signs, and nothing but a ReadError on any bytes."""

from __future__ import annotations

import random
import re
import shutil
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from db.log_files import files_of
from db.problems import Problem
from db.readers.discover import Source, Unread, discover
from db.readers.format import Field, Level
from db.readers.formats import formats
from db.readers.found import NO_STEP, STATES, Note, Restart, RunFound, ScoreFound, Values
from db.readers.sniff import best_signs
from reports.terminal import FORMATS
from scaling.errors import ReadError

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
#: Formats that are no files of one log: tables with a mapping or a preset, and what is asked over the network.
WITHOUT_FIXTURE = {"run-table", "score-table", "wandb-api", "aim"}
NAMES = sorted(set(formats()) - WITHOUT_FIXTURE)


@cache
def sources() -> dict[str, list[Source]]:
    """Sources among the fixtures, by format, the smallest first."""
    found: dict[str, list[Source]] = {}
    for one in discover(LOGS):
        if isinstance(one, Source):
            found.setdefault(one.format.NAME, []).append(one)
    return {name: sorted(ones, key=_size) for name, ones in found.items()}


def _size(source: Source) -> int:
    return sum(file.stat().st_size for file in files_of(source.path, source.sign))


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_format_has_what_a_format_is(name) -> None:
    one = formats()[name]
    assert re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", name)
    assert name not in FORMATS, "--format would not know whether to read or to print it"
    for text in (one.WHAT, one.READS, one.TRIED):
        assert isinstance(text, str)
        assert text.strip()
    assert isinstance(one.LEAVES_OUT, str)
    assert one.READS.endswith(".")
    assert isinstance(one.UPSERTS, bool)
    assert all(isinstance(field, Field) and field.name and field.path for field in one.FIELDS)
    assert callable(one.sniff)
    assert callable(one.read)


def test_every_format_has_a_fixture_that_is_told_by_it_alone() -> None:
    found = sources()
    assert set(NAMES) <= set(found)
    assert [one for one in discover(LOGS) if isinstance(one, Unread) and one.known] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_a_format_gives_is_what_was_agreed(name) -> None:
    for source in sources()[name]:
        whole = list(source.format.read(source.path, source.sign.entries))
        assert whole
        keys = set()
        for one in whole:
            if isinstance(one, Values):
                keys.add(one.run)
                assert isinstance(one.metric, str)
                assert one.step.dtype == np.int64
                assert one.value.dtype == np.float64
                assert one.step.shape == one.value.shape
                assert ((one.step >= 0) | (one.step == NO_STEP)).all()
                assert one.missing is None or (one.missing.dtype == bool and one.missing.shape == one.step.shape)
                assert one.tokens is None or one.tokens.shape == one.step.shape
            elif isinstance(one, RunFound):
                assert one.state in (None, *STATES)
                assert all(isinstance(key, str) for key in (*one.config, *one.summary, *one.about))
                assert not any(isinstance(value, dict) for value in (*one.config.values(), *one.summary.values()))
            elif isinstance(one, Note):
                assert one.text.endswith(".")
            elif isinstance(one, ScoreFound):
                assert np.isfinite(one.value)
                assert one.model
            else:
                assert isinstance(one, Restart | Problem)
        if source.sign.entries:
            assert source.sign.level in (Level.DIRECTORY, Level.MAGIC, Level.KEYS)
        assert all(isinstance(key, str) for key in keys)


def copied(source: Source, folder: Path) -> Path:
    """The path of a copy of a source, so that files of it can be damaged."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    to = folder / source.path.name
    if source.path.is_dir():
        shutil.copytree(source.path, to)
    else:
        shutil.copy(source.path, to)
    return to


def read_damaged(source: Source, path: Path) -> str:
    """Look at a damaged copy and read it; what came of it."""
    try:
        best_signs(path)
        found = list(source.format.read(path, source.sign.entries))
    except ReadError as error:
        return "refused" if error.path and error.reason else "refused without a reason"
    kinds = (Values, RunFound, Note, ScoreFound, Restart, Problem)
    return "read" if all(isinstance(one, kinds) for one in found) else "something else"


def damages(content: bytes, drawn: random.Random, n: int) -> list[bytes]:
    """Bytes that are cut off, changed, doubled or random; every cut of what is short."""
    size = len(content)
    cuts = range(size) if size <= n else sorted(drawn.sample(range(size), n))
    found = [content[:cut] for cut in cuts]
    for _ in range(n):
        changed = bytearray(content)
        for _ in range(drawn.choice((1, 1, 8))):
            changed[drawn.randrange(size)] = drawn.choice((0, 10, 34, 255, drawn.randrange(256)))
        found.append(bytes(changed))
        at, to = sorted((drawn.randrange(size), drawn.randrange(size)))
        found.append(drawn.choice((content[:at] + content[to:], content[:to] + content[at:])))
    found += [b"", b"\0" * 1000, drawn.randbytes(500), content[: size // 2] + drawn.randbytes(300)]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_damaged_logs_give_nothing_but_a_read_error_and_end(name, tmp_path) -> None:
    """The tests of each format go through every byte; here some damage meets every file of the smallest fixture."""
    drawn = random.Random(name)
    source = sources()[name][0]
    files = [file for file in files_of(source.path, source.sign) if file.stat().st_size]
    path = copied(source, tmp_path / "copy")
    per_file = max(3, 45 // len(files))
    began = time.perf_counter()
    came = set()
    for file in files:
        target = path / file.relative_to(source.path) if source.path.is_dir() else path
        content = file.read_bytes()
        for damaged in damages(content, drawn, min(per_file, 45 if len(content) < 20_000 else 15)):
            target.write_bytes(damaged)
            came.add(read_damaged(source, path))
        target.write_bytes(content)
    assert came <= {"refused", "read"}
    assert time.perf_counter() - began < 60


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_there_any_more_is_a_read_error(name, tmp_path) -> None:
    source = sources()[name][0]
    path = copied(source, tmp_path / "copy")
    for file in files_of(path, source.sign):
        file.unlink()
    assert read_damaged(source, path) in ("refused", "read")
    shutil.rmtree(tmp_path / "copy")
    with pytest.raises(ReadError):
        list(source.format.read(path, source.sign.entries))
