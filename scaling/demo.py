"""The demonstration: simulated run logs with a known truth, and the commands that answer with them.

Nothing is written here: the command line writes the files and runs the steps.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from scaling import simulate
from scaling.formatting import format_count, format_number, format_percent

FILES = ("runs.csv", "mapping.toml")
STORE_NAME = "scaling.duckdb"
NOISE = 0.003  # relative scatter of the logged losses
FIT = "demo_prose"

MAPPING_TEXT = """\
# Which column of runs.csv is what. Most of it would be guessed from the names; the unit of the loss cannot be.
[columns]
run_id   = "run_id"
corpus   = "corpus"
step     = "step"
n_params = "n_params"
n_tokens = "n_tokens"

[metrics]
loss = { column = "loss", unit = "squared error" }
"""


@dataclass(frozen=True)
class Demo:
    """What the demonstration needs.

    Parameters
    ----------
    log_text, mapping_text : str
        Contents of the two files.
    steps : list of (str, list of str)
        What each step is for, and the words of its command.
    introduction, conclusion : str
        What to say before and after.
    truth : dict of str to float
        Parameters of the Chinchilla law behind the corpus that is forecast.
    target : dict of str to float
        Inputs N and D of the run that is forecast.
    outcome : float
        The loss that it really has.
    """

    log_text: str
    mapping_text: str
    steps: list[tuple[str, list[str]]]
    introduction: str
    conclusion: str
    truth: dict[str, float]
    target: dict[str, float]
    outcome: float


def make_demo(seed: int = 0) -> Demo:
    """Simulate the logs and write the script.

    Parameters
    ----------
    seed : int, default 0
        Of the scatter of the losses.

    Returns
    -------
    Demo
    """
    corpora = (simulate.PROSE, simulate.CODE)
    runs = simulate.simulate_sweep(corpora, diverged=True)
    rows = [row | {"simulated": True} for row in simulate.run_logs(runs, seed=seed, noise=NOISE)]
    [held_out] = simulate.simulate_sweep([simulate.PROSE], [simulate.TARGET_SIZE], [simulate.TARGET_BUDGET])
    n_params, n_tokens = float(simulate.TARGET_SIZE), float(simulate.TARGET_BUDGET)
    target = ["--params", f"{n_params:.0f}", "--tokens", f"{n_tokens:.0f}"]
    flop = 6 * n_params * n_tokens
    residual = f"SELECT run_id, loss - {FIT}(n_params, n_tokens) AS residual FROM runs_final " + (
        "WHERE corpus = 'prose' AND loss_status = 'ok' ORDER BY abs(residual) DESC LIMIT 3"
    )
    steps = [
        ("Read the logs into a store: 2 corpora, one row a logged step.", ["ingest", FILES[0], "--mapping", FILES[1]]),
        (
            "Fit the Chinchilla law to each corpus.",
            ["fit", "chinchilla", "--by", "corpus", "--name", "demo", "--replace"],
        ),
        (
            f"Forecast a prose run that is not in the logs: {format_count(n_params)} parameters, "
            f"{format_count(n_tokens)} tokens, 16 times the largest compute.",
            ["forecast", FIT, *target],
        ),
        ("Split that compute between parameters and tokens.", ["allocate", FIT, "--flops", f"{flop:.6g}"]),
        ("Every saved fit is a SQL macro: the runs that fit worst.", ["sql", residual]),
        ("Write the report.", ["report", FIT, *target, "-o", "report.html"]),
    ]
    truth = simulate.known_law(simulate.PROSE)
    outcome = float(held_out.trajectory.loss[-1])
    return Demo(
        log_text=_csv(rows),
        mapping_text=MAPPING_TEXT,
        steps=steps,
        introduction=(
            "These run logs are simulated: no model was trained. They are mini-batch SGD on linear regression, whose "
            f"expected loss is known exactly, with a scatter of {format_percent(NOISE)}. "
            f"{len(runs)} runs, {len(rows)} rows, seed {seed}."
        ),
        conclusion=(
            "What the simulator knows: the law behind the prose corpus has "
            + ", ".join(f"{name} = {format_number(value)}" for name, value in truth.items())
            + f". The run that was forecast ends at a loss of {format_number(outcome)}."
        ),
        truth=truth,
        target={"N": n_params, "D": n_tokens},
        outcome=outcome,
    )


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
