"""The class example: every check value of the specification."""

from __future__ import annotations

import numpy as np
import pytest

from latentome.datasets import blobs
from latentome.errors import InputError


def pca_error(train: np.ndarray, test: np.ndarray, k: int = 2) -> float:
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:k]
    rest = (test - mean) - (test - mean) @ axes.T @ axes
    return float((rest**2).mean())


@pytest.mark.parametrize(
    ("seed", "x", "y", "sum_x", "sum_y", "correlation", "sizes"),
    [
        (
            1,
            [0.30078854, 0.40700402],
            [0.4773057, 0.3046329],
            505.6486824069234,
            498.7905055154958,
            0.443458,
            [258, 236, 253, 253],
        ),
        (
            2,
            [0.4252053, 0.27418146],
            [0.38972775, 0.47320378],
            504.514381689165,
            498.1654292196,
            0.434102,
            [236, 262, 257, 245],
        ),
    ],
)
def test_check_values(seed, x, y, sum_x, sum_y, correlation, sizes):
    adata = blobs(seed=seed)
    values = adata.X
    assert values.dtype == np.float64
    assert values.shape == (1000, 9)
    np.testing.assert_allclose(values[:2, 0], x, rtol=0, atol=5e-8)
    np.testing.assert_allclose(values[:2, 1], y, rtol=0, atol=5e-8)
    assert values[:, 0].sum() == pytest.approx(sum_x, rel=1e-12)
    assert values[:, 1].sum() == pytest.approx(sum_y, rel=1e-12)
    # The specification cuts the digits of the correlation instead of rounding them.
    assert np.corrcoef(values[:, 0], values[:, 1])[0, 1] == pytest.approx(correlation, abs=1e-6)
    assert adata.obs["blob"].value_counts(sort=False).tolist() == sizes
    assert values.min() >= 0
    assert values.max() < 0.99


def test_the_features_are_the_monomials_in_the_order_of_the_class():
    adata = blobs()
    x, y = adata.X[:, 0], adata.X[:, 1]
    assert list(adata.var_names) == ["x", "y", "xx", "xy", "yy", "xxx", "xxy", "xyy", "yyy"]
    for name, column in zip(adata.var_names, adata.X.T, strict=True):
        np.testing.assert_allclose(column, x ** name.count("x") * y ** name.count("y"), rtol=0, atol=1e-12)


def test_the_spectrum_and_the_optimum_of_pca():
    train, test = blobs().X, blobs(seed=2).X
    eigenvalues = np.linalg.svd(train - train.mean(axis=0), compute_uv=False) ** 2 / len(train)
    np.testing.assert_allclose(eigenvalues[:5], [0.234787, 0.069944, 0.003454, 0.001365, 0.000713], atol=5e-7)
    assert eigenvalues.sum() == pytest.approx(0.310314, abs=5e-7)
    assert pca_error(train, train, 0) == pytest.approx(0.0344793, abs=5e-8)
    assert pca_error(train, train) == pytest.approx(6.2030e-4, abs=5e-9)
    assert pca_error(train, train) == pytest.approx(eigenvalues[2:].sum() / 9, rel=1e-12)
    assert pca_error(train, test) == pytest.approx(5.929e-4, abs=5e-8)
    assert pca_error(test, test) == pytest.approx(5.884e-4, abs=5e-8)


def test_the_uncentred_optimum_and_the_residuals_by_feature():
    train = blobs().X
    axes = np.linalg.svd(train, full_matrices=False)[2][:2]
    assert ((train - train @ axes.T @ axes) ** 2).mean() == pytest.approx(2.983e-3, abs=5e-7)
    centred = train - train.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    residuals = ((centred - centred @ axes.T @ axes) ** 2).mean(axis=0)
    expected = [8.6e-4, 1.70e-3, 9.8e-5, 2.7e-4, 6.5e-5, 9.0e-4, 3.0e-4, 6.1e-4, 7.7e-4]
    np.testing.assert_allclose(residuals, expected, rtol=0.02)


def test_the_independent_variant():
    adata = blobs(independent=True)
    assert pca_error(adata.X, adata.X) == pytest.approx(9.582e-4, abs=5e-8)
    assert abs(np.corrcoef(adata.X[:, 0], adata.X[:, 1])[0, 1]) < 0.1
    sizes = adata.obs["blob"].value_counts()
    assert sorted(sizes.index) == [f"{i}-{j}" for i in (1, 2, 3, 4) for j in (1, 2, 3)]
    middle = sizes[[name for name in sizes.index if name.endswith("-2")]].sum()
    assert 450 < middle < 550  # y = 0.5 is the centre of two of the four draws
    centres = adata.to_df().groupby(adata.obs["blob"], observed=True)[["x", "y"]].mean()
    np.testing.assert_allclose(centres.loc["3-1"], [0.75, 0.25], atol=0.03)
    np.testing.assert_array_equal(adata.X[:, 0], blobs().X[:, 0])


def test_the_global_generator_is_neither_read_nor_set():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = blobs(50).X
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.random.seed(6)  # noqa: NPY002
    np.testing.assert_array_equal(blobs(50).X, first)


def test_too_few_points():
    with pytest.raises(InputError, match="n_samples"):
        blobs(1)
