"""Fit laws of N and D by least squares, beside `simple-scaling-laws`: `python benchmarks/separable.py`.

Run by hand, never in CI. One thread, one process, the same rows, residuals of the loss itself (the peer knows no other
objective). Every set is one of those in the folder that SCALING_REFERENCE_DATA names: the 240 runs of
arXiv:2404.10102, and the isoFLOP sets without their outliers. The run fails (exit code 1) where the peer finds a sum of
squares below ours by more than 1e-9 of it.
"""

from __future__ import annotations

import csv
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

# Before NumPy is imported: small arrays lose far more to threads than they gain, whoever fits them.
os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")} | {"POLARS_MAX_THREADS": "1"})

import numpy as np
from numpy.typing import NDArray

import scaling
from scaling.errors import InputDataError, ScalingError, StoreError, VerdictError
from scaling.formatting import format_number

Array = NDArray[np.float64]

REPLICATES = 1000
WORSE = 1e-9  # of the sum of squares: the peer's stopping tolerance is about that
LAWS = {  # ours, and the peer's name of the same family
    "chinchilla": "separable-power",
    "skaling": "skaling-joint-power",
    "kaplan": "kaplan-joint-power",
    "multiplicative": "multiplicative-power",
}


@dataclass(frozen=True)
class Rows:
    """One set of runs, natural units."""

    name: str
    n_params: Array
    n_tokens: Array
    loss: Array


def read_sets(folder: Path) -> Iterator[Rows]:
    """Read the 240 runs, then each isoFLOP set."""

    def table(path: Path) -> list[dict[str, str]]:
        try:
            with path.open(newline="") as file:
                return list(csv.DictReader(file))
        except OSError as error:
            raise InputDataError(f"cannot read {path}: {error.strerror}") from error

    def rows(name: str, records: list[dict[str, str]]) -> Rows:
        return Rows(name, *(np.array([float(r[k]) for r in records]) for k in ("N", "D", "loss")))

    epoch = table(folder / "chinchilla_epoch" / "runs.csv")
    yield rows("epoch 240", [r for r in epoch if r["epoch_excluded"].lower() != "true"])
    isoflops = [r for r in table(folder / "isoflops_openathena" / "isoflops.csv") if r["outlier"].lower() != "true"]
    for name in dict.fromkeys(r["experiment"] for r in isoflops):
        yield rows(name, [r for r in isoflops if r["experiment"] == name])


def ours(law: str, data: Rows, bootstrap: int) -> tuple[float, float]:
    """Return our sum of squares and the CPU seconds."""
    start = time.process_time()
    fit = scaling.fit(
        law, {"N": data.n_params, "D": data.n_tokens}, data.loss,
        objective="squared", residual="linear", bootstrap=bootstrap,
    )  # fmt: skip
    return float(np.sum(fit.residuals**2)), time.process_time() - start


def theirs(law: str, data: Rows, bootstrap: int) -> tuple[float, float, bool]:
    """Return the peer's sum of squares, its CPU seconds, and whether its floor E is below zero.

    Its bootstrap is a wild cluster one.
    """
    import polars
    import simple_scaling_laws

    frame = polars.DataFrame(
        {
            "training_run_id": [str(i) for i in range(len(data.loss))],
            "model_size__n": data.n_params,
            "dataset_size__d": data.n_tokens,
            "test_loss__ce": data.loss,
        }
    )
    start = time.process_time()
    model = simple_scaling_laws.fit(frame, law=LAWS[law], n_draws=bootstrap, seed=0)
    seconds = time.process_time() - start
    # Its parameters are of inputs divided by their geometric means; it evaluates them itself.
    log_x = np.log(np.stack([data.n_params, data.n_tokens], axis=1))
    log_x -= log_x.mean(axis=0)
    predicted = model.law.evaluate(model.fits["test_loss__ce"].params, log_x)
    below_zero = model.params("test_loss__ce")["E"] < 0
    return float(np.sum((data.loss - predicted) ** 2)), seconds, below_zero


def compare(folder: Path) -> bool:
    """Print the table; return whether no optimum of the peer is lower."""
    try:
        peer = f"simple-scaling-laws {version('simple-scaling-laws')}"
    except ImportError as error:
        raise StoreError(
            "the benchmark compares with simple-scaling-laws, which is not installed here",
            hint="In an environment of its own, beside this package: pip install simple-scaling-laws (Python 3.12 on).",
        ) from error
    print("Command: `python benchmarks/separable.py`\n")
    print(f"- scaling {scaling.__version__}, {peer}, Python {platform.python_version()}, one thread, CPU seconds;")
    print(f"  {REPLICATES} replicates of each; sum of squared residuals of the loss.\n")
    header = ["set", "rows", "law", "ours", "peer", "peer / ours - 1", "point fit: ours (s)", "peer (s)",
              "ratio", "a replicate: ours (ms)", "peer (ms)", "ratio"]  # fmt: skip
    print("| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
    holds = True
    for data in read_sets(folder):
        for law in LAWS:
            ours(law, data, 0), theirs(law, data, 2)  # imports and compilation, once a process
            value, point = min((ours(law, data, 0) for _ in range(3)), key=lambda pair: pair[1])
            other, other_point, outside = min((theirs(law, data, 2) for _ in range(3)), key=lambda found: found[1])
            each = (ours(law, data, REPLICATES)[1] - point) / REPLICATES
            other_each = (theirs(law, data, REPLICATES)[1] - other_point) / REPLICATES
            holds &= outside or value <= other * (1 + WORSE)  # no loss has a floor below zero: ours is at 0
            remark = " (E < 0)" if outside else ""
            cells = [data.name, str(len(data.loss)), law, format_number(value, 8), format_number(other, 8) + remark,
                     format_number(other / value - 1, 2), format_number(point, 2), format_number(other_point, 2),
                     f"{format_number(other_point / point, 2)}x", format_number(1e3 * each, 2),
                     format_number(1e3 * other_each, 2), f"{format_number(other_each / each, 2)}x"]  # fmt: skip
            print("| " + " | ".join(cells) + " |", flush=True)
    return holds


def main() -> int:
    try:
        folder = os.environ.get("SCALING_REFERENCE_DATA")
        if not folder:
            raise InputDataError("no data: the environment variable SCALING_REFERENCE_DATA is not set")
        if not compare(Path(folder)):
            raise VerdictError(f"the peer found a sum of squares below ours by more than {WORSE:g} of it")
    except ScalingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
