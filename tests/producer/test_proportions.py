"""Two shares compared: what the test says, and when it says nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.campaigns.proportions import share_test


def test_a_known_difference_has_its_known_p() -> None:
    found = share_test(450, 1000, 400, 1000)
    assert found.z == pytest.approx(2.2613, abs=0.0005)
    assert found.p == pytest.approx(0.0237, abs=0.0005)
    assert found.said == "they differ, p = 0.0237"
    assert share_test(410, 1000, 400, 1000).said.startswith("may be chance, p = 0.")
    assert share_test(900, 1000, 100, 1000).said == "they differ, p < 0.0001"


@pytest.mark.parametrize(
    "counts", [(0, 0, 0, 0), (5, 10, 0, 0), (4, 8, 1, 8), (0, 1000, 0, 1000), (1000, 1000, 4, 4)]
)
def test_of_few_it_says_nothing(counts: tuple[int, int, int, int]) -> None:
    found = share_test(*counts)
    assert found.p is None
    assert found.said == "too few to say"


@pytest.mark.parametrize("counts", [(-1, 5, 1, 5), (6, 5, 1, 5), (1, 5, 6, 5)])
def test_what_is_no_share_is_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="from 0 to"):
        share_test(*counts)


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_it_does_not_matter_which_comes_first(of: int, other: int, a: float, b: float) -> None:
    one = share_test(round(a * of), of, round(b * other), other)
    turned = share_test(round(b * other), other, round(a * of), of)
    assert one.p == turned.p
    assert one.p is None or 0 <= one.p <= 1
    assert one.z is None or math.isclose(one.z, -(turned.z or 0.0))
