"""Damaged logs of every format into its reader, and the whole way into a store: `python benchmarks/fuzz_readers.py`.

Run by hand, never in CI; the tests draw from the same generators, a few inputs each. For every format of
`db.readers.formats`, from the logs of the tests and a few made ones:

* *cut off* at every byte of short files, and at many places of the others;
* *mutated*: bits, spans, lengths, lines, numbers, cells, values of JSON, records (with their checksums made right
  again), members of zip files, rows and columns of databases and of Parquet, files that are gone or another's;
* *random* bytes and words, with the first bytes of the format and without;
* a share of all of these *the whole way*: found below a directory, read, given facts, written into a store that holds
  another log.

Nothing but a `ReadError` that names the file may come of it, what is read has to be as agreed, a log may take 2 s of
the processor and 2 s for each MiB more, and the process 1.5 GiB of addresses more than it has before the first input.
On the whole way nothing may be raised at all, and the store opens afterwards and has what it had. An input is drawn
from the seed, the format, its kind and its number, so that it can be drawn again. What fails is kept with the reason,
and the run ends with 1.

``--atheris`` lets coverage lead instead, where `atheris` can be imported.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})

from benchmarks.fuzzing import inputs
from benchmarks.fuzzing.inputs import Input
from benchmarks.fuzzing.led import lead
from benchmarks.fuzzing.stand_ins import stand_ins

WHOLE = "whole way"
KINDS = (*inputs.KINDS, WHOLE)
#: Of the seconds of a format.
SHARES = {"cut off": 0.25, "mutated": 0.75, "random": 0.85, WHOLE: 1.0}
#: Inputs that are taken in at once; a store is opened and asked a few times for each such group.
GROUP = 10
_ROOM = 1536 * 2**20
_STUCK = 90.0
_KEPT = 20


@dataclass
class Tally:
    """What was tried of a format."""

    counts: Counter[str] = field(default_factory=Counter)
    came: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    slowest_of: str = ""
    megabytes: float = 0.0
    failures: list[str] = field(default_factory=list)

    def row(self, name: str) -> str:
        """A row of the table."""
        counts = " | ".join(f"{self.counts[kind]:,}" if self.counts[kind] else "-" for kind in KINDS)
        read = self.came["read"] / max(1, self.came.total())
        return (
            f"| `{name}` | {counts} | {100 * read:.0f} % | {self.slowest:.2f} | {self.megabytes:.0f} | "
            f"{len(self.failures)} |"
        )


HEADER = (
    "| format | cut off | mutated | random | whole way | read | slowest, s | peak, MB | failures |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def drawn_inputs(name: str, kind: str, options: argparse.Namespace) -> Iterator[tuple[int, Input]]:
    """The inputs of a kind with their numbers."""
    if kind == "cut off":
        yield from enumerate(inputs.cuts(name, options.per_format, Random(f"{options.seed}:{name}:cuts")))
        return
    draw = inputs.random if kind == "random" else inputs.mutated
    first = options.begin[1] if options.begin[0] == KINDS.index(kind) else 0
    for number in range(first, options.per_format if kind == "mutated" else options.per_format // 4):
        yield number, draw(name, Random(f"{options.seed}:{name}:{kind}:{number}"))


def whole_inputs(name: str, kind: str, options: argparse.Namespace) -> Iterator[tuple[int, list[Input]]]:
    """Groups of inputs for the whole way, of all kinds."""
    every = [one for _, one in zip(range(200_000), inputs.cuts(name, 64, Random(0)), strict=False)]
    first = options.begin[1] if options.begin[0] == KINDS.index(kind) else 0
    for number in range(first, max(1, options.per_format // (10 * GROUP))):
        drawn = Random(f"{options.seed}:{name}:{kind}:{number}")
        draws = (inputs.mutated, inputs.mutated, inputs.mutated, inputs.random)
        cut = [drawn.choice(every)] if every else []
        yield number, [*cut, *(drawn.choice(draws)(name, drawn) for _ in range(GROUP - len(cut)))]


def work(name: str, options: argparse.Namespace, folder: str, pipe: Any, at: Any) -> None:
    """Go through the inputs of a format; a process of its own, which says where it is by `at`."""
    from benchmarks.fuzzing.ways import Reader, WholeWay, peak

    warnings.simplefilter("error", RuntimeWarning)
    with stand_ins():
        reader = Reader(name, Path(folder) / "read")
        whole = None if name == "wandb-api" else WholeWay(Path(folder) / "whole")  # an address, and no path
        for seed in inputs.seeds()[name]:
            reader.judge(Input(seed, "whole", {}))
        _limit()
        began, before = time.monotonic(), peak() / 2**20
        for place, kind in enumerate(KINDS):
            if place < options.begin[0]:
                continue
            stop = began + options.seconds * SHARES[kind]
            draw: Callable[..., Iterator[tuple[int, Any]]] = whole_inputs if kind == WHOLE else drawn_inputs
            if kind == WHOLE and whole is None:
                continue
            for number, one in draw(name, kind, options):
                if time.monotonic() > stop:
                    break
                if (place, number) < options.begin:
                    continue
                at[:] = [place, number, time.monotonic()]
                try:
                    if kind == WHOLE:
                        assert whole is not None
                        pipe.send(
                            ("done", kind, len(one), "", whole.judge(one) / len(one), "", peak() / 2**20 - before)
                        )
                    else:
                        judged = reader.judge(one)
                        pipe.send(("done", kind, 1, judged.came, judged.seconds, one.how, peak() / 2**20 - before))
                except BaseException as error:
                    how = one.how if isinstance(one, Input) else [each.how for each in one]
                    pipe.send(("failed", kind, number, _where(error), f"{how}\n{traceback.format_exc()}"))
                    _keep(options, name, kind, number, Path(folder), f"{how}\n{traceback.format_exc()}")
                    if isinstance(one, Input):
                        from benchmarks.fuzzing.ways import undo

                        undo(one, reader.folder_of(one.seed))
    pipe.send(("end",))


def _limit() -> None:
    """Give the process no more than some room beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * os.sysconf("SC_PAGE_SIZE") + _ROOM
    resource.setrlimit(resource.RLIMIT_AS, (room, room))


