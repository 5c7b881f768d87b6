"""Kept columns wait in a file, in the order in which the parts of a table came, and are given in that of the table."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db import bulk_extra
from db.bulk_extra import KeptTexts, kept_texts


def test_order_and_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kept"
    file.touch()
    monkeypatch.setattr(bulk_extra, "temporary_file", lambda purpose: file)
    runs: list[dict[str, Any]] = [{"lr": 0.1, "note": "\u00e9"}, {}, {"lr": None}, {"note": "x" * 100}, {"lr": 3}]
    kept = KeptTexts()
    kept.append([json.dumps(run) for run in runs[:2]])
    kept.append([])
    kept.append([json.dumps(run) for run in runs[2:]])
    kept.finish(np.array([3, 0, 1, 2, 4]))
    assert list(kept) == [runs[3], runs[0], runs[1], runs[2], runs[4]]
    assert (len(kept), kept[-1]) == (5, runs[4])
    assert kept[1:3] == [runs[0], runs[1]]
    assert kept_texts(kept, 1, 4) == ['{"lr": 0.1, "note": "\\u00e9"}', "{}", '{"lr": null}']
    assert kept_texts(kept, 0, 2) == kept_texts([runs[3], runs[0]], 0, 2)
    assert kept_texts(kept, 2, 2) == []
    assert file.exists()
    del kept
    gc.collect()
    assert not file.exists()
