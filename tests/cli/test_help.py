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


def walk(group: Any, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Commands and groups below a group, by the words that name them."""
    found = {}
    for name, one in group.commands.items():
        found[(*words, name)] = one
        found |= walk(one, (*words, name)) if hasattr(one, "commands") else {}
    return found


ALL = walk(GROUP)
SUBS = sorted(words for words in ALL if len(words) > 1)
LEAVES = {words: one for words, one in ALL.items() if not hasattr(one, "commands")}
GROUPS = sorted(words for words in ALL if words not in LEAVES)
IDS = [" ".join(words) for words in LEAVES]
PANELS = {
    "Data": {"ingest", "ls", "show", "rm", "formats", "watch", "set", "doctor"},
    "Fit": {"laws", "fit", "fits", "backtest", "profile", "verify"},
    "Decide": {
        "forecast", "allocate", "approaches", "batch-size", "boundary", "compare", "epochs", "plan", "transfer", "tune",
        "value",
    },
    "Report": {"report", "demo"},
    "Store": {"sql", "schema"},
}  # fmt: skip
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


@pytest.mark.parametrize(
    "words", [(), *((name,) for name in COMMANDS), *SUBS], ids=lambda words: " ".join(words) or "scaling"
)
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


@pytest.mark.parametrize("words", LEAVES, ids=IDS)
class TestEveryCommand:
    def test_says_what_it_does(self, words: tuple[str, ...]) -> None:
        text = LEAVES[words].help
        assert text
        assert text.split("\n")[0].endswith(".")

    def test_has_an_example_that_names_it(self, words: tuple[str, ...]) -> None:
        epilog = LEAVES[words].epilog
        assert epilog.startswith(("Example: scaling ", "Examples: scaling "))
        assert f"scaling {' '.join(words)}" in epilog

    def test_explains_every_option(self, words: tuple[str, ...]) -> None:
        for param in LEAVES[words].params:
            assert getattr(param, "help", None), f"{' '.join(words)} {param.name}"

    def test_short_help(self, words: tuple[str, ...], ok: Any) -> None:
        assert ok(*words, "-h").out == ok(*words, "--help").out

    def test_has_the_common_options(self, words: tuple[str, ...]) -> None:
        options = {option for param in LEAVES[words].params for option in param.opts}
        without = {("tune", "published"), ("value", "objectives")}  # those and two more need no store
        if words[0] not in ("laws", "demo", "formats") and words not in without:
            assert "--db" in options
        if words[0] != "demo":
            assert "--format" in options


@pytest.mark.parametrize("words", [*LEAVES, *GROUPS], ids=[*IDS, *(" ".join(words) for words in GROUPS)])
def test_examples_are_right(words: tuple[str, ...]) -> None:
    """Every example has options that exist and the arguments that are needed."""
    import shlex

    for example in ALL[words].epilog.partition(": ")[2].split(";  "):
        called, *rest = shlex.split(example)
        assert called == "scaling"
        named = next(tuple(rest[:n]) for n in (3, 2, 1) if tuple(rest[:n]) in LEAVES)
        context = LEAVES[named].make_context(named[-1], rest[len(named) :])  # raises for a wrong word
        assert context.params


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_says_what_it_is_for(words: tuple[str, ...], run: Any) -> None:
    assert ALL[words].help.endswith(".")
    answer = run(*words)
    assert f"Usage: scaling {' '.join(words)}" in answer.out + answer.err


def test_no_command_shows_the_help(run: Any) -> None:
    answer = run()
    assert "Usage: scaling" in answer.out + answer.err
    assert "scaling demo" in answer.out + answer.err
