"""Correct digits on the certified problems of NIST StRD, non-linear regression: `python benchmarks/nist.py`.

Every set with one predictor, from both certified starts, through the public `scaling.fit` with the formula that its
file gives. Prints the worse of both starts as a table in Markdown.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

import scaling
from scaling.errors import InputDataError, ScalingError
from scaling.formatting import format_number

Array = NDArray[np.float64]

CERTIFIED = 11  # digits that NIST prints
TWO_PREDICTORS = ("Nelson",)


@dataclass(frozen=True)
class Problem:
    """One file of the collection.

    Parameters
    ----------
    name : str
        Of the set.
    formula : str
        Of the model, as `scaling.fit` reads it.
    starts : tuple of dict of str to float
        Both certified starts.
    certified, errors : dict of str to float
        Parameters and their standard deviations.
    rss : float
        Residual sum of squares.
    y, x : ndarray (n,)
        The data.
    """

    name: str
    formula: str
    starts: tuple[dict[str, float], dict[str, float]]
    certified: dict[str, float]
    errors: dict[str, float]
    rss: float
    y: Array
    x: Array


@dataclass(frozen=True)
class Digits:
    """How many digits are correct: the fewest over the parameters."""

    parameters: float
    errors: float
    rss: float


def read_problem(path: Path) -> Problem:
    """Read a file of the collection."""
    lines = path.read_text(encoding="latin-1").splitlines()
    text = "\n".join(lines)
    if not (span := re.search(r"Data\s*\(lines\s+(\d+)\s+to\s+(\d+)\)", text)):
        raise InputDataError(f"{path.name} does not say where its data stand")
    model = re.search(r"^\s*y\s*=(.*?)\+\s*e\s*$", text, flags=re.MULTILINE | re.DOTALL)
    rss = re.search(r"Residual Sum of Squares:\s+(\S+)", text)
    rows = re.findall(r"^\s*(b\d+)\s*=\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$", text, flags=re.MULTILINE)
    if not (model and rss and rows):
        raise InputDataError(f"{path.name} has no model of one predictor or no certified values")
    values = {name: [float(v) for v in rest] for name, *rest in rows}
    first, second, certified, errors = ({k: v[i] for k, v in values.items()} for i in range(4))
    start, stop = (int(v) for v in span.groups())
    table = np.array([[float(v) for v in line.split()] for line in lines[start - 1 : stop]])
    formula = " ".join(model[1].split()).replace("[", "(").replace("]", ")")
    return Problem(
        path.stem, formula, (first, second), certified, errors, float(rss[1]), table[:, 0].copy(), table[:, 1].copy()
    )


def read_problems(folder: Path) -> list[Problem]:
    """Read every set of the folder that has one predictor, in the order of their names."""
    files = sorted(path for path in folder.glob("*.dat") if path.stem not in TWO_PREDICTORS)
    if not files:
        raise InputDataError(f"there are no .dat files in {folder}")
    return [read_problem(path) for path in files]


def fit(problem: Problem, start: int) -> scaling.Fit:
    """Fit a set from one of its starts."""
    return scaling.fit(
        problem.formula, {"x": problem.x}, problem.y, objective="squared", residual="linear",
        start=problem.starts[start], bootstrap=0,
    )  # fmt: skip


def score(problem: Problem, result: scaling.Fit) -> Digits:
    """Compare a fit with the certified values."""
    names = list(problem.certified)
    return Digits(
        min(digits(result.estimates[n], problem.certified[n]) for n in names),
        min(digits(result.standard_errors[n], problem.errors[n]) for n in names),
        digits(result.objective_value, problem.rss),
    )


def digits(found: float, certified: float) -> float:
    """Minus the decimal logarithm of the relative error, between 0 and the digits that are certified."""
    if not math.isfinite(found):
        return 0.0
    error = abs(found - certified) / abs(certified)
    return float(np.clip(-math.log10(error) if error > 0 else CERTIFIED, 0, CERTIFIED))


def worst(problem: Problem) -> Digits:
    """Fewest digits over both starts."""
    both = [score(problem, fit(problem, start)) for start in (0, 1)]
    return Digits(*(min(getattr(d, key) for d in both) for key in ("parameters", "errors", "rss")))


def table(results: Iterable[tuple[Problem, Digits]]) -> str:
    """Markdown."""
    lines = [
        "| set | rows | parameters | digits, parameters | digits, standard errors | digits, RSS |",
        "|---" * 6 + "|",
    ]
    for problem, found in results:
        shown = (format_number(v, 3) for v in (found.parameters, found.errors, found.rss))
        lines.append(f"| {problem.name} | {len(problem.y)} | {len(problem.certified)} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Correct digits on the certified non-linear problems of NIST StRD.")
    parser.add_argument("--data", type=Path, help="folder of .dat files; else nist_strd in SCALING_REFERENCE_DATA")
    given = parser.parse_args()
    try:
        folder = given.data
        if folder is None:
            if not (root := os.environ.get("SCALING_REFERENCE_DATA")):
                raise InputDataError(
                    "no data: neither --data nor the environment variable SCALING_REFERENCE_DATA is set",
                    hint="Give --data FOLDER, or set the variable to the folder that holds nist_strd.",
                )
            folder = Path(root) / "nist_strd"
        print(table([(problem, worst(problem)) for problem in read_problems(folder)]))
    except ScalingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
