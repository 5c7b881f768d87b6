"""The best run of each batch size, and what is said of how it was found."""

import json

import numpy as np
import pytest

from scaling.batch_size import Curve, derive_target, steps_to_target
from scaling.errors import InputDataError, UsageError

TRUE_A, TRUE_B, TARGET = 300.0, 1e5, 2.0
BATCHES = (32, 64, 128, 256, 512, 1024)


def curve(batch, lr=0.01, slow=1.0, until=8.0, name=None, **more):
    """A power law of steps that reaches 2 after a + b/B steps, `slow` times later for another learning rate."""
    due = slow * (TRUE_A + TRUE_B / batch)
    step = np.unique(np.round(due * np.geomspace(0.05, until, 40)))
    return Curve(name or f"B{batch}-lr{lr:g}", batch, {"lr": lr, **more}, step, TARGET * (step / due) ** -0.2)


def sweep(batches=BATCHES, rates=(0.003, 0.01, 0.03), slow=(1.5, 1.0, 1.2), **more):
    return [curve(b, lr, s, **more) for b in batches for lr, s in zip(rates, slow, strict=True)]


def test_the_best_run_of_each_batch_size_gives_the_curve():
    found = steps_to_target(sweep(), TARGET)
    assert found.batch.tolist() == list(BATCHES)
    assert found.steps == pytest.approx(TRUE_A + TRUE_B / np.array(BATCHES), rel=1e-9)
    assert not found.censored.any()
    cell = found.cells[0]
    assert (cell.run_id, cell.runs, cell.reached, cell.edges) == ("B32-lr0.01", 3, 3, ())
    assert cell.low <= cell.steps <= cell.high
    assert cell.runner_up == pytest.approx(1.2 * cell.steps, rel=1e-9)
    assert cell.gap == pytest.approx(0.2, rel=1e-8)
    s = found.fit(bootstrap=0, unit="sequences")
    assert s.critical_batch().estimate == pytest.approx(TRUE_B / TRUE_A, rel=1e-7)
    assert any("best of 3 runs" in note and "20 %" in note for note in found.notes)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_batch_size_that_never_gets_there_is_censored_at_its_last_step():
    runs = sweep(BATCHES[1:]) + sweep(BATCHES[:1], until=0.6)
    found = steps_to_target(runs, TARGET)
    assert found.censored.tolist() == [True] + [False] * 5
    cell = found.cells[0]
    assert cell.run_id == "B32-lr0.01"  # ahead of the others, though the slower ones were trained for more steps
    assert cell.steps == pytest.approx(0.6 * (TRUE_A + TRUE_B / 32), rel=1e-3)
    assert cell.reached == 0
    s = found.fit(bootstrap=0)
    assert s.censored.tolist() == found.censored.tolist()
    assert s.critical_batch().estimate == pytest.approx(TRUE_B / TRUE_A, rel=0.02)
    assert "1 of 6 batch sizes did not reach the target: censored." in found.notes


def test_a_run_that_stopped_while_ahead_is_told():
    runs = [*sweep(), curve(64, 0.02, 0.8, until=0.9, name="stopped")]
    (cell,) = (c for c in steps_to_target(runs, TARGET).cells if c.batch == 64)
    assert cell.run_id == "B64-lr0.01"
    assert any("'stopped' ended at step" in note and "fewer steps may do" in note for note in cell.notes)


def test_the_best_run_at_an_end_of_the_grid_is_flagged():
    runs = sweep(BATCHES[:4]) + sweep(BATCHES[4:], slow=(1.5, 1.2, 1.0))
    found = steps_to_target(runs, TARGET)
    assert [cell.edges for cell in found.cells] == [()] * 4 + [("lr at its largest",)] * 2
    assert any("2 batch sizes: 512, 1024" in note for note in found.notes)
    low = steps_to_target(sweep(slow=(1.0, 1.1, 1.3)), TARGET)
    assert all(cell.edges == ("lr at its smallest",) for cell in low.cells)


