"""The stage against a plain model: the last word of a step counts, abandoned ends are void, tokens are counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.log_stage import Growth, Stage
from db.readers.found import NO_STEP, Restart, Values
from tests.db.made_logs import values

# A log of two metrics: values, in parts, with restarts that the log itself tells of.
STEP = st.integers(NO_STEP, 12)
PART = st.tuples(st.sampled_from([0, 1]), st.lists(STEP, min_size=0, max_size=5))
LOG = st.lists(st.one_of(PART, st.integers(0, 12)), max_size=12)


def kept_of(log, upserts):
    """What stays, in plain Python: by metric and step the number of the value, and what became of the others."""
    said, restarts, number = [], [], 0
    for one in log:
        if isinstance(one, int):
            restarts.append((number, one))
            continue
        for step in one[1]:
            said.append((number, one[0], step))
            number += 1
    kept = {}
    for at, metric, step in said:
        later = [s for i, m, s in said if i > at and m == metric]
        repeated = step in later
        back = not upserts and step != NO_STEP and any(s != NO_STEP and s <= step for s in later)
        void = any(seq > at and first <= step for seq, first in restarts)
        if not (repeated or back or void):
            kept[metric, step] = at
    distinct = {(m, s) for _, m, s in said}
    return kept, len(said) - len(distinct), sorted(s for m, s in distinct - kept.keys())


def filled(log, upserts):
    """A stage with a log; each value is its own number."""
    stage = Stage()
    for one in log:
        if isinstance(one, int):
            stage.restart(0, Restart("", one))
        else:
            n = stage.n_values
            stage.add(0, one[0], values("", one[1], np.arange(n, n + len(one[1]))), upserts=upserts)
    return stage


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=LOG, upserts=st.booleans())
def test_the_last_word_counts_and_abandoned_ends_are_void(log, upserts) -> None:
    kept, n_repeated, voided = kept_of(log, upserts)
    with filled(log, upserts) as stage:
        counts = stage.settle(["a", "b"])
        rows = stage.connection.execute("SELECT metric, step, value FROM kept").fetchall()
    assert {(metric, step): int(value) for metric, step, value in rows} == kept
    assert len(rows) == len(kept)
    if any(not isinstance(one, int) and one[1] for one in log):
        found = counts[0]
        assert (found.n_values, found.n_repeated, found.n_voided) == (len(kept), n_repeated, len(voided))
        assert found.first_voided == (voided[0] if voided else None)
        steps = [step for _, step in kept]
        assert found.last_step == (max(steps) if steps and max(steps) != NO_STEP else None)
    else:
        assert counts == {}


def test_a_run_that_was_started_again_keeps_what_it_logged_last() -> None:
    with Stage() as stage:
        stage.add(0, 0, values("loss", [1, 2, 3, 4], [9, 8, 7, 6]), upserts=False)
        stage.add(0, 0, values("loss", [3, 4, 5], [7.5, 6.5, 5.5]), upserts=False)
        stage.add(0, 1, values("eval", [2, 4], [1, 2]), upserts=False)
        counts = stage.settle(["loss", "eval"])
        assert counts[0].n_repeated == 2
        assert counts[0].n_voided == 0
        rows = stage.connection.execute("SELECT step, value FROM kept WHERE metric = 0 ORDER BY step").fetchall()
        assert rows == [(1, 9), (2, 8), (3, 7.5), (4, 6.5), (5, 5.5)]


def test_what_is_not_a_number_stays_what_it_is() -> None:
    numbers = [1.5, math.nan, math.inf, -math.inf, 0.0]
    with Stage() as stage:
        missing = np.array([False, False, False, False, True])
        stage.add(0, 0, values("loss", range(5), numbers, missing=missing, digits=3), upserts=False)
        stage.settle(["loss"])
        rows = stage.connection.execute("SELECT value, status, digits FROM kept ORDER BY step").fetchall()
    assert [row[0] for row in rows] == [1.5, None, None, None, None]
    assert [row[1] for row in rows] == [0, 1, 2, 3, 4]
    assert {row[2] for row in rows} == {3}


def test_a_source_that_failed_leaves_nothing() -> None:
    with Stage() as stage:
        stage.add(0, 0, values("loss", [2, 1], [1, 2]), upserts=False)
        stage.add(1, 0, values("loss", [1], [3]), upserts=False)
        stage.forget([0])
        assert stage.settle(["loss"]).keys() == {1}
        assert [(one.run, one.finite) for one in stage.last_values()] == [(1, 3.0)]


def test_many_small_parts_are_moved_on() -> None:
    with Stage() as stage:
        for i in range(20_001):
            stage.add(0, i % 7, values("m", [i], [i]), upserts=False)
        assert len(stage._parts) < 20_000
        assert stage.settle([str(i) for i in range(7)])[0].n_values == 20_001


def tokens_of(log, batch=None, counter=None):
    """Tokens by metric and step."""
    with Stage() as stage:
        for metric, part in log:
            stage.add(0, metric, part, upserts=False)
        stage.settle(["loss", "count"])
        stage.count_tokens({0: batch} if batch else {}, {0: counter} if counter else {})
        rows = stage.connection.execute("SELECT metric, step, tokens FROM counted").fetchall()
    return {(metric, step): tokens for metric, step, tokens in rows}


COUNT = (1, values("count", [10, 20], [100, 300]))


def test_tokens_are_those_of_the_log_then_of_its_counter_then_of_the_batch() -> None:
    loss = (0, values("loss", [5, 10, 15, 20, 30, NO_STEP], range(6)))
    counted = tokens_of([loss, COUNT], batch=7, counter=(1, 1.0))
    assert [counted[0, step] for step in (5, 10, 15, 20, 30, NO_STEP)] == [50, 100, 200, 300, 370, None]
    assert tokens_of([loss], batch=7)[0, 30] == 210
    assert tokens_of([loss])[0, 30] is None
    beside = values("loss", [5, 10], [1, 2], tokens=np.array([11.0, np.nan]))
    assert tokens_of([(0, beside)], batch=7) == {(0, 5): 11, (0, 10): 70}


def test_a_counter_of_steps_counts_by_the_batch_and_says_nothing_beyond_its_last() -> None:
    loss = (0, values("loss", [10, 25], [1, 2]))
    counted = tokens_of([loss, COUNT], counter=(1, 1000.0))
    assert counted[0, 10] == 100_000
    assert counted[0, 25] == 300_000


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    loss=st.sets(st.integers(0, 40), min_size=1, max_size=8),
    count=st.dictionaries(st.integers(1, 40), st.integers(1, 50), min_size=1, max_size=5),
    batch=st.sampled_from([None, 8.0]),
)
def test_tokens_between_and_beyond_the_steps_of_a_counter(loss, count, batch) -> None:
    steps, total, known = sorted(count), 0, {}
    for step in steps:
        total += count[step]
        known[step] = total
    parts = [(0, values("loss", sorted(loss), np.zeros(len(loss)))), (1, values("count", steps, list(known.values())))]
    found = tokens_of(parts, batch=batch, counter=(1, 1.0))
    for step in loss:
        low, high = (
            max((s for s in steps if s <= step), default=None),
            min((s for s in steps if s >= step), default=None),
        )
        if low is None:
            expected = known[high] * step / high
        elif high is None:
            expected = known[low] + (step - low) * (batch or 0)
        else:
            share = 0 if high == low else (step - low) / (high - low)
            expected = known[low] + share * (known[high] - known[low])
        assert found[0, step] == pytest.approx(expected)


def test_tokens_that_cannot_be_are_unknown() -> None:
    part = Values("", "loss", np.array([1, 2, 3]), np.zeros(3), tokens=np.array([-5.0, math.inf, 3.0]))
    assert tokens_of([(0, part)]) == {(0, 1): None, (0, 2): None, (0, 3): 3}


@pytest.mark.parametrize(
    ("growth", "counts"),
    [
        (Growth(0, 0, 10, 100, 1, 10, True), True),
        (Growth(0, 0, 0, 100, 0, 10, True), True),
        (Growth(0, 0, 500, 510, 1, 1000, True), False),  # tokens of one batch
        (Growth(0, 0, 512, 512, 1, 1000, True), False),
        (Growth(0, 0, 10, 100, 1, 10, False), False),
        (Growth(0, 0, 10, 10, 1, 1, True), False),
        (Growth(0, 0, 900, 1000, 90, 100, True), True),  # a log that begins late
    ],
)
def test_what_grows_with_the_steps_from_nothing_on_counts(growth, counts) -> None:
    assert growth.counts is counts
