"""Which run of one side goes with which of the other."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.loss_to_loss.matching import RunSide, match_runs

SIZES = (1e8, 3e8, 1e9)
TOKENS = (2e9, 8e9)
CELLS = [(n, d) for n in SIZES for d in TOKENS]


def side(prefix: str, cells: list[tuple[float, float]], first: float = 3.0, **changed: list[float]) -> RunSide:
    """Runs named by their place, with losses that tell them apart."""
    n, d = np.array(cells).T
    columns = {"n_params": n, "n_tokens": d, "compute_flop": None, "loss": first - 0.1 * np.arange(len(cells))}
    columns |= {k: np.array(v, float) for k, v in changed.items()}
    return RunSide([f"{prefix}{i}" for i in range(len(cells))], **columns)


class TestCells:
    def test_runs_of_the_same_size_are_paired_whatever_their_order(self) -> None:
        other = side("b", CELLS[::-1], 2.0)
        found = match_runs(side("a", CELLS), other)
        assert found.members == tuple(((f"a{i}",), (f"b{5 - i}",)) for i in (0, 2, 1, 4, 3, 5))
        assert found.x.tolist() == pytest.approx([3.0, 2.8, 2.9, 2.6, 2.7, 2.5])
        assert found.y.tolist() == pytest.approx([1.5, 1.7, 1.6, 1.9, 1.8, 2.0])
        assert np.all(np.diff(found.budget) > 0)
        assert found.unpaired == ()

    def test_the_budget_is_that_of_the_source_and_6nd_where_missing(self) -> None:
        given = [1e18, np.nan, 3e18, 4e18, 5e18, 6e18]
        found = match_runs(side("a", CELLS, compute_flop=given), side("b", CELLS))
        budgets = dict(zip([ours[0] for ours, _ in found.members], found.budget.tolist(), strict=True))
        assert budgets == {"a0": 1e18, "a1": 6 * 1e8 * 8e9, "a2": 3e18, "a3": 4e18, "a4": 5e18, "a5": 6e18}
        assert dict(zip([ours[0] for ours, _ in found.members], found.n_tokens.tolist(), strict=True))["a1"] == 8e9

    @pytest.mark.parametrize(("apart", "paired"), [(0.0009, True), (0.0011, False)])
    @pytest.mark.parametrize("which", [0, 1])
    def test_tokens_and_parameters_may_differ_by_the_tolerance(self, apart: float, paired: bool, which: int) -> None:
        near = [(n * (1 + apart * (which == 0)), d * (1 + apart * (which == 1))) for n, d in CELLS]
        if paired:
            assert len(match_runs(side("a", CELLS), side("b", near))) == 6
        else:
            with pytest.raises(InputDataError, match="no source run and target run have the same"):
                match_runs(side("a", CELLS), side("b", near))

    def test_a_tolerance_of_nothing_allows_for_rounding(self) -> None:
        near = [(n, (6 * n * d) / (6 * n) * (1 + 2e-16)) for n, d in CELLS]
        assert len(match_runs(side("a", CELLS), side("b", near), tolerance=0)) == 6

    def test_runs_without_a_partner_are_named_with_the_side(self) -> None:
        found = match_runs(side("a", CELLS[:5]), side("b", CELLS[1:]))
        assert {(one.run_id, one.side) for one in found.unpaired} == {("a0", "source"), ("b4", "target")}
        assert {one.reason for one in found.unpaired} == {
            "no target run has its parameters and tokens",
            "no source run has its parameters and tokens",
        }

    def test_seeds_of_one_cell_are_averaged_and_that_is_said(self) -> None:
        seeds = side("a", [*CELLS, CELLS[0], CELLS[0]], first=3.0)
        found = match_runs(seeds, side("b", CELLS, 2.0))
        assert len(found) == 6
        assert found.averaged == 1
        assert found.members[0] == (("a0", "a6", "a7"), ("b0",))
        assert found.x[0] == pytest.approx((3.0 + 2.4 + 2.3) / 3)
        assert "One pair stands for several runs of one cell, whose losses are averaged" in found.sentence

    def test_a_loss_that_is_not_finite_takes_the_run_out(self) -> None:
        losses = [np.nan, np.inf, 2.8, 2.7, 2.6, 2.5]
        found = match_runs(side("a", CELLS, loss=losses), side("b", CELLS))
        assert len(found) == 4
        assert [one for one in found.unpaired if one.side == "source"] == [
            ("a0", "source", "its loss is no finite number"),
            ("a1", "source", "its loss is no finite number"),
        ]

    def test_a_size_that_is_missing_takes_the_run_out(self) -> None:
        found = match_runs(side("a", CELLS, n_tokens=[np.nan, 0, *(d for _, d in CELLS[2:])]), side("b", CELLS))
        reasons = {one.run_id: one.reason for one in found.unpaired}
        assert reasons["a0"] == "its n_tokens is missing"
        assert reasons["a1"] == "its n_tokens is 0"

    def test_a_chain_of_runs_is_ambiguous(self) -> None:
        chain = [(1e8, 2e9), (1.04e8, 2e9), (1.08e8, 2e9), (1e9, 2e9)]
        with pytest.raises(InputDataError, match="ambiguous") as caught:
            match_runs(side("a", chain), side("b", chain), tolerance=0.05)
        assert "is within reach of" in caught.value.message
        assert "1 and of" in re.sub(r"(source|target) [ab]", "", caught.value.message) or "a1" in caught.value.message
        assert caught.value.hint == "Take a smaller --tolerance; the nearest of these that differ are 3.8 % apart."
        assert len(match_runs(side("a", chain), side("b", chain), tolerance=0.02)) == 4

    def test_the_nearest_miss_comes_with_a_tolerance_that_pairs_it(self) -> None:
        near = [(n * 1.013, d) for n, d in CELLS]
        with pytest.raises(InputDataError) as caught:
            match_runs(side("a", CELLS), side("b", near))
        assert "which differ by 1.3 %" in caught.value.message
        [text] = re.findall(r"--tolerance (\S+) would pair them", caught.value.hint or "")
        assert float(text) == pytest.approx(0.013, rel=0.1)
        assert len(match_runs(side("a", CELLS), side("b", near), tolerance=float(text))) == 6

    def test_one_pair_alone_is_refused(self) -> None:
        with pytest.raises(InputDataError, match=r"one pair alone \(a0 and b0\)"):
            match_runs(side("a", CELLS[:3]), side("b", [CELLS[0], (5e9, 1e11)]))


class TestRuns:
    def test_both_losses_of_the_same_run(self) -> None:
        one, other = side("r", CELLS), side("r", CELLS[::-1], 5.0)
        found = match_runs(one, other, by="run")
        assert {ours for ours, _ in found.members} == {theirs for _, theirs in found.members}
        assert dict(zip((ours[0] for ours, _ in found.members), found.y.tolist(), strict=True))["r0"] == 5.0
        assert found.sentence == "6 pairs: both losses of the same run."

    def test_a_run_with_one_loss_is_left_out(self) -> None:
        found = match_runs(side("r", CELLS), side("r", CELLS[:4], loss=[1, np.nan, 3, 4]), by="run")
        assert [ours[0] for ours, _ in found.members] == ["r0", "r2", "r3"]
        assert set(found.unpaired) == {
            ("r1", "target", "its loss is no finite number"),
            ("r4", "source", "it has no target loss"),
            ("r5", "source", "it has no target loss"),
        }

    def test_sizes_are_not_needed(self) -> None:
        unknown = {"n_params": [np.nan] * 6}
        found = match_runs(side("r", CELLS, **unknown), side("r", CELLS, **unknown), by="run")
        assert len(found) == 6
        assert np.all(np.isnan(found.budget))

    def test_no_run_with_both_losses(self) -> None:
        with pytest.raises(InputDataError, match="none of the 6 runs has both losses"):
            match_runs(side("a", CELLS), side("b", CELLS), by="run")


class TestCompute:
    BUDGETS = (1e18, 1e18, 1e18, 1e19, 1e19, 1e19)

    def test_the_lowest_loss_of_each_side_at_each_budget(self) -> None:
        ours = side("a", CELLS, compute_flop=self.BUDGETS, loss=[3.0, 2.9, 2.95, 2.4, 2.2, 2.3])
        theirs = side("b", CELLS, compute_flop=[c * 1.005 for c in self.BUDGETS], loss=[2.5, 2.6, 2.7, 2.0, 2.1, 1.9])
        found = match_runs(ours, theirs, by="compute")
        assert found.members == ((("a1",), ("b0",)), (("a4",), ("b5",)))
        assert found.y.tolist() == [2.5, 1.9]
        assert found.tolerance == 0.01
        assert "the run of lowest loss of each side" in found.sentence
        assert len(found.unpaired) == 8
        assert {one.reason for one in found.unpaired} == {
            "another source run of its compute has a lower loss",
            "another target run of its compute has a lower loss",
        }

    def test_budgets_further_apart_than_the_tolerance(self) -> None:
        ours = side("a", CELLS, compute_flop=self.BUDGETS)
        theirs = side("b", CELLS, compute_flop=[c * 1.02 for c in self.BUDGETS])
        with pytest.raises(InputDataError, match="the same compute up to 1 %") as caught:
            match_runs(ours, theirs, by="compute")
        assert caught.value.hint == "--tolerance 0.021 would pair them."


class TestBadInput:
    @pytest.mark.parametrize("tolerance", [-0.1, 1.0, float("nan"), float("inf")])
    def test_a_tolerance_is_a_share(self, tolerance: float) -> None:
        with pytest.raises(UsageError, match="a tolerance is a share"):
            match_runs(side("a", CELLS), side("b", CELLS), tolerance=tolerance)

    def test_an_unknown_way(self) -> None:
        with pytest.raises(UsageError, match="cannot be paired by 'cells'") as caught:
            match_runs(side("a", CELLS), side("b", CELLS), by="cells")
        assert "Did you mean 'cell'?" in (caught.value.hint or "")

    def test_a_run_twice(self) -> None:
        with pytest.raises(InputDataError, match="the run a stands twice"):
            RunSide(["a", "b", "a"], [1, 2, 3], [1, 2, 3], None, [3, 2, 1])

    def test_columns_of_other_lengths(self) -> None:
        with pytest.raises(InputDataError, match=r"n_tokens has shape \(3,\), but there are 2 runs"):
            RunSide(["a", "b"], [1, 2], [1, 2, 3], None, [2, 1])

    def test_a_side_without_a_usable_run(self) -> None:
        with pytest.raises(InputDataError, match="no target run can be paired"):
            match_runs(side("a", CELLS), side("b", CELLS, loss=[np.nan] * 6))


def test_many_runs_are_paired_as_a_dictionary_would() -> None:
    """Two thousand cells with jitter far below the tolerance: the same pairs as by the cell's number."""
    random = np.random.default_rng(3)
    n, d = np.meshgrid(np.geomspace(1e7, 1e11, 50), np.geomspace(1e8, 1e13, 40))
    place = np.stack([n.ravel(), d.ravel()], axis=1)
    some = [np.sort(random.choice(len(place), 1500, replace=False)) for _ in range(2)]
    sides = [
        RunSide(
            [f"{name}{k}" for k in rows],
            *(place[rows] * np.exp(1e-4 * random.uniform(-1, 1, (len(rows), 2)))).T,
            None,
            random.uniform(1, 4, len(rows)),
        )
        for name, rows in zip("ab", some, strict=True)
    ]
    found = match_runs(*sides)
    both = set(some[0].tolist()) & set(some[1].tolist())
    assert {(ours[0], theirs[0]) for ours, theirs in found.members} == {(f"a{k}", f"b{k}") for k in both}
    assert len(found.unpaired) == 2 * (1500 - len(both))
