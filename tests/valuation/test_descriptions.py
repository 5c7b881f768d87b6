"""What objectives say of themselves."""

from __future__ import annotations

import pytest

from scaling.errors import UsageError
from scaling.valuation.catalogue import OBJECTIVES
from scaling.valuation.descriptions import NEEDED, describe_objective


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_describes_itself(name: str) -> None:
    found = describe_objective(name)
    assert found.objective == name
    assert found.guarantee.why
    assert set(found.needs) <= set(NEEDED)
    assert set(found.needs) <= {option for option, _ in found.options}


def test_the_guarantee_is_that_of_the_options_and_of_the_size() -> None:
    assert describe_objective("vendi").guarantee.kind == "submodular"
    assert describe_objective("vendi", q=2.5).guarantee.kind == "none"
    large, small = (describe_objective("a_optimal", k).guarantee.ratio for k in (400, 4))
    assert 0 < large < small / 10


def test_laws_are_made_with_what_is_given() -> None:
    assert describe_objective("law_value", amplitude=400.0, exponent=0.3).guarantee.kind == "submodular"
    assert describe_objective("law_value", training_tokens=50.0).guarantee.kind == "submodular"


def test_refused() -> None:
    with pytest.raises(UsageError, match="no objective 'vendy'"):
        describe_objective("vendy")
    with pytest.raises(UsageError, match="k is 0"):
        describe_objective("vendi", 0)
    with pytest.raises(UsageError, match="no option 'queries'"):
        describe_objective("vendi", queries=[[1.0]])
