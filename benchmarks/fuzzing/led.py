"""Fuzzing that is led by coverage, with `atheris`, which is imported here and nowhere else."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzzing import inputs
from benchmarks.fuzzing.inputs import Input
from benchmarks.fuzzing.stand_ins import stand_ins


def lead(name: str, program: str, options: argparse.Namespace) -> int:
    """Let coverage lead through the reader of a format, for some seconds.

    Parameters
    ----------
    name : str
        The format.
    program : str
        The script, which is run again for each of several formats: `atheris` ends its process.
    options : Namespace
        Those of the script.

    Returns
    -------
    int
        0 where nothing failed.
    """
    if len(options.formats or ()) != 1:
        again = [sys.executable, program, "--atheris", "--formats", name, "--seconds", str(options.seconds)]
        again += ["--seed", str(options.seed), "--keep", options.keep]
        told = subprocess.run(again, capture_output=True, text=True, check=False)
        last = [line for line in told.stderr.splitlines() if line.startswith("Done ") or "cov:" in line][-2:]
        print(f"{name}: {'; '.join(last) if told.returncode == 0 else told.stderr[-3000:]}", flush=True)
        return told.returncode
    atheris: Any = import_module("atheris")

    with atheris.instrument_imports(include=["db.readers"]):
        from benchmarks.fuzzing.ways import Reader
        from db.readers.formats import formats

        formats()
    chosen = [(seed, file) for seed in inputs.seeds()[name] for file in dict.fromkeys(seed.targets or seed.files)]

    def mutate(data: bytes, most: int, number: int) -> bytes:
        drawn = Random(number)
        if drawn.random() < 0.5 or len(data) < 2:
            return bytes(atheris.Mutate(data, most))
        seed, file = chosen[data[0] % len(chosen)]
        del seed
        mutators = inputs.mutators_of(file, data[1:])
        return data[:1] + (drawn.choice(mutators)(drawn, data[1:], [data[1:]]) or b"")[: most - 1]

    with tempfile.TemporaryDirectory() as folder, stand_ins():
        reader = Reader(name, Path(folder) / "read")
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, (seed, file) in enumerate(chosen):
            (corpus / str(number)).write_bytes(bytes((number,)) + seed.files[file])

        def one_input(data: bytes) -> None:
            seed, file = chosen[(data[0] if data else 0) % len(chosen)]
            reader.judge(Input(seed, "led", {file: data[1:]}))

        settings = [f"-max_total_time={options.seconds:.0f}", f"-seed={options.seed + 1}", "-rss_limit_mb=2560"]
        Path(options.keep).mkdir(parents=True, exist_ok=True)
        kept = f"-artifact_prefix={options.keep}/{name}-led-"
        settings += ["-max_len=65536", "-timeout=30", kept]
        atheris.Setup([sys.argv[0], str(corpus), *settings], one_input, custom_mutator=mutate)
        atheris.Fuzz()
    return 0
