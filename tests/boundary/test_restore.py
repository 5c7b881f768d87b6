"""A boundary put together again from the fit that was saved of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import scaling
from scaling.boundary.data import read_scores
from scaling.boundary.estimate import restore
from scaling.errors import InputDataError
from scaling.results import Fit


def test_it_answers_as_it_did(models: Any) -> None:
    z, y, base = models
    made = scaling.boundary.fit(z, y, tau=0.9, groups=base, bootstrap=30, seed=4)
    fit = Fit.from_dict(json.loads(made.fit.to_json()))
    again = restore(fit, read_scores(z, y, base))
    assert again.settings == made.settings
    assert (again.bootstrap, again.seed, again.n_above) == (30, 4, made.n_above)
    assert again.objective_value == pytest.approx(made.objective_value, abs=1e-9)
    assert (again.verdict, again.reasons) == (made.verdict, made.reasons)
    for answer in ("low", "high"):
        ours, theirs = (getattr(b.predict([22.0, 24.0], level=0.9), answer) for b in (again, made))
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(again.predict([22.0, 24.0]), made.predict([22.0, 24.0]), rtol=0, atol=1e-9)
    assert again.margin == made.margin
    assert float(again.invert(0.3)) == pytest.approx(float(made.invert(0.3)), abs=1e-8)


def test_other_scores_are_refused(models: Any) -> None:
    z, y, base = models
    made = scaling.boundary.fit(z, y, tau=0.9, groups=base)
    with pytest.raises(InputDataError, match="fitted to 360 models, and not to 359"):
        restore(made.fit, read_scores(z[1:], y[1:]))


def test_replicates_are_made_once(models: Any) -> None:
    z, y, base = models
    told: list[tuple[int, int]] = []
    made = scaling.boundary.fit(z, y, groups=base, bootstrap=20, progress=lambda done, of: told.append((done, of)))
    before = len(told)
    assert made.fit.replicates.shape == (20, 4)
    assert before == len(told) > 0
    assert [done for done, _ in told] == sorted(done for done, _ in told)
