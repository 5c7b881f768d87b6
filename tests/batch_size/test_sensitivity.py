"""The same curves by several conventions."""

import json

import numpy as np
import pytest

from scaling.batch_size import convention_table, fit_steps
from scaling.errors import InputDataError, UsageError

B = 2.0 ** np.arange(5, 16)
N = np.array([1e8, 3e8, 1e9, 3e9])
A_ = np.full(4, 2000.0)
B_ = 3e6 * (N / 1e8) ** 0.6


def curves(sigma=0.0, bootstrap=0, unit="sequences", seed=0, **settings):
    rng = np.random.default_rng(seed)
    return [
        fit_steps(B, (a + b / B) * np.exp(sigma * rng.standard_normal(11)), bootstrap=bootstrap, unit=unit, **settings)
        for a, b in zip(A_, B_, strict=True)
    ]


def test_without_an_anchor_the_exponent_is_that_of_the_curves_and_anchors_flatten_it():
    table = convention_table(curves(), n_params=N)
    assert table.at(None, None).exponent == pytest.approx(0.6, rel=1e-7)
    assert table.at(0.2, None).exponent == pytest.approx(0.6, rel=1e-7)
    falling = [table.at(0.2, anchor).exponent for anchor in (64, 128, 256, 512, 1024)]
    assert falling == sorted(falling, reverse=True)
    for row in table.rows:
        if row.overhead and row.anchor:
            at = row.overhead * B_ / A_ + (1 + row.overhead) * row.anchor
            assert row.batches == pytest.approx(at, rel=1e-7)
            assert row.exponent == pytest.approx(np.polyfit(np.log(N), np.log(at), 1)[0], rel=1e-6)
    assert table.range == (min(falling), pytest.approx(0.6, rel=1e-7))
    assert "none, the curves have no replicates" in table.method


def test_over_tokens_the_law_is_one_of_tokens():
    table = convention_table(curves(), n_tokens=20 * N**0.5)
    assert table.over == "D"
    assert table.at(None, None).exponent == pytest.approx(1.2, rel=1e-7)


def test_replicates_of_curves_with_one_seed_do_not_move_together():
    """With the order of the draws kept, errors of all curves would share their sign and cancel in the exponent."""
    noise = np.exp(0.05 * np.random.default_rng(0).standard_normal(11))
    made = [fit_steps(B, (a + b / B) * noise, unit="sequences") for a, b in zip(A_, B_, strict=True)]
    row = convention_table(made, n_params=N).at(None, None)
    logs = [np.log(c.fit.replicates[:, 1] / c.fit.replicates[:, 0]) for c in made]
    x = np.log(N) - np.log(N).mean()
    alone = np.sqrt(sum((xi / (x @ x)) ** 2 * np.var(log) for xi, log in zip(x, logs, strict=True)))
    assert (row.high - row.low) / (2 * 1.645) == pytest.approx(alone, rel=0.08)
    together = np.std(x @ np.array(logs) / (x @ x))
    assert together < 0.5 * alone
    again = convention_table(made, n_params=N).at(None, None)
    assert again == row
    assert convention_table(made, n_params=N, seed=1).at(None, None).low != row.low


def test_the_table_prints_and_is_plain():
    table = convention_table(curves(0.05, 100), n_params=N)
    text = repr(table)
    assert "b/a" in text
    assert "sequences" in text
    plain = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert plain["rows"][0]["anchor"] == 64
    with pytest.raises(UsageError, match="no row"):
        table.at(0.3, 256)


def test_the_power_form_is_read_off_with_anchors_alone():
    table = convention_table(curves(0.02, form="steps_to_target_power"), n_params=N)
    assert {row.anchor for row in table.rows if row.overhead} == {64, 128, 256, 512, 1024}


def test_what_cannot_be_compared():
    made = curves()
    with pytest.raises(UsageError, match="parameters or of tokens"):
        convention_table(made)
    with pytest.raises(UsageError, match="parameters or of tokens"):
        convention_table(made, n_params=N, n_tokens=N)
    with pytest.raises(InputDataError, match="4 curves and 3 sizes"):
        convention_table(made, n_params=N[:3])
    with pytest.raises(InputDataError, match="not all the same"):
        convention_table(made, n_params=[1e9] * 4)
    with pytest.raises(InputDataError, match="in sequences and in tokens"):
        convention_table([*made[:3], *curves(unit="tokens")[3:]], n_params=N)
    flat = fit_steps(B, 1e7 / B, bootstrap=0, unit="sequences")
    with pytest.raises(InputDataError, match="has no critical batch size"):
        convention_table([*made[:3], flat], n_params=N)
