"""The documentation is held to the code: the command reference, the doctests, the names that the docs speak of."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from db.readers.table_of_formats import table_of_formats

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({ROOT / "README.md", *(ROOT / "docs").glob("*.md")} - {ROOT / "docs" / "cli.md"})
MODULES = [
    "scaling.arguments",
    "scaling.allocation.data_constrained",
    "scaling.batch_size.conventions",
    "scaling.batch_size.law",
    "scaling.batch_size.noise",
    "scaling.batch_size.published",
    "scaling.batch_size.steps",
    "scaling.batch_size.units",
    "scaling.batch_size.planner.cluster",
    "scaling.batch_size.planner.identities",
    "scaling.batch_size.planner.sizes",
    "scaling.boundary.design.choose",
    "scaling.boundary.drift.dates",
    "scaling.boundary.drift.entrance",
    "scaling.boundary.drift.law",
    "scaling.boundary.estimate",
    "scaling.boundary.evaluation.periods",
    "scaling.boundary.observational.composed",
    "scaling.boundary.shift.matching",
    "scaling.boundary.shift.proportions",
    "scaling.fitting.fit",
    "scaling.fitting.holdout",
    "scaling.formatting",
    "scaling.hyperparameters.decay",
    "scaling.hyperparameters.recommendation",
    "scaling.hyperparameters.rules",
    "scaling.laws.book",
    "scaling.loss_to_loss.accuracy.fit",
    "scaling.loss_to_loss.accuracy.laws",
    "scaling.loss_to_loss.matching",
    "scaling.loss_to_loss.translation.translate",
    "scaling.loss_to_loss.pairs",
    "scaling.loss_to_loss.maps",
    "scaling.loss_to_loss.ranking.result",
    "scaling.loss_to_loss.sensitivity",
    "scaling.laws.formula",
    "scaling.parameter_counts",
    "scaling.allocation.repetition",
    "scaling.serial",
    "scaling.valuation.choosing.entrance",
    "scaling.valuation.collection.allocation",
    "scaling.valuation.collection.curves",
    "scaling.valuation.equivalence.score_curve",
    "scaling.valuation.equivalence.pools",
    "scaling.valuation.equivalence.repetition",
    "scaling.valuation.points.losses",
    "scaling.valuation.points.nearest",
    "scaling.valuation.spectral.diversity",
    "scaling.valuation.spectral.orders",
    "scaling.valuation.spectral.phi",
    "scaling.valuation.spectral.secular",
]


def test_the_command_reference_is_what_the_code_says(tmp_path):
    out = tmp_path / "cli.md"
    command = [sys.executable, "-m", "typer", "cli.py", "utils", "docs", "--name", "scaling"]
    subprocess.run(
        [*command, "--title", "Command reference", "--output", str(out)], cwd=ROOT, check=True, capture_output=True
    )
    assert out.read_text(encoding="utf-8") == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), "run: make docs"


def test_the_table_of_formats_is_what_the_formats_say():
    assert (ROOT / "docs" / "formats.md").read_text(encoding="utf-8") == table_of_formats(), "run: make docs"


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0


def test_every_module_with_an_example_is_in_the_list():
    found = set()
    for file in (ROOT / "scaling").rglob("*.py"):
        if ">>> " in file.read_text(encoding="utf-8"):
            found.add(".".join(file.relative_to(ROOT).with_suffix("").parts))
    assert found == set(MODULES)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_and_option_on_a_page_exists(page):
    import typer.main

    import cli

    commands = typer.main.get_command(cli.app).commands
    for line in re.findall(r"^(?:\$ )?scaling (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        words = line.split("#")[0].split()
        assert words[0] in commands, line
        command, place = commands[words[0]], 1
        while hasattr(command, "commands"):
            assert words[place] in command.commands, line
            command, place = command.commands[words[place]], place + 1
        known = {o for p in command.params for o in p.opts} | {"--help", "-h"}
        assert {w for w in words if w.startswith("-") and len(w) > 1 and not w[1].isdigit()} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_on_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
