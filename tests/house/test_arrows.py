"""The arrows of the design: scaling <- db, scaling <- reports, all three <- cli; and nothing heavy before it is
needed.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("numpy", "pandas", "scipy", "duckdb", "matplotlib", "statsmodels", "sympy", "jinja2")
FORBIDDEN = {
    "scaling": {"db", "reports", "cli", "duckdb", "matplotlib", "jinja2", "typer", "rich"},
    "db": {"reports", "cli", "matplotlib", "jinja2", "typer", "rich"},
    "reports": {"db", "cli", "duckdb", "typer", "rich"},
}


def imported(path: Path) -> set[str]:
    """Top-level packages that a module imports anywhere, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("import_module", "__import__"):
            names |= {str(a.value).split(".")[0] for a in node.args if isinstance(a, ast.Constant)}
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_package_imports_against_the_arrows(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    offenders = {str(f.relative_to(ROOT)): sorted(imported(f) & FORBIDDEN[package]) for f in files}
    assert {k: v for k, v in offenders.items() if v} == {}


def test_the_check_sees_an_import_inside_a_function(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("def f():\n    from db.store import Store\n    import duckdb as d\n", encoding="utf-8")
    assert imported(module) == {"db", "duckdb"}


@pytest.mark.parametrize("package", ["scaling", "db", "reports", "cli"])
def test_importing_a_package_imports_nothing_heavy(package):
    code = f"import {package}, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["scaling", "db", "reports"])
def test_every_public_name_of_a_package_is_there(package):
    code = f"import {package}\nfor name in {package}.__all__: assert getattr({package}, name) is not None, name"
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)
