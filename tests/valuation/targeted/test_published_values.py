"""Selections, gains and evaluations that submodlib 0.0.3 prints for the twelve points and three queries, in float32."""

import numpy as np
import pytest

from scaling.valuation import make_objective
from tests.valuation.definitions import A, K, Q, greedy, shifted

TO_Q = shifted(A, Q)
CASES = {
    "flqmi": ({"queries": Q}, [5, 3, 4, 8, 11], [2.918178, 1.610438, 1.356753, 0.753067, 0.705495], 4.37672102),
    "flvmi": ({"queries": Q}, [4, 3, 5, 8], [6.228004, 1.366009, 0.466593, 0.276684], 7.16398558),
    "gcmi": ({"queries": Q}, [5, 7, 6, 1, 4], [1.929721, 1.722078, 1.505249, 1.492734, 1.488675], 4.70348728),
    "com": ({"queries": Q}, [5, 7, 1, 6, 10], [3.736756, 2.252622, 1.855307, 1.763346, 1.696871], 7.49096889),
    "log_det_mi": ({"queries": Q}, [5, 3, 4, 2, 10], [1.78461, 1.403295, 1.36688, 0.363605, 0.214041], 2.47080420),
    "flcg": ({"private": Q}, [2, 9, 10, 6, 7], [1.093249, 0.968374, 0.523774, 0.400725, 0.388378], 1.38152209),
}
GIVEN = {
    "flqmi": {"query_similarities": TO_Q},
    "flvmi": {"query_similarities": TO_Q, "similarities": K},
    "gcmi": {"query_similarities": TO_Q},
    "com": {"query_similarities": TO_Q},
    "log_det_mi": {"query_similarities": TO_Q, "similarities": K, "query_kernel": shifted(Q)},
    "flcg": {"private_similarities": TO_Q, "similarities": K},
}


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_selections(name, given):
    options, members, expected, at_three = CASES[name]
    objective = make_objective(name, None if given else A, 5, **(GIVEN[name] if given else options))
    chosen, gains = greedy(objective, len(members))
    assert chosen == members
    np.testing.assert_allclose(gains, expected, atol=1e-6)
    assert objective.evaluate([1, 4, 7]) == pytest.approx(at_three, rel=3e-7)
    assert objective.evaluate([7, 1, 4]) == pytest.approx(at_three, rel=3e-7)


def test_flvmi_ends_in_a_tie():
    objective = make_objective("flvmi", A, 5, queries=Q)
    for index in (4, 3, 5, 8):
        objective.add(index)
    gains = objective.gains()
    assert np.flatnonzero(gains > gains.max() - 1e-12).tolist() == [2, 11]
    assert gains.max() == pytest.approx(0.001278, abs=1e-6)
