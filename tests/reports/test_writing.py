"""Writing the file: whole or not at all, the same bytes every time, and light to import."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reports.page
from reports import ReportInput, render_report, write_report
from scaling.errors import StoreError, UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def small(make) -> ReportInput:
    x = np.geomspace(1, 1e3, 20)
    return make("power", {"x": x}, 3 / x**0.2 * np.exp(np.random.default_rng(0).normal(0, 0.01, 20)), bootstrap=0)


def test_the_file_holds_the_page(small, tmp_path):
    path = write_report(small, tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == render_report(small)
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_report_is_replaced(small, tmp_path):
    old = tmp_path / "report.html"
    old.write_text("old")
    write_report(small, str(old))
    assert old.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_link_stays_a_link(small, tmp_path):
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "link.html").symlink_to("real.html")
    write_report(small, tmp_path / "link.html")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_directory_is_refused(small, tmp_path):
    with pytest.raises(UsageError, match="is a directory") as caught:
        write_report(small, tmp_path)
    assert str(tmp_path / "report.html") in caught.value.hint


def test_a_device_is_refused(small):
    with pytest.raises(UsageError, match="device"):
        write_report(small, "/dev/null")


@pytest.mark.parametrize("place", ["missing/report.html", "file/report.html"])
def test_a_folder_that_is_none_is_refused(small, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="there is no folder"):
        write_report(small, tmp_path / place)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "Permission denied"), (errno.EIO, "error")]
)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_everything_as_it_was(small, tmp_path, monkeypatch, step, number, words):
    old = tmp_path / "report.html"
    old.write_text("old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(reports.page.os, step, fail)
    with pytest.raises(StoreError, match=words) as caught:
        write_report(small, old)
    assert caught.value.exit_code == 3
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_name_that_the_system_refuses_is_explained(small, tmp_path):
    with pytest.raises(StoreError, match="was not written: File name too long"):
        write_report(small, tmp_path / ("x" * 250 + ".html"))
    assert list(tmp_path.iterdir()) == []


_RENDER = """
import hashlib, sys
import numpy as np
import scaling
from dataclasses import replace
from reports import Alternative, ReportInput, render_report
rng = np.random.default_rng(0)
n, d = 10 ** rng.uniform(7.5, 10, 40), 10 ** rng.uniform(9, 11.5, 40)
loss = (1.8 + 480 / n**0.35 + 2000 / d**0.37) * np.exp(rng.normal(0, 0.01, 40))
fit = scaling.fit("chinchilla", {"N": n, "D": d}, loss, bootstrap=20)
fit = replace(fit, backtest=scaling.backtest_law(fit, {"N": n, "D": d}, loss, bootstrap=20))
other = scaling.fit("chinchilla", {"N": n, "D": d}, loss, objective="lad", bootstrap=0)
ids = tuple(map(str, range(40)))
page = ReportInput("x", fit, {"N": n, "D": d}, loss, ids, alternatives=(Alternative("lad", other),))
first, second = render_report(page), render_report(page)
assert first == second
assert "matplotlib.pyplot" not in sys.modules  # it would choose a backend, and maybe ask for a display
print(hashlib.sha256(first.encode()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path):
    # The second process meets another hash seed and a user's own matplotlib settings.
    (tmp_path / "matplotlibrc").write_text(
        "axes.facecolor: red\nfont.size: 20\nsvg.fonttype: path\ntext.usetex: True\n"
    )
    digests = []
    for seed, settings in (("1", {}), ("77", {"MATPLOTLIBRC": str(tmp_path)})):
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)} | settings
        done = subprocess.run(
            [sys.executable, "-c", _RENDER], env=env, capture_output=True, text=True, check=True, cwd=tmp_path
        )
        digests.append(done.stdout.strip())
    assert digests[0] == digests[1]
    assert len(digests[0]) == 64


def test_importing_reports_imports_nothing_heavy():
    code = "import sys, reports; print(*sys.modules)"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "reports" in loaded
    assert not loaded & {"numpy", "matplotlib", "jinja2", "scipy", "pandas", "duckdb", "sympy", "scaling"}


def test_rendering_does_not_touch_the_users_settings(small):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render_report(small)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": {"z": np.ones(20)}}, "has the inputs x, but the report was given z"),
        ({"inputs": {"x": np.ones(19)}}, r"shape \(19,\), but the fit has 20 rows"),
        ({"run_ids": ("a",)}, "there are 1 run ids"),
        ({"level": 90.0}, "a level lies between 0 and 1, not at 90"),
    ],
)
def test_input_that_does_not_match_the_fit_is_refused(small, change, words):
    from dataclasses import replace

    with pytest.raises(UsageError, match=words):
        replace(small, **change)


def test_a_target_without_an_input_is_refused(small):
    from dataclasses import replace

    from reports import Target

    with pytest.raises(UsageError, match="the target 'big' gives N"):
        replace(small, targets=(Target("big", {"N": 1e9}),))
