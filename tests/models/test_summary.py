"""What a model starts from: moments and axes, as numpy and scikit-learn have them, in little more than the data."""

import tracemalloc

import numpy as np
import pytest
from sklearn.decomposition import PCA

from latentome.models import summary
from latentome.models.summary import summarise


@pytest.fixture(scope="module")
def x():
    """20,000 samples x 50 features of 4 MB, far from zero, with three directions that vary most."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(20_000, 3)) @ rng.normal(size=(3, 50))
    return (common + rng.normal(size=(20_000, 50)) + 100.0).astype("float32")


@pytest.mark.parametrize("parts", [1, 7])
def test_moments_and_axes(x, parts):
    seen = summarise(lambda: np.array_split(x, parts), 3)
    of_all = PCA(3, svd_solver="full").fit(x.astype(float))
    assert seen.n_rows == len(x)
    np.testing.assert_allclose(seen.mean, x.mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(seen.variance, x.var(axis=0, dtype=float), rtol=1e-10)
    np.testing.assert_allclose(seen.spread, of_all.explained_variance_, rtol=1e-4)
    assert np.abs(np.diag(seen.axes.T @ of_all.components_.T)).min() > 0.9999


@pytest.mark.parametrize("values", [2**10, 2**16])
def test_the_size_of_the_pieces_changes_no_bit(x, values, monkeypatch):
    expected = summarise(lambda: [x], 3)
    monkeypatch.setattr(summary, "VALUES", values)
    for mine, other in zip(summarise(lambda: [x[:]], 3), expected, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_rows_that_are_copied_out_are_in_memory_once_and_once_scaled(x, monkeypatch):
    monkeypatch.setattr(summary, "VALUES", 2**14)
    rows = np.arange(len(x))
    summarise(lambda: [x[rows]], 3)  # what is imported meanwhile is not counted
    tracemalloc.start()
    try:
        summarise(lambda: [x[rows]], 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.3 * x.nbytes
