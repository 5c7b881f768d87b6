"""Reports on made-up runs whose law is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import scaling
from reports import Alternative, Answers, RefusedRow, ReportInput, Source, Target, answer, render_report

Build = Callable[..., ReportInput]


def build(law: str, inputs: dict[str, Any], observed: Any, bootstrap: int = 50, **fit_settings: Any) -> ReportInput:
    fit = scaling.fit(law, inputs, observed, bootstrap=bootstrap, **fit_settings)
    run_ids = tuple(f"run-{i:03d}" for i in range(len(observed)))
    return ReportInput(name="trial", fit=fit, inputs=inputs, observed=observed, run_ids=run_ids)


def runs(n: int, seed: int = 0) -> tuple[dict[str, Any], Any]:
    """Draw runs of a Chinchilla law with 1 % of scatter."""
    rng = np.random.default_rng(seed)
    n_params, n_tokens = 10 ** rng.uniform(7.5, 10, n), 10 ** rng.uniform(9, 11.5, n)
    loss = (1.8 + 480 / n_params**0.35 + 2000 / n_tokens**0.37) * np.exp(rng.normal(0, 0.01, n))
    return {"N": n_params, "D": n_tokens}, loss


@pytest.fixture(scope="session")
def data() -> ReportInput:
    inputs, loss = runs(240)
    page = build("chinchilla", inputs, loss, bootstrap=100)
    return replace(
        page,
        targets=(Target("next model", {"N": 70e9, "D": 1.4e12}),),
        alternatives=(
            Alternative("squared", scaling.fit("chinchilla", inputs, loss, objective="squared", bootstrap=0)),
            Alternative("kaplan", scaling.fit("kaplan", inputs, loss, bootstrap=0)),
            Alternative("odd", None, "it was refused"),
        ),
        refused=(RefusedRow("runs.csv", 17, "loss is negative"),),
        excluded_counts={"not selected by --where": 5},
        sources=(Source("runs.csv", "ab" * 32, 246, "2026-01-02 03:04 UTC"),),
        command="scaling fit chinchilla --name trial",
        sql="SELECT * FROM runs_final WHERE loss < 9 AND n_params > 1",
        data_sha256="cd" * 32,
        versions={"scaling-suite": "0.1.0"},
        store="scaling.duckdb",
        created_at="2026-01-02 03:05 UTC",
        level=0.9,
    )


@pytest.fixture(scope="session")
def answers(data: ReportInput) -> Answers:
    return answer(data)


@pytest.fixture(scope="session")
def page(data: ReportInput) -> str:
    return render_report(data)


@pytest.fixture(scope="session")
def unidentified() -> ReportInput:
    inputs, loss = runs(8)
    return replace(build("chinchilla", inputs, loss, bootstrap=20), targets=(Target("big", {"N": 1e11, "D": 1e12}),))


@pytest.fixture(scope="session")
def make() -> Build:
    return build


@pytest.fixture(scope="session")
def make_runs() -> Callable[..., tuple[dict[str, Any], Any]]:
    return runs
