from __future__ import annotations

import numpy as np
import pytest

from latentome import tl


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 200])
def test_an_order_is_a_permutation(n):
    order = tl.cluster_order(np.random.default_rng(n).normal(size=(n, 4)))
    assert sorted(order) == list(range(n))


@pytest.mark.parametrize("seed", range(5))
def test_separated_groups_stay_together(seed):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat([0, 1, 2], [15, 25, 8]))
    rows = rng.normal(size=(48, 6)) + 20.0 * group[:, None]
    told = group[tl.cluster_order(rows)]
    assert (np.diff(told) != 0).sum() == 2, "each group is one run of neighbours"


def test_the_order_is_that_of_the_rows_wherever_they_come():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 3))
    shuffled = rng.permutation(30)
    one, other = rows[tl.cluster_order(rows)], rows[shuffled][tl.cluster_order(rows[shuffled])]

    def length(path):
        return np.linalg.norm(np.diff(path, axis=0), axis=1).sum()

    # The same tree has many leaf orders; all of them put alike rows next to each other, much better than chance does.
    chance = length(rows)
    assert length(one) < 0.75 * chance
    assert length(other) < 0.75 * chance
