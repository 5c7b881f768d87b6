"""Local critical batches from branches of checkpoints."""

import math

import numpy as np
import pytest

from scaling.batch_size.branched import branched_batches
from scaling.errors import InputDataError, UsageError

BATCHES = 2.0 ** np.arange(6, 13)
RULE = {"tolerance": 0.01, "window": 1e9, "smoothing": 2e8, "unit": "sequences"}


def table(critical, anchors=(1e10, 4e10, 1.6e11), batches=BATCHES, noise=0.0, window=1e9):
    """Branches that lose nothing up to the critical batch of their anchor, and more and more beyond it."""
    rng = np.random.default_rng(0)
    rows = []
    for anchor in anchors:
        for b in batches:
            since = np.arange(1, 101) * window / 100
            beyond = max(math.log(b / critical(anchor)), 0)
            loss = 3 - 0.01 * np.log1p(since / 1e8) + 0.05 * beyond + noise * rng.standard_normal(100)
            rows.append(np.stack([np.full(100, anchor), np.full(100, b), since, loss]))
    return np.concatenate(rows, axis=1)


def test_finds_the_largest_batch_that_keeps_up():
    found = branched_batches(*table(lambda t: 256 * (t / 1e10) ** 0.5), **RULE)
    assert [a.critical for a in found.anchors] == [256, 512, 1024]
    assert [a.above for a in found.anchors] == [512, 1024, 2048]
    assert {a.status for a in found.anchors} == {"reached"}
    assert "1B tokens after a branch" in found.convention
    assert "within 0.01" in found.convention


def test_the_tolerance_decides():
    columns = table(lambda t: 256.0)
    loose = branched_batches(*columns, **{**RULE, "tolerance": 0.04})
    assert [a.critical for a in loose.anchors] == [512, 512, 512]


def test_the_window_decides():
    columns = table(lambda t: 256.0)
    columns[3] += np.where((columns[1] == 128) & (columns[2] < 5e8), 1.0, 0.0)  # a restart that is forgotten later
    late = branched_batches(*columns, **RULE)
    early = branched_batches(*columns, **{**RULE, "window": 4e8})
    assert not any(a.uneven for a in late.anchors)
    assert all(a.uneven for a in early.anchors)


def test_the_largest_batch_tried_is_censored_and_the_smallest_is_none():
    censored = branched_batches(*table(lambda t: 1e6), **RULE).anchors[0]
    assert (censored.status, censored.critical, censored.above) == ("censored", 4096, math.inf)
    none = branched_batches(*table(lambda t: 64.0), **RULE).anchors[0]
    assert none.status == "none"
    assert math.isnan(none.critical)
    assert none.above == 128


def test_the_mean_does_not_depend_on_how_often_a_branch_is_evaluated():
    columns = table(lambda t: 256.0)
    rare = (columns[1] < 1024) | (np.arange(columns.shape[1]) % 5 == 4)
    every, some = (branched_batches(*c, **RULE) for c in (columns, columns[:, rare]))
    for one, other in zip(every.anchors, some.anchors, strict=True):
        assert other.loss == pytest.approx(one.loss, abs=1e-4)


def test_noise_is_averaged():
    found = branched_batches(*table(lambda t: 256.0, noise=0.005), **RULE)
    assert [a.critical for a in found.anchors] == [256, 256, 256]


def test_growth():
    found = branched_batches(*table(lambda t: 256 * (t / 1e10) ** 0.5, anchors=1e10 * 4.0 ** np.arange(4)), **RULE)
    law = found.law(tokens_per_sample=512)
    assert law.estimates["q"] == pytest.approx(0.5, abs=1e-6)
    assert law.coefficient("sequences", 1e10) == pytest.approx(256 * math.sqrt(2), rel=1e-6)
    assert law.convention == found.convention
    assert "One run is no sample of runs" in law.reasons[0]


def test_growth_says_what_it_leaves_out():
    anchors = 1e10 * 4.0 ** np.arange(6)
    found = branched_batches(*table(lambda t: 256 * (t / 1e10) ** 0.5, anchors=anchors), **RULE)
    assert [a.status for a in found.anchors] == ["reached"] * 4 + ["censored"] * 2
    assert "Left out: 2 anchors" in found.law().reasons[1]


def test_two_anchors_show_no_growth():
    with pytest.raises(InputDataError, match="2 anchors with a critical batch inside"):
        branched_batches(*table(lambda t: 256.0, anchors=(1e10, 4e10)), **RULE).law()


def test_short_branches_are_left_out():
    columns = table(lambda t: 256.0)
    short = (columns[1] == 4096) & (columns[2] > 5e8)
    found = branched_batches(*columns[:, ~short], **RULE)
    assert found.anchors[0].batch.max() == 2048
    assert found.notes[0] == "After 10B: 1 batch size without a branch as long as the window."
    with pytest.raises(InputDataError, match="no checkpoint has two branches of 10B tokens"):
        branched_batches(*columns, **{**RULE, "window": 1e10})


def test_bad_input():
    columns = table(lambda t: 256.0)
    for wrong in ({"tolerance": -1}, {"tolerance": "1 %"}, {"smoothing": 2e9}, {"window": math.inf}):
        with pytest.raises(UsageError, match="no such numbers"):
            branched_batches(*columns, **{**RULE, **wrong})
    with pytest.raises(UsageError, match="no unit"):
        branched_batches(*columns, **{**RULE, "unit": "words"})
    with pytest.raises(InputDataError, match="negative"):
        branched_batches(-columns[0], *columns[1:], **RULE)
    with pytest.raises(InputDataError, match="one length"):
        branched_batches(columns[0][1:], *columns[1:], **RULE)


def test_as_plain_data():
    data = branched_batches(*table(lambda t: 1e6), **RULE).to_dict()
    assert data["anchors"][0]["above"] == "inf"
    assert (data["tolerance"], data["window"], data["unit"]) == (0.01, 1e9, "sequences")
