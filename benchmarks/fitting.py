"""Fit one law to one data set with this package and with its peers, side by side: `python benchmarks/fitting.py`.

Run by hand, never in CI. One thread, one process, the same rows, the same objective, the same resamples. It needs
the packages `autograd` and `chinchilla`, in an environment of their own (see README.md here).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

# Before NumPy is imported: small arrays lose far more to threads than they gain, whoever fits them.
os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")})

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, ScalingError, StoreError, VerdictError
from scaling.formatting import format_number, format_percent

Array = NDArray[np.float64]

DELTA = 1e-3
SEED = 0
REPLICATES = 4000
CLUSTERS = 40
WORSE = 1e-12  # an objective of ours above a peer's by more than this fails the run
PARAMETERS = ("E", "A", "B", "alpha", "beta")


@dataclass(frozen=True)
class Rows:
    """The runs that everybody fits, natural units."""

    path: Path
    n_params: Array
    n_tokens: Array
    loss: Array

    @property
    def logs(self) -> tuple[Array, Array, Array]:
        """Logarithms of the columns, which every peer works with."""
        return np.log(self.n_params), np.log(self.n_tokens), np.log(self.loss)


@dataclass(frozen=True)
class Timed:
    """What a tool found, and the seconds it took (the best of `repeats`)."""

    tool: str
    theta: Array  # (5,) or (replicates, 5), natural units, in the order of PARAMETERS
    cpu: float
    wall: float
    repeats: int


def read_rows(path: Path | None) -> Rows:
    """Read the 240 runs of arXiv:2404.10102: all but the five highest losses."""
    if path is None:
        folder = os.environ.get("SCALING_REFERENCE_DATA")
        if not folder:
            raise InputDataError(
                "no data: neither --data nor the environment variable SCALING_REFERENCE_DATA is set",
                hint="Give --data runs.csv, or set the variable to the folder that holds chinchilla_epoch/runs.csv.",
            )
        path = Path(folder) / "chinchilla_epoch" / "runs.csv"
    try:
        with path.open(newline="") as file:
            kept = [row for row in csv.DictReader(file) if row["epoch_excluded"].lower() != "true"]
        columns = [np.array([float(row[name]) for row in kept]) for name in ("N", "D", "loss")]
    except OSError as error:
        raise InputDataError(f"cannot read {path}: {error.strerror}") from error
    except KeyError as error:
        raise InputDataError(f"{path} has no column {error}", hint="Needed: N, D, loss, epoch_excluded.") from error
    except ValueError as error:
        raise InputDataError(f"{path} holds something that is not a number: {error}") from error
    return Rows(path, *columns)


def objective(theta: Array, rows: Rows, weights: Array) -> Array:
    """Sum over rows of Huber(1e-3) of ln(loss / predicted): one function that judges every tool.

    Parameters
    ----------
    theta : ndarray (B, 5)
        E, A, B, alpha, beta.
    rows : Rows
        n runs.
    weights : ndarray (B, n)
        How often each run counts.

    Returns
    -------
    ndarray (B,)
        inf where a tool found nothing.
    """
    E, A, B, alpha, beta = (theta[:, j : j + 1] for j in range(5))
    with np.errstate(all="ignore"):
        predicted = E + A * np.exp(-alpha * np.log(rows.n_params)) + B * np.exp(-beta * np.log(rows.n_tokens))
        size = np.abs(np.log(rows.loss) - np.log(predicted))
        inside = np.minimum(size, DELTA)
        total = np.sum(weights * inside * (size - 0.5 * inside), axis=1)
    return np.where(np.isfinite(total), total, np.inf)


def stopwatch(tool: str, repeats: int, work: Callable[[], Array]) -> Timed:
    """Run `work` `repeats` times and keep the fastest."""
    say(tool)
    times = []
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        theta = work()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    return Timed(tool, theta, *min(times), repeats)


def say(message: str) -> None:
    print(f"running: {message}", file=sys.stderr, flush=True)


def fit_ours(rows: Rows, bootstrap: int, clusters: int = 0) -> tuple[Array, Array]:
    """Return our estimates (5,) and replicates (B, 5), of rows or of clusters of neighbours in compute."""
    import scaling

    inputs = {"N": rows.n_params, "D": rows.n_tokens}
    groups = None
    if clusters:
        place = np.argsort(np.argsort(rows.n_params * rows.n_tokens, kind="stable"), kind="stable")
        groups = place * clusters // len(place)
    fit = scaling.fit(
        "chinchilla", inputs, rows.loss, objective="huber", delta=DELTA, bootstrap=bootstrap, seed=SEED, groups=groups
    )
    return np.array([fit.estimates[name] for name in PARAMETERS]), fit.replicates


def first_fit(rows: Rows) -> None:
    """Print, as JSON, what the import and the first fit cost in this fresh process."""
    start = time.process_time()
    import scaling

    _ = scaling.fit  # imported on first use
    imported = time.process_time()
    fit_ours(rows, 0)
    print(json.dumps({"import": imported - start, "first": time.process_time() - imported}))


def one_off_costs(rows: Rows, repeats: int) -> tuple[float, float]:
    """Seconds of the import (SymPy for the most part) and of the first fit, each the best of a few processes."""
    say(f"first fits in {repeats} fresh processes")
    command = [sys.executable, __file__, "--first-fit", "--data", str(rows.path)]
    runs = [json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) for _ in range(repeats)]
    return min(run["import"] for run in runs), min(run["first"] for run in runs)


def point_fits(rows: Rows, full: bool) -> list[Timed]:
    """Fit all rows with every tool; ours first."""
    from peers import HOFFMANN, handwritten, published, takano

    out = [
        stopwatch("scaling", 20, lambda: fit_ours(rows, 0)[0]),
        stopwatch("published: 4500 L-BFGS-B starts, numerical gradients", 1, lambda: published.point_fit(*rows.logs)),
        stopwatch("BFGS, autograd, one start at Hoffmann's values", 20, lambda: published.one_start(*rows.logs)),
        stopwatch(
            "BFGS, hand-written gradients, one start at Hoffmann's values",
            20,
            lambda: handwritten.fit(*rows.logs, HOFFMANN),
        ),
    ]
    for points in (3, 5) if full else (3,):
        tool = f"chinchilla {version('chinchilla')}, {points}^5 = {points**5} starts"
        say(tool)
        out.append(Timed(tool, *takano.fit(rows.n_params, rows.n_tokens, rows.loss, points), 1))
    return out


def bootstraps(rows: Rows, optimum: Array, weights: Array, full: bool) -> list[Timed]:
    """Refit the resamples with every tool that can; ours first, and all of them."""
    from peers import from_natural, handwritten, published

    logs = rows.logs

    def refit(count: int, fit: Callable[..., Array], *settings: Array) -> Array:
        resamples = [np.repeat(np.arange(len(rows.loss)), w.astype(int)) for w in weights[:count]]
        return np.array([fit(*(column[r] for column in logs), *settings) for r in resamples])

    start = from_natural(optimum)
    counts = (REPLICATES, REPLICATES) if full else (200, 400)
    repeats = 1 if full else 3
    return [
        stopwatch("scaling", 5, lambda: fit_ours(rows, REPLICATES)[1]),
        stopwatch(
            "published: BFGS, autograd, from Hoffmann's values",
            repeats,
            lambda: refit(counts[0], published.one_start),
        ),
        stopwatch(
            "BFGS, hand-written gradients, from the point optimum",
            repeats,
            lambda: refit(counts[1], handwritten.fit, start),
        ),
    ]


def table(header: list[str], body: list[list[str]]) -> str:
    """Markdown."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratio(slower: float, faster: float) -> str:
    return f"{format_number(slower / faster, 3)}x"


