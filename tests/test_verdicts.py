"""The order of the verdicts."""

from __future__ import annotations

import pytest

from scaling.errors import UsageError
from scaling.verdicts import meets


@pytest.mark.parametrize(
    ("verdict", "weak", "not_identified", "extrapolating"),
    [
        ("ok", False, False, False),
        ("weak", True, False, False),
        ("not identified", True, True, False),
        ("extrapolating x37", False, False, True),
        ("extrapolating x1.1", False, False, True),
    ],
)
def test_whether_a_verdict_is_as_bad_as_a_limit(
    verdict: str, weak: bool, not_identified: bool, extrapolating: bool
) -> None:
    assert meets(verdict, "weak") is weak
    assert meets(verdict, "not identified") is not_identified
    assert meets(verdict, "not-identified") is not_identified
    assert meets(verdict, "extrapolating") is extrapolating


@pytest.mark.parametrize(
    ("limit", "near"), [("week", "weak"), ("unidentified", "not identified"), ("ok", "There are"), ("", "There are")]
)
def test_a_limit_that_there_is_not(limit: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"no verdict '{limit}' to fail on") as raised:
        meets("ok", limit)
    assert near in str(raised.value.hint)
