"""The wheel: what is in it, and that it works where the repository is not."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from scaling.laws.book import family_names

ROOT = Path(__file__).resolve().parents[2]
DATA_FILES = {
    "scaling/py.typed",
    *(f"scaling/laws/{family}.toml" for family in family_names()),
    "db/schema.sql",
    "db/views.sql",
    "reports/theme.css",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel in it; the libraries it needs are lent by this one."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    site = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    # A folder named in a .pth file is searched, but the .pth files in it are not read: our own checkout stays
    # invisible.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home


def outside(installed, *words):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SCALING"))}
    return subprocess.run(words, cwd=installed, env=env, capture_output=True, text=True, check=False)


def test_the_top_level_is_exactly_ours(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {n.split("/")[0] for n in names} == {"scaling", "db", "reports", "cli.py", "scaling_suite-0.1.0.dist-info"}
    assert set(names) >= DATA_FILES
    assert any(n.startswith("reports/templates/") for n in names)
    assert not [n for n in names if n.startswith("tests/") or "/test_" in n or n.endswith(".duckdb")]


def test_the_console_script_runs_outside_the_repository(installed):
    script = installed / "bin" / "scaling"
    done = outside(installed, script, "laws", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "chinchilla" in [row["law"] for row in json.loads(done.stdout)]
    where = outside(installed, installed / "bin" / "python", "-c", "import cli; print(cli.__file__)")
    assert str(installed) in where.stdout


@pytest.mark.slow
def test_the_main_job_runs_from_the_wheel(installed, tmp_path):
    done = outside(installed, installed / "bin" / "scaling", "demo", "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 20_000


@pytest.mark.parametrize("name", ["db", "reports"])
def test_a_package_that_shadows_ours_is_named(installed, tmp_path, name):
    (tmp_path / f"{name}.py").write_text("", encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {name}; import cli; cli.main()"
    done = outside(installed, installed / "bin" / "python", "-c", code)
    assert done.returncode == 3
    assert f"Another package named '{name}' shadows ours: {tmp_path / name}.py" in done.stderr
    assert "environment of its own" in done.stderr