def point_table(fits: list[Timed], rows: Rows, compilation: float) -> tuple[str, bool]:
    """Return the table, and whether no peer found a lower objective."""
    values = objective(np.array([f.theta for f in fits]), rows, np.ones((1, len(rows.loss))))
    ours = fits[0].cpu
    body = [
        [f.tool, format_number(value, 13), *(format_number(p, 7) for p in f.theta), format_number(f.cpu, 3),
         str(f.repeats), ratio(f.cpu, ours), ratio(f.cpu, ours + compilation)]
        for f, value in zip(fits, values, strict=True)
    ]  # fmt: skip
    body[0][-1] = f"({format_number(ours + compilation, 3)} s)"
    header = ["tool", "objective", *PARAMETERS, "seconds", "best of", "ratio to ours", "with our compilation"]
    return table(header, body), bool(np.all(values[0] <= values + WORSE))


def bootstrap_times(fits: list[Timed], compilation: float) -> str:
    """Return the table of what a bootstrap costs."""
    ours = fits[0].cpu
    body = []
    for f in fits:
        count = len(f.theta)
        whole = f.cpu / count * REPLICATES
        body.append([
            f.tool, str(count), format_number(f.cpu, 3), str(f.repeats), format_number(1e3 * f.cpu / count, 3),
            format_number(whole, 3) + ("" if count == REPLICATES else " (scaled)"), ratio(whole, ours),
            ratio(whole, ours + compilation),
        ])  # fmt: skip
    body[0][-1] = f"({format_number(ours + compilation, 3)} s)"
    header = ["tool", "replicates run", "seconds", "best of", "ms a replicate", f"seconds for {REPLICATES}",
              "ratio to ours", "with our compilation"]  # fmt: skip
    return table(header, body)


