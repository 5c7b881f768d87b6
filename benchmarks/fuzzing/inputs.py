"""What is fuzzed: logs of every format, those of the tests and a few made ones, and inputs that are drawn from them."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks.fuzzing import framed, plain
from benchmarks.fuzzing.stand_ins import AIM, ANSWERS, WANDB

if TYPE_CHECKING:
    from db.readers.format import Format

LOGS = Path(__file__).parents[2] / "tests" / "fixtures" / "logs"
KINDS = ("cut off", "mutated", "random")
#: In place of the bytes of a file.
GONE, FOLDER = None, ""
Change = bytes | str | None
_SHORT = 4096
_LARGEST = 4 * 2**20  # of a damaged file; what takes as much memory as it is large is no fault
_STEPS = "".join(f"r{i // 9},{i % 9 * 10},{i % 9 * 1000},{4 - i / 30},{1 + i // 9}e7,c4\n" for i in range(27))
_LEADERBOARD = (
    "eval_name,Precision,fullname,Type,Architecture,MoE,#Params (B),Merged,Flagged,Submission Date,Base Model,"
    "IFEval Raw,BBH Raw,MATH Lvl 5 Raw,GPQA Raw,MUSR Raw,MMLU-PRO Raw\n"
    "a_b_float16,float16,a/b,pretrained,Llama,False,7.2,False,False,2025-01-02,a/c,0.5,0.4,0.1,0.3,0.35,0.2\n"
    "a_d_float16,float16,a/d,chat,Llama,True,46.7,True,False,2025-02-02,,0.6,0.5,0.2,0.3,0.45,0.3\n"
)
_EPOCH = (
    "id,task,model,Best score (across scorers),Scores,started_at,Status,task version\n"
    'x1,GPQA diamond,m-1,0.51,"[0.5, 0.51]",2025-01-02T03:04:05Z,Success,1.0\n'
    "x2,MATH level 5,m-2,0.7,0.7,2025-02-02T03:04:05Z,Failed,2.0\n"
)
_PROTEUS = (
    "model_id,mapped_base_model,num_params_B,pretrain_compute_zflops,last_modified,ifeval_inst_strict,mmlu_pro\n"
    "a/b,a/c,7.2,840.0,2025-01-02,0.5,0.2\n"
)
_MODELS = (
    "System,Domain,Parameters,Training compute (FLOP),Training dataset size (datapoints)\nM 1,Language,7e9,8e23,1e12\n"
)


@dataclass(frozen=True)
class Seed:
    """A log whose files are to be damaged.

    Parameters
    ----------
    format : str
        Name of its format.
    path : str
        Its file or directory, below the folder that it is put into.
    files : mapping of str to bytes
        Its files, by where they lie below that folder.
    fixed : set of str
        Files that stay as they are.
    """

    format: str
    path: str
    files: Mapping[str, bytes]
    fixed: frozenset[str] = frozenset()

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Files that are damaged: those with something in them, the large ones more than once."""
        names = [name for name, content in self.files.items() if name not in self.fixed and content]
        return tuple(name for name in names for _ in range(1 + len(self.files[name]).bit_length() // 5))

    def place(self, folder: Path) -> Path:
        """Write it below a folder, and give its path there."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder / self.path


@dataclass(frozen=True)
class Input:
    """A damaged log.

    Parameters
    ----------
    seed : Seed
        The log.
    kind : str
        One of `KINDS`.
    changes : mapping of str to bytes, FOLDER or GONE
        What becomes of some of its files.
    how : str
        What was done.
    """

    seed: Seed
    kind: str
    changes: Mapping[str, Change] = field(repr=False)
    how: str = ""


@cache
def seeds() -> dict[str, list[Seed]]:
    """Logs by format, for every format that there is; one without any log gets an empty file, for random bytes."""
    from db.log_files import files_of
    from db.readers.discover import Source, discover
    from db.readers.formats import formats

    found: dict[str, list[Seed]] = {name: [] for name in formats()}
    for one in discover(LOGS):
        if isinstance(one, Source) and one.format.NAME != "aim":  # its own library would have to be there
            above = one.path.parent
            held = files_of(one.path, one.sign)
            files = {file.relative_to(above).as_posix(): file.read_bytes() for file in held}
            found[one.format.NAME].append(Seed(one.format.NAME, one.path.name, files))
    for made in _made():
        found[made.format].append(made)
    for name, several in found.items():
        several += [packed for one in several if (packed := _packed(one, formats()[name]))]
    return {name: several or [Seed(name, "log", {"log": b""})] for name, several in found.items()}


def _packed(seed: Seed, one: Format) -> Seed | None:
    """The same log compressed, where its format is known by that too."""
    from db.readers.probe import Probe

    content = seed.files.get(seed.path)
    if content is None or b"\0" in content or seed.path.endswith(".gz"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        new = Seed(seed.format, f"{seed.path}.gz", {f"{seed.path}.gz": gzip.compress(content, mtime=0)})
        return new if one.sniff(Probe(new.place(Path(folder)))) else None


def _row(i: int) -> dict[str, object]:
    return {"run_id": f"r{i // 9}", "step": i % 9, "loss": 4 - i / 30, "N": 1e7, "D": 5e9, "x": {"a": i}}


def _made() -> Iterator[Seed]:
    import duckdb

    names = "run_id,step,tokens,loss,N,corpus\n"
    tables = {
        "long.csv": names + _STEPS,
        "wide.csv": "N,D,C,loss,seed,lr\n" + "".join(f"{i}e7,{i}e9,,{4 - i / 9},1,3e-4\n" for i in range(1, 9)),
        "quoted.tsv": (names + _STEPS).replace("c4", '"c4\nx"').replace(",", "\t"),
        "steps.jsonl": "".join(f"{json.dumps(_row(i))}\n" for i in range(27)),
    }
    for name, text in tables.items():
        yield Seed("run-table", name, {name: text.encode()})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "steps.parquet"
        duckdb.execute(
            "COPY (SELECT 'r' || i // 9 AS run_id, i % 9 AS step, 4 - i / 30 AS loss, 1e7 AS N, 5e9 AS D "
            f"FROM range(27) AS t(i)) TO '{path}' (FORMAT parquet)"
        ).fetchall()
        yield Seed("run-table", path.name, {path.name: path.read_bytes()})
    scores = {"contents.csv": _LEADERBOARD, "benchmarks_runs.csv": _EPOCH, "p.csv": _PROTEUS, "all_models.csv": _MODELS}
    for name, text in scores.items():
        yield Seed("score-table", name, {name: text.encode()})
    yield Seed("wandb-api", ANSWERS, {ANSWERS: json.dumps(WANDB).encode()})
    fixed = (".aim/meta/x", ".aim/seqs/x")
    answers = {f".aim/{ANSWERS}": json.dumps(AIM).encode()}
    yield Seed("aim", ".aim", dict.fromkeys(fixed, b"x") | answers, frozenset(fixed))


def mutators_of(name: str, content: bytes) -> tuple[plain.Mutator, ...]:
    """What can be done to the content of a file."""
    if content.startswith(b"SQLite"):
        return (*plain.ANY, framed.database, framed.database, framed.database)
    if content.startswith(b"PK\x03\x04"):
        return (*plain.ANY, framed.members, framed.members, framed.members)
    if content.startswith(b"PAR1"):
        return (*plain.ANY, plain.lengths, framed.columns)
    if content.startswith(b"\x1f\x8b"):
        return (*plain.ANY, framed.packed, framed.packed)
    if content.startswith(b":W&B"):
        return (*plain.ANY, framed.wandb_records, framed.wandb_records, framed.wandb_records)
    if "tfevents" in name:
        return (*plain.ANY, framed.event_records, framed.event_records, framed.event_records)
    if content.lstrip()[:1] in (b"{", b"["):
        return (*plain.TEXT, plain.values, plain.values, plain.values)
    if name.endswith((".csv", ".tsv")):
        return (*plain.TEXT, plain.cells, plain.cells)
    return plain.TEXT


def cuts(one: str, per_file: int, drawn: Random) -> Iterator[Input]:
    """Every log of a format, each file cut off: at every byte of a short one, else at some places."""
    for seed in seeds()[one]:
        for name in dict.fromkeys(seed.targets):
            content = seed.files[name]
            size = len(content)
            places = range(size) if size <= max(_SHORT, per_file) else sorted(drawn.sample(range(size), per_file))
            for at in places:
                yield Input(seed, "cut off", {name: content[:at]}, f"{name} cut off after {at} bytes")


def mutated(one: str, drawn: Random) -> Input:
    """A log of a format with something changed."""
    possible = [seed for seed in seeds()[one] if seed.targets]
    if not possible:
        return random(one, drawn)
    seed = drawn.choice(possible)
    if len(seed.files) > 1 and drawn.random() < 0.05:
        return _moved(seed, drawn)
    changes: dict[str, Change] = {}
    how = []
    for _ in range(drawn.choice((1, 1, 1, 2))):
        name = drawn.choice(seed.targets)
        content = changes.get(name, seed.files[name])
        others = [other.files[file] for other in possible for file in other.files]
        for _ in range(drawn.choice((1, 1, 1, 2, 3))):
            assert isinstance(content, bytes)
            mutate = drawn.choice(mutators_of(name, content))
            content = mutate(drawn, content, others) if content else drawn.randbytes(20)
            if content is None or len(content) > _LARGEST:
                content = plain.bits(drawn, seed.files[name], others)
            how.append(f"{name}: {mutate.__name__}")
        changes[name] = content
    return Input(seed, "mutated", changes, ", ".join(how))


def _moved(seed: Seed, drawn: Random) -> Input:
    """Files are gone, are directories, or have the content of others."""
    one, two = drawn.choice(seed.targets), drawn.choice(list(seed.files))
    kind = drawn.randrange(3)
    new: Change = (GONE, FOLDER, seed.files[two])[kind]
    return Input(seed, "mutated", {one: new}, f"{one} is {('gone', 'a directory', f'what {two} is')[kind]}")


def random(one: str, drawn: Random) -> Input:
    """Random bytes, or random words of a log, in place of a file; with the first bytes of the file or without."""
    seed = drawn.choice(seeds()[one])
    name = drawn.choice(seed.targets or list(seed.files))
    content = seed.files[name]
    size = drawn.choice((0, 1, 16, 200, 3000, 20_000))
    kind = drawn.randrange(4)
    if kind == 0:
        new = drawn.randbytes(size)
    elif kind == 1:
        new = bytes(drawn.choice((0, 10, 32, 34, 44, 58, 91, 93, 123, 125, drawn.randrange(128))) for _ in range(size))
    else:
        words = content.split(drawn.choice((b" ", b",", b"\n", b"\0"))) or [b""]
        new = drawn.choice((b" ", b",", b"\n", b"", b"\0")).join(drawn.choice(words) for _ in range(min(size, 400)))
        new = new if drawn.random() < 0.01 else new[:20_000]
    kept = drawn.choice((0, 4, 8, 16, 64))
    how = f"{name}: {size} random bytes behind its first {kept}"
    return Input(seed, "random", {name: content[:kept] + new}, how)
