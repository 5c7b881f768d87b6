"""Fit the 276 published L(N, D) laws of arXiv:2411.12925 again: `python benchmarks/kempner.py`.

Every form, corpus and loss column of the authors' table, on their runs, from nothing but the rows: how long it takes,
and how the optima compare with theirs. One thread.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

import scaling
from scaling.errors import InputDataError, ScalingError
from scaling.formatting import format_number, format_plural

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Published:
    """One row of the authors' table, and the runs it was fitted to.

    Parameters
    ----------
    law : str
        ``kaplan`` or ``chinchilla``.
    corpus, loss_name : str
        Which runs, and which of their losses.
    values : dict of str to float
        Coefficients by the names of the law here: their A and B are N_c and D_c of ``kaplan``.
    objective : float
        Mean of Huber(1e-3) of ln(loss) residuals.
    n_params, n_tokens, loss : ndarray (n,)
        The runs.
    """

    law: str
    corpus: str
    loss_name: str
    values: dict[str, float]
    objective: float
    n_params: Array
    n_tokens: Array
    loss: Array


def read_published(folder: Path) -> Iterator[Published]:
    """Read the table and the runs."""
    try:
        with (folder / "sweep.csv").open(newline="", encoding="utf-8") as file:
            runs = list(csv.DictReader(file))
        with (folder / "opt_params_data.csv").open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
    except OSError as error:
        raise InputDataError(f"cannot read {error.filename}: {error.strerror}") from error
    for row in table:
        mine = [run for run in runs if run["data"] == row["data"]]
        n_params, n_tokens, loss = (
            np.array([float(run[key]) for run in mine]) for key in ("params", "tokens", row["loss_name"])
        )
        theirs = {key: float(row[key]) for key in ("E", "A", "B", "alpha", "beta")}
        kaplan = row["kaplan"] == "True"
        if kaplan:
            names = {"E": "E", "A": "N_c", "B": "D_c", "alpha": "alpha_N", "beta": "alpha_D"}
            theirs = {names[key]: value for key, value in theirs.items()}
        yield Published(
            "kaplan" if kaplan else "chinchilla", row["data"], row["loss_name"], theirs, float(row["loss"]),
            n_params, n_tokens, loss,
        )  # fmt: skip


def fit(published: Published) -> scaling.Fit:
    """Fit the same form, as the book has it, to the same runs."""
    inputs = {"N": published.n_params, "D": published.n_tokens}
    return scaling.fit(published.law, inputs, published.loss, objective="huber(0.001)", bootstrap=0)


def excess(published: Published, result: scaling.Fit) -> float:
    """How far our objective lies above theirs, relative."""
    return result.objective_value / len(published.loss) / published.objective - 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Fit the 276 published laws of arXiv:2411.12925 again.")
    parser.add_argument("--data", type=Path, help="folder of its files; else loss_to_loss in SCALING_REFERENCE_DATA")
    given = parser.parse_args()
    try:
        folder = given.data
        if folder is None:
            if not (root := os.environ.get("SCALING_REFERENCE_DATA")):
                raise InputDataError(
                    "no data: neither --data nor the environment variable SCALING_REFERENCE_DATA is set",
                    hint="Give --data FOLDER, or set the variable to the folder that holds loss_to_loss.",
                )
            folder = Path(root) / "loss_to_loss"
        published = list(read_published(folder))
        start = time.process_time()
        found = np.array([excess(one, fit(one)) for one in published])
        seconds = time.process_time() - start
    except ScalingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{format_plural(len(found), 'fit')} in {format_number(seconds, 3)} CPU seconds")
    print(f"objective above the published one by at most {format_number(found.max(), 3)} (relative)")
    close, lower = int(np.sum(np.abs(found) <= 1e-6)), int(np.sum(found < -1e-3))
    print(f"within 1e-6 of it: {close}; lower by more than 0.1 %: {lower}")
    return 0 if np.all(found <= 1e-5) else 1


if __name__ == "__main__":
    sys.exit(main())