def bootstrap_optima(fits: list[Timed], rows: Rows, weights: Array) -> tuple[str, bool]:
    """Return the table of optima against ours, and whether no peer found a lower one in any replicate."""
    ours = objective(fits[0].theta, rows, weights)
    body, never_worse = [], True
    for f in fits[1:]:
        count = len(f.theta)
        gap = objective(f.theta, rows, weights[:count]) - ours[:count]
        worse = gap < -WORSE
        never_worse &= not worse.any()
        body.append([
            f.tool, str(count), format_percent(float(worse.mean())), format_percent(float(np.mean(gap > WORSE))),
            format_percent(float(np.mean(gap > 1e-9))), format_number(float(np.median(gap)), 3),
            format_number(float(gap.max()), 3),
        ])  # fmt: skip
    header = ["tool", "replicates", f"ours worse by > {WORSE:g}", f"ours lower by > {WORSE:g}", "ours lower by > 1e-9",
              "ours lower by, median", "ours lower by, most"]  # fmt: skip
    return table(header, body), never_worse


def machine() -> str:
    """Name the processor as the kernel does."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # another system; its own answer follows
    return platform.processor() or platform.machine()


def check_peers() -> None:
    missing = [name for name in ("scipy", "autograd", "chinchilla") if find_spec(name) is None]
    if missing:
        raise StoreError(
            f"the benchmark compares with packages that are not installed here: {', '.join(missing)}",
            hint="In an environment of their own, beside this package: pip install autograd chinchilla",
        )


def compare(rows: Rows, full: bool) -> None:
    """Run everything, print it, and raise where a peer does better."""
    from scaling.fitting.resample import bootstrap_weights

    check_peers()
    weights = bootstrap_weights(len(rows.loss), REPLICATES, SEED)
    import_seconds, first_seconds = one_off_costs(rows, 5)
    points = point_fits(rows, full)
    compilation = first_seconds - points[0].cpu
    replicates = bootstraps(rows, points[0].theta, weights, full)
    clustered = stopwatch(f"scaling, {CLUSTERS} clusters", 5, lambda: fit_ours(rows, REPLICATES, CLUSTERS)[1])

    point_text, points_hold = point_table(points, rows, compilation)
    optima_text, replicates_hold = bootstrap_optima(replicates, rows, weights)
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "sympy", "autograd", "chinchilla"))
    import scaling

    waited = sum(f.wall for f in (*points, *replicates)) / sum(f.cpu for f in (*points, *replicates)) - 1
    errors = zip(PARAMETERS, replicates[0].theta.std(axis=0, ddof=1), strict=True)
    print(f"""
Command: `python {shlex.join(["benchmarks/fitting.py", *(["--full"] if full else [])])}`

- {len(rows.loss)} rows; sum of Huber(1e-3) of ln(loss) residuals; {REPLICATES} resamples of seed {SEED}; one thread.
- scaling {scaling.__version__}, Python {platform.python_version()}, {packages}.
- {machine()}, {os.cpu_count()} cores. Seconds are CPU seconds; the wall clock ran {format_percent(waited)} longer.
- Ours, once a process: import {format_number(import_seconds, 3)} s, compilation of the law \
{format_number(compilation, 3)} s (best of 5 processes).

Point fit

{point_text}

Bootstrap, time

{bootstrap_times(replicates, compilation)}

Resampled by cluster ({CLUSTERS} of neighbours in compute) ours takes {format_number(clustered.cpu, 3)} s for \
the {REPLICATES}.

Bootstrap, optima

{optima_text}

Standard errors from our {REPLICATES} replicates: {", ".join(f"{name} {format_number(e)}" for name, e in errors)}.
""")
    if not (points_hold and replicates_hold):
        where = " and ".join(["the point fit"] * (not points_hold) + ["the bootstrap"] * (not replicates_hold))
        raise VerdictError(f"a peer found an objective lower than ours by more than {WORSE:g} in {where}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Fit the Chinchilla law side by side with other tools.")
    parser.add_argument("--data", type=Path, help="runs.csv; else chinchilla_epoch/runs.csv in SCALING_REFERENCE_DATA")
    parser.add_argument("--full", action="store_true", help="every replicate and the 5^5 grid: a few minutes")
    parser.add_argument("--first-fit", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        rows = read_rows(given.data)
        if given.first_fit:
            first_fit(rows)
        else:
            compare(rows, given.full)
    except ScalingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