def test_learning_rates_that_do_not_overlap_are_flagged():
    runs = sweep(BATCHES[:3], rates=(0.001, 0.002, 0.004)) + sweep(BATCHES[3:], rates=(0.01, 0.02, 0.04))
    found = steps_to_target(runs, TARGET)
    told = [note for note in found.notes if "do not overlap" in note]
    assert len(told) == 1
    assert "B = 128 (0.001000 to 0.004000) and at B = 256 (0.01000 to 0.04000)" in told[0]
    assert not any("overlap" in note for note in steps_to_target(sweep(), TARGET).notes)


def test_a_batch_size_with_one_learning_rate_was_not_tuned():
    found = steps_to_target([*sweep(BATCHES[:5]), curve(1024)], TARGET)
    assert any("Only one lr was tried, so it was not tuned, at B = 1024." in note for note in found.notes)
    assert any("most optimistic where there are most runs" in note for note in found.notes)
    assert np.isnan(found.cells[-1].gap)


def test_only_the_learning_rate_is_looked_at_unless_others_are_named():
    rates, decays = ((0.003, 1.5), (0.01, 1.0), (0.03, 1.2)), ((0.0, 1.3), (0.9, 1.1), (0.99, 1.0))
    runs = [curve(b, lr, s * t, ewa=e, name=f"{b}-{lr}-{e}") for b in BATCHES for lr, s in rates for e, t in decays]
    assert all(cell.edges == () for cell in steps_to_target(runs, TARGET).cells)
    named = steps_to_target(runs, TARGET, tuned=["ewa"])
    assert all(cell.edges == ("ewa at its largest",) for cell in named.cells)
    with pytest.raises(InputDataError, match="no run has the setting 'ema'"):
        steps_to_target(runs, TARGET, tuned=["ema"])


@pytest.mark.parametrize("end", [np.nan, np.inf, 11.0, 8.0])
def test_runs_that_diverged_are_counted_and_bound_nothing(end):
    broken = [Curve(f"x{b}", b, {"lr": 0.1}, [100.0, 200.0, 300.0], [5.0, 9.0, end]) for b in (32, 2048)]
    found = steps_to_target([*sweep(), *broken], TARGET)
    assert found.cells[0].diverged == 1
    assert found.cells[0].steps == pytest.approx(TRUE_A + TRUE_B / 32, rel=1e-9)
    last = found.cells[-1]
    assert (last.batch, last.censored, last.bounds) == (2048, True, False)
    assert any("All runs diverged" in note for note in last.notes)
    assert found.fit(bootstrap=0).batch.tolist() == list(BATCHES)


def test_a_batch_size_is_never_censored_at_the_end_of_a_run_that_diverged():
    """The longer run was ahead when the stable one ended, and then went up to 11."""
    stable = Curve("stable", 2048, {"lr": 0.01}, [100.0, 200.0, 300.0], [6.0, 5.5, 5.2])
    broken = Curve("broken", 2048, {"lr": 0.1}, [100.0, 300.0, 900.0], [5.5, 5.0, 11.0])
    last = steps_to_target([*sweep(), broken, stable], TARGET).cells[-1]
    assert (last.run_id, last.steps, last.censored, last.bounds) == ("stable", 300, True, True)


def test_the_target_met_at_the_first_evaluation_is_told():
    early = [c if c.batch != 1024 else Curve(c.run_id, 1024, c.settings, c.step[25:], c.loss[25:]) for c in sweep()]
    found = steps_to_target(early, TARGET)
    assert found.cells[-1].low == 0
    assert any("first evaluation" in note for note in found.cells[-1].notes)
    assert any("upper bound, at B = 1024" in note for note in found.notes)


def test_no_run_at_all_reaches_the_target():
    with pytest.raises(InputDataError, match="none of 18 runs reached a loss of") as caught:
        steps_to_target(sweep(), 0.5)
    assert "the lowest loss is 1.319" in caught.value.message  # 2 * 8^-0.2, but for rounded steps
    assert "above the lowest loss" in caught.value.hint


