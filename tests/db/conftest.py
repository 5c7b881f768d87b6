"""Small logs to try the store on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from db.store import Store

WIDE = """\
run_id,N,D,C,loss,excluded,lr,tag
a,1e8,2e9,1.2e18,3.5,true,0.001,x
b,2e8,4e9,4.8e18,3.1,false,0.002,y
c,4e8,8e9,1.92e19,2.8,false,0.002,
"""

LONG = """\
run,step,tokens,params_M,loss,val_loss,lr
r1,0,0,10,10.8,,0.1
r1,100,1e8,10,4.1,4.3,0.2
r1,200,2e8,10,3.9,,0.1
r2,0,0,20,10.9,,0.1
r2,100,1e8,20,3.8,4.0,0.2
r2,200,2e8,20,nan,,0.1
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a text into a file of the test's own directory."""

    def _write(text: str, name: str = "runs.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return _write


@pytest.fixture
def wide(write: Callable[..., Path]) -> Path:
    """A log with one row a run."""
    return write(WIDE, "wide.csv")


@pytest.fixture
def long(write: Callable[..., Path]) -> Path:
    """A log with one row a step, of which one run diverges."""
    return write(LONG, "long.csv")


@pytest.fixture
def store(new_store: Store) -> Store:
    """A store that vanishes after the test."""
    return new_store
