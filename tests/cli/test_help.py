"""The help: instant, complete, and in five panels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import app

HEAVY = {"numpy", "pandas", "scipy", "duckdb", "matplotlib", "statsmodels", "sympy", "jinja2"}
GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
PANELS = {
    "Data": {"ingest", "ls", "show", "rm"},
    "Fit": {"laws", "fit", "fits", "backtest", "profile", "verify"},
    "Decide": {"forecast", "allocate", "approaches", "compare", "epochs", "plan"},
    "Report": {"report", "demo"},
    "Store": {"sql", "schema"},
}
PROBE = """
import sys
sys.argv = ["scaling", *sys.argv[1:]]
from cli import main
try:
    main()
except SystemExit as end:
    code = end.code or 0
names = {name.partition(".")[0] for name in sys.modules}
print("\\n" + " ".join(sorted(names)), file=sys.stderr)
sys.exit(code)
"""


def loaded(*words: str) -> tuple[set[str], str]:
    """Run the command line in a fresh process; give the packages it imported, and its standard output."""
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=True, cwd=root, timeout=60
    )
    return set(answer.stderr.split("\n")[-2].split()), answer.stdout


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS)], ids=lambda words: " ".join(words) or "scaling")
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    modules, out = loaded(*words, "--help")
    assert modules & HEAVY == set()
    assert {"typer", "cli"} <= modules
    assert "Usage:" in out


def test_the_probe_sees_what_a_command_imports() -> None:
    modules, _ = loaded("laws")
    assert "sympy" in modules


def test_the_panels_are_the_five() -> None:
    found: dict[str, set[str]] = {}
    for name, command in GROUP.commands.items():
        found.setdefault(command.rich_help_panel, set()).add(name)
    assert found == PANELS


@pytest.mark.parametrize("name", COMMANDS)
class TestEveryCommand:
    def test_says_what_it_does(self, name: str) -> None:
        text = GROUP.commands[name].help
        assert text
        assert text.split("\n")[0].endswith(".")

    def test_has_an_example_that_names_it(self, name: str) -> None:
        epilog = GROUP.commands[name].epilog
        assert epilog.startswith(("Example: scaling ", "Examples: scaling "))
        assert f"scaling {name}" in epilog

    def test_explains_every_option(self, name: str) -> None:
        for param in GROUP.commands[name].params:
            assert getattr(param, "help", None), f"{name} {param.name}"

    def test_short_help(self, name: str, ok: Any) -> None:
        assert ok(name, "-h").out == ok(name, "--help").out

    def test_has_the_common_options(self, name: str) -> None:
        options = {option for param in GROUP.commands[name].params for option in param.opts}
        if name not in ("laws", "demo"):
            assert "--db" in options
        if name != "demo":
            assert "--format" in options


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_right(name: str, ok: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example has options that exist and the arguments that are needed."""
    import shlex

    examples = GROUP.commands[name].epilog.partition(": ")[2].split(";  ")
    for example in examples:
        words = shlex.split(example)
        assert words[0] == "scaling"
        command = GROUP.commands[words[1]]
        context = command.make_context(words[1], words[2:])  # raises for a wrong word
        assert context.params


def test_no_command_shows_the_help(run: Any) -> None:
    answer = run()
    assert "Usage: scaling" in answer.out + answer.err
    assert "scaling demo" in answer.out + answer.err