def test_no_curves_and_curves_without_a_batch_size():
    with pytest.raises(InputDataError, match="no loss curves"):
        steps_to_target([], TARGET)
    with pytest.raises(InputDataError, match="the run 'a' has the batch size 0"):
        steps_to_target([Curve("a", 0, {}, [1.0], [2.0])], TARGET)


def test_averages_make_the_crossing_of_noisy_curves_later():
    rng = np.random.default_rng(0)
    noisy = [Curve(c.run_id, c.batch, c.settings, c.step, c.loss * np.exp(0.02 * rng.standard_normal(len(c.step))))
             for c in sweep()]  # fmt: skip
    rough, smooth = (steps_to_target(noisy, TARGET, smooth=n) for n in (1, 5))
    assert smooth.smooth == 5
    truth = TRUE_A + TRUE_B / np.array(BATCHES)
    assert np.mean(np.log(rough.steps / truth)) < np.mean(np.log(smooth.steps / truth)) < 0.03


def test_the_derived_target_is_the_best_loss_where_all_batch_sizes_were():
    found = derive_target(sweep())
    # Samples at the end are 8 B (a + b/B) for the best rates and more for slow ones: least at the smallest batch.
    samples = 1.5 * 8 * (32 * TRUE_A + TRUE_B)
    assert found.samples == pytest.approx(samples, rel=1e-3)
    best = min(BATCHES, key=lambda b: b * TRUE_A + TRUE_B)
    assert found.batch == best
    loss = TARGET * (found.samples / (32 * TRUE_A + TRUE_B)) ** -0.2
    # The best rate ends before, at 8 times its steps, so the loss is that of the second best.
    assert found.loss == pytest.approx(loss * 1.5**0.2, rel=1e-6)
    assert "the most that every batch size reached" in found.rule


def test_the_anchor_and_the_samples_can_be_given():
    samples = 256 * TRUE_A + TRUE_B
    found = derive_target(sweep(), anchor=256, samples=samples)
    assert found.loss == pytest.approx(TARGET, rel=1e-9)
    assert (found.batch, found.run_id) == (256, "B256-lr0.01")
    again = steps_to_target(sweep(), float(found))
    assert again.steps == pytest.approx(TRUE_A + TRUE_B / np.array(BATCHES), rel=1e-8)
    json.dumps(found.to_dict(), allow_nan=False)


def test_targets_that_cannot_be_derived():
    with pytest.raises(InputDataError, match="no run has a batch of 100") as caught:
        derive_target(sweep(), anchor=100)
    assert "32, 64" in caught.value.hint
    with pytest.raises(InputDataError, match="no run has a loss at 1e15 samples"):
        derive_target(sweep(), samples=1e15)
    with pytest.raises(InputDataError, match="no run at a batch of 7 "):
        derive_target([*sweep(), Curve("x", 7, {}, [10.0], [np.nan])])
    with pytest.raises(InputDataError, match="no loss curves"):
        derive_target([])
    for settings in ({"anchor": "256"}, {"anchor": 0}, {"samples": np.nan}, {"samples": -5}):
        with pytest.raises(UsageError, match="is a finite number above 0"):
            derive_target(sweep(), **settings)


def test_one_setting_may_be_named_as_text():
    assert steps_to_target(sweep(), TARGET, tuned="lr") == steps_to_target(sweep(), TARGET, tuned=["lr"])


@pytest.mark.parametrize("target", ["2.0", None, np.nan, np.inf])
def test_a_target_is_a_number(target):
    with pytest.raises(UsageError, match="a target loss is a finite number"):
        steps_to_target(sweep(), target)


@pytest.mark.parametrize("batch", ["64", None, np.nan, -1])
def test_a_batch_size_of_a_run_is_a_number(batch):
    with pytest.raises(InputDataError, match="the run 'x' has the batch size"):
        steps_to_target([Curve("x", batch, {}, [1.0, 2.0], [3.0, 2.0])], TARGET)
