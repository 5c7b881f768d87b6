"""Sets, valuations, subsets and appraisals: listed, shown and removed by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.appraisals import save_appraisal
from db.example_sets import ingest_examples
from db.store import Store
from db.subsets import save_subset
from db.valuations import ValuationDef, begin_valuation, save_valuation


@pytest.fixture
def valued(tmp_path: Path) -> Path:
    """A store with one of each, and a valuation that is half done."""
    path = tmp_path / "v.duckdb"
    (tmp_path / "a.csv").write_text("id,label,loss\na,x,1\nb,y,nan\nc,x,3\nd,x,4\n")
    np.save(tmp_path / "x.npy", np.eye(4))
    with Store(path) as store:
        ingest_examples(store, tmp_path / "a.csv", "data", losses={"prior": "loss"}, embeddings=tmp_path / "x.npy")
        save_valuation(
            store, ValuationDef("worth", "examples", "knn_shapley", 4, set_name="data"), [1, -2, 0.5, np.nan]
        )
        half = ValuationDef("half", "examples", "color_filter", 4, command="scaling value points data")
        begin_valuation(store, half, shards=[(0, 2), (2, 2)]).append(1, [1, 2])
        save_subset(store, "best", [2, 0], objective="vendi", method="lazy", set_name="data", gains=[1, 0.5])
        row = {"subset_name": "best", "objective": "vendi", "is_random": False, "score": 2.0, "performance": 0.9}
        save_appraisal(store, "held", [row], performance_metric="accuracy")
    return path


def test_lists(valued: Path, ok: Any) -> None:
    row = ok("ls", "--what", "examples", "--db", valued).row
    assert (row["set_name"], row["n_examples"], row["n_dims"], row["n_labels"], row["n_roles"]) == ("data", 4, 4, 2, 1)
    rows = ok("ls", "--what", "valuations", "--db", valued).rows
    assert [(row["valuation_name"], row["shards"], row["complete"]) for row in rows] == [
        ("worth", "1/1", True),
        ("half", "1/2", False),
    ]
    assert ok("ls", "--what", "subsets", "--db", valued).row["size"] == 2
    assert ok("ls", "--what", "appraisals", "--db", valued).row["objectives"] == "vendi"


def test_show(valued: Path, ok: Any, refused: Any) -> None:
    row = ok("show", "data", "--db", valued).row
    assert (row["kind"], row["n_labels"], row["made_of_it"]) == ("set", 2, ["best", "worth"])
    assert row["losses"] == [{"role": "prior", "n_steps": 0, "n": 4, "n_not_ok": 1}]
    row = ok("show", "worth", "--db", valued).row
    assert (row["kind"], row["method"], row["n_finite"], row["max"]) == ("valuation", "knn_shapley", 3, 1)
    assert [(x["item"], x["value"], x["label"]) for x in row["lowest"]] == [
        ("b", -2, "y"),
        ("c", 0.5, "x"),
        ("a", 1, "x"),
    ]
    row = ok("show", "half", "--db", valued).row
    assert (row["complete"], row["n_shards_done"], row["n_shards"]) == (False, 1, 2)
    row = ok("show", "best", "--db", valued).row
    assert [(x["example_id"], x["gain"]) for x in row["first"]] == [("c", 1), ("a", 0.5)]
    assert ok("show", "held", "--db", valued).row["n_subsets"] == 1
    text = ok("show", "worth", "--db", valued, "--format", "table").out
    assert "highest 1" in text
    assert "item a, value 1" in text
    err = refused(2, "show", "wort", "--db", valued).err
    assert "no run and no fit 'wort', nor a set, valuation, subset or appraisal" in err
    assert "Did you mean 'worth'?" in err


def test_rm(valued: Path, ok: Any, refused: Any) -> None:
    assert "known by position only from now on: best, worth." in ok("rm", "set", "data", "--db", valued).err
    assert "Removed the valuation worth of 4 values." in ok("rm", "valuation", "worth", "--db", valued).err
    assert "Removed the subset best of 2 examples." in ok("rm", "subset", "best", "--db", valued).err
    assert "Removed the appraisal held of 1 row." in ok("rm", "appraisal", "held", "--db", valued).err
    assert "no subset 'best'" in refused(2, "rm", "subset", "best", "--db", valued).err
    assert "Did you mean 'subset'" in refused(2, "rm", "subsets", "best", "--db", valued).err
    rows = ok("ls", "--what", "valuations", "--db", valued).rows
    assert [row["valuation_name"] for row in rows] == ["half"]


def test_the_schema_lists_them(valued: Path, ok: Any) -> None:
    rows = ok("schema", "ranked_examples", "--db", valued).rows
    assert [row["column_name"] for row in rows][:4] == ["valuation_name", "rank", "item", "value"]
    assert all(row["comment"] for row in rows)
