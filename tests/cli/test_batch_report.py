"""scaling report of fits of batch sizes, their laws, noise scales and tuned laws."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pytest

from tests.batch_sweeps import QUICK, TARGET, curve_lines, text_of, truth
from tests.tuning_logs import best, log_text

Run = Callable[..., Any]
SIZES = (1e8, 2e8, 4e8, 8e8)
NORMS = ("--small", "sq_small", "--big", "sq_big", "--batch-small", 8, "--batch-big", 64)


def norms() -> str:
    """Squared norms of gradients of a run of 400M parameters whose noise scale is 40."""
    random = np.random.default_rng(3)
    lines = ["run_id,N,step,loss,sq_small,sq_big"]
    for step in range(1, 201):
        one, two = ((1 + 40 / b) * np.exp(0.05 * random.standard_normal()) for b in (8, 64))
        lines.append(f"noisy,4e8,{step},3,{one:.9g},{two:.9g}")
    return text_of(lines)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with a fit of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    others = "".join(f'{name} = {{ column = "{name}", kind = "other" }}\n' for name in ("sq_small", "sq_big"))
    for name, text in (
        ("sweep.csv", text_of(curve_lines(sizes=SIZES))), ("norms.csv", norms()),
        ("norms.toml", f'[metrics]\nloss = {{ column = "loss", unit = "nats/token" }}\n{others}'),
        ("tuning.csv", log_text(noise=3e-4)),
    ):  # fmt: skip
        (folder / name).write_text(text, encoding="utf-8")
    swept, tuned = ("--where", "run_id LIKE 'n%-b%'"), ("--where", "batch_seqs IS NOT NULL")
    sequences = ("--batch", "batch_size_seqs", *swept)
    steps = ("--by", "n_params", "--target", TARGET, *QUICK)
    db = folder / "scaling.duckdb"
    for words in (
        ("ingest", folder / "sweep.csv"),
        ("ingest", folder / "norms.csv", "--mapping", folder / "norms.toml", "--metric", "loss"),
        ("ingest", folder / "tuning.csv"),
        ("batch-size", "fit", *steps, "--anchor", 256, *sequences, "--name", "s"),
        ("batch-size", "law", *steps, "--over", "tokens", "--context-length", 512, *sequences, "--name", "law"),
        ("batch-size", "noise-scale", *NORMS, "--batch-unit", "sequences", "--run", "noisy", "--name", "noise"),
        ("tune", "fit", "--batch", "batch_seqs", "--context-length", 2048, *tuned, *QUICK, "--name", "tuned"),
    ):  # fmt: skip
        answer = in_process(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    return Path(copyfile(made, tmp_path / "scaling.duckdb"))


def page_of(text: str) -> tuple[str, dict[str, Any]]:
    """What is seen, and the data for machines."""
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', text, re.S)
    assert found is not None
    seen = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", text, flags=re.DOTALL)
    seen = unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", seen)).replace("\u00a0", " "))
    return seen, json.loads(found[1])


def test_steps_get_a_page_with_every_convention(store: Path, ok: Run) -> None:
    answer = ok("report", "s_400m", "--at", "B=100", "-o", "page.html")
    seen, table = page_of(Path("page.html").read_text(encoding="utf-8"))
    assert (answer.row["fit"], answer.row["verdict"]) == ("s_400m", table["verdict"])
    a, b = truth(4e8)
    anchored, free, ratio = (c["estimate"] for c in table["critical_batches"])
    assert ratio == pytest.approx(b / a, rel=3e-3)
    assert (free, anchored) == pytest.approx((0.2 * ratio, 0.2 * ratio + 1.2 * 256))
    assert "a loss of 3 costs at most 20 % more samples than linear scaling from 256 sequences takes" in seen
    assert "had the learning rate 0.001." in seen
    assert table["kind"] == "steps"
    assert table["backtest"]["law"] == "steps_to_target"
    assert "Back-tested" in seen
    assert "sweep.csv" in seen
    assert "asked100" in seen.replace(" ", "")


def test_a_law_answers_for_the_run_that_is_asked_for(store: Path, ok: Run) -> None:
    ok("report", "law", "--params", "3.2B", "--tokens", "64B", "-o", "page.html")
    seen, table = page_of(Path("page.html").read_text(encoding="utf-8"))
    [said] = table["forecasts"]
    assert said["estimate"] == pytest.approx(1000 * 32**0.5, rel=0.02)
    assert said["fit_estimate"] == pytest.approx(512 * said["estimate"])
    assert said["target"] == {"N": 3.2e9, "D": 64e9}
    assert "b/a, where steps and samples are twice the fewest" in seen
    assert [row["label"] for row in table["points"]] == ["100M", "200M", "400M", "800M"]
    assert "batch of the lowest loss at a given number of tokens" in seen


def test_a_noise_scale_stands_beside_the_critical_batch_of_its_size(store: Path, ok: Run) -> None:
    ok("report", "noise", "-o", "page.html")
    seen, table = page_of(Path("page.html").read_text(encoding="utf-8"))
    assert list(table["critical_batches"]) == ["s_400m"]
    a, b = truth(4e8)
    assert table["noise_scale"]["estimate"] == pytest.approx(40, rel=0.1)
    assert table["calibrations"]["s_400m"]["ratio"] == pytest.approx(b / a / table["noise_scale"]["estimate"], rel=5e-3)
    assert "The noise scale is a proxy" in seen


def test_all_laws_of_a_sweep_have_one_page(store: Path, ok: Run) -> None:
    pages = []
    for name in ("TUNED", "tuned_batch"):
        assert ok("report", name, "--params", "1e9", "--tokens", "1e11", "-o", "page.html").row["fit"] == "tuned"
        seen, table = page_of(Path("page.html").read_text(encoding="utf-8"))
        pages.append(table["recommendations"])
        assert table["fits"] == {"lr": "tuned_lr", "batch": "tuned_batch", "coupled": "tuned_coupled"}
        assert "scaling tune fit" in seen
    lr, batch = best(1e9, 1e11)
    [said] = pages[0]
    assert (said["lr"], said["batch"]) == pytest.approx((lr, batch), rel=0.1)
    assert pages[0] == pages[1]
    assert set(table["regrets"]) == {"fitted", "one_cell_out", "largest_parameters_out", "largest_compute_out"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("s_400m", "--at", "N=1e9"), "The page of steps to a target takes B, and a target names N."),
        (("law", "--at", "N=1e9"), "This law forecasts from the training tokens, which is missing here"),
        (("noise", "--params", "1B", "--tokens", "1B"), "The page of a noise scale takes T, and a target names N."),
        (("tuned", "--at", "D=1e9"), "A recommendation needs parameters and tokens."),
        (("s_400m", "--flops", "1e20"), "has no place for --flops or --score"),
        (("tune", "--at", "D=1e9"), "The store has no fit 'tune'."),
    ],
)
def test_what_a_page_has_no_place_for_is_refused(
    store: Path, refused: Run, words: tuple[str, ...], message: str
) -> None:
    answer = refused(2, "report", *words, "-o", "page.html")
    assert message in answer.err
    assert not Path("page.html").exists()