def _where(error: BaseException) -> str:
    """What tells faults apart: the kind of the error and the last place in the package where it passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/db/" in frame.filename]
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__} {at} {str(error).splitlines()[0][-150:] if str(error) else ''}"


def _keep(options: argparse.Namespace, name: str, kind: str, number: int, folder: Path, why: str) -> None:
    to = Path(options.keep) / f"{name}-{kind.replace(' ', '-')}-{number}"
    if to.exists() or len(list(Path(options.keep).glob(f"{name}-*"))) >= _KEPT:
        return
    shutil.copytree(folder / ("whole/in" if kind == WHOLE else "read"), to / "log", symlinks=True)
    (to / "why.txt").write_text(f"seed {options.seed}, format {name}, {kind}, number {number}\n{why}", errors="replace")


class Job:
    """The process that goes through a format, and what it told; it is begun again behind an input that ends it."""

    def __init__(self, name: str, options: argparse.Namespace, folder: Path) -> None:
        self.name, self.tally, self.ended = name, Tally(), False
        self._options, self._folder = argparse.Namespace(**vars(options)), folder / name
        self._options.begin = (0, 0)
        self._begin()

    def _begin(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._at = spawn.Array("d", [*map(float, self._options.begin), time.monotonic() + 60])
        self._pipe, end = spawn.Pipe(duplex=False)
        self._folder.mkdir(parents=True, exist_ok=True)
        given = (self.name, self._options, str(self._folder), end, self._at)
        self._process = spawn.Process(target=work, args=given, daemon=True)
        self._process.start()
        end.close()

    def look(self) -> None:
        """Take what it told, and see whether it is alive."""
        try:
            stop = time.monotonic() + 0.2  # what tells much must not keep the others waiting until they tell nothing
            while time.monotonic() < stop and self._pipe.poll(0.02):
                self._take(*self._pipe.recv())
        except EOFError:
            self._process.join()
        stuck = time.monotonic() - self._at[2] > _STUCK
        if self.ended or (self._process.is_alive() and not stuck):
            return
        self._process.kill()
        self._process.join()
        place, number = int(self._at[0]), int(self._at[1])
        why = f"the process got stuck for {_STUCK:.0f} s" if stuck else f"the process died ({self._process.exitcode})"
        self.tally.failures.append(f"{KINDS[place]} {number}: {why}")
        _keep(self._options, self.name, KINDS[place], number, self._folder, why)
        self._options.begin = (place, number + 1)
        if len(self.tally.failures) > _KEPT:
            self.ended = True
        else:
            self._begin()

    def _take(self, what: str, kind: str = "", *rest: Any) -> None:
        tally = self.tally
        if what == "end":
            self.ended = True
            self._process.join()
        elif what == "failed":
            number, where, _ = rest
            tally.counts[kind] += 1
            known = any(line.endswith(where) for line in tally.failures)
            if not known:
                tally.failures.append(f"{kind} {number}: {where}")
        else:
            n, came, seconds, how, megabytes = rest
            tally.counts[kind] += n
            if came:
                tally.came[came] += 1
            if seconds > tally.slowest and kind != WHOLE:
                tally.slowest, tally.slowest_of = seconds, f"{kind}: {how}"
            tally.megabytes = max(tally.megabytes, megabytes)


def main(options: argparse.Namespace) -> int:
    names = options.formats or sorted(inputs.seeds())
    if options.atheris:
        return max(lead(name, __file__, options) for name in names)
    Path(options.keep).mkdir(parents=True, exist_ok=True)
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    waiting, done = list(names), {}
    jobs: list[Job] = []
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        while waiting or jobs:
            while waiting and len(jobs) < options.jobs:
                jobs.append(Job(waiting.pop(0), options, Path(folder)))
            for job in list(jobs):
                job.look()
                if job.ended:
                    jobs.remove(job)
                    done[job.name] = job.tally
                    print(job.tally.row(job.name), flush=True)
                    shutil.rmtree(Path(folder) / job.name, ignore_errors=True)
    for name, tally in done.items():
        for line in tally.failures:
            print(f"{name}: {line}")
    (Path(options.keep) / "tallies.json").write_text(json.dumps({name: vars(tally) for name, tally in done.items()}))
    total = sum(sum(tally.counts.values()) for tally in done.values())
    print(f"{total:,} inputs; seed {options.seed}; python benchmarks/fuzz_readers.py {' '.join(sys.argv[1:])}")
    return int(any(tally.failures for tally in done.values()))


def parsed(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-format", type=int, default=2000, help="mutated inputs of a format; of cuts, per file")
    parser.add_argument("--seconds", type=float, default=60.0, help="that a format may take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", help="names of formats; all by default")
    parser.add_argument("--jobs", type=int, default=1, help="formats at once")
    parser.add_argument("--keep", default="fuzz-failures", help="folder for what fails")
    parser.add_argument("--atheris", action="store_true", help="let coverage lead, for --seconds a format")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main(parsed()))
