from __future__ import annotations

import numpy as np
import pytest

from latentome.datasets import simulate
from latentome.datasets.simulate import SATURATION, _draw_truth, _express
from latentome.errors import InputError


def test_shape_types_and_ranges(tmp_path):
    adata = simulate(301, 500, n_types=5, n_factors=7)
    assert adata.shape == (301, 500)
    assert adata.X.dtype == np.float32
    assert adata.X.min() >= 0
    assert 12 < adata.X.max() <= 20
    assert sorted(adata.obs["type"].value_counts()) == [60, 60, 60, 60, 61]
    assert adata.obsm["X_true"].shape == (301, 7)
    assert adata.varm["loadings_true"].shape == (500, 7)
    assert (adata.varm["loadings_true"] >= 0).all()
    assert (adata.varm["loadings_true"] > 0).any(axis=1).all()
    assert (adata.varm["loadings_true"] == 0).mean() > 0.5
    assert adata.uns["simulate"]["seed"] == 0
    adata.write_h5ad(tmp_path / "x.h5ad")


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    np.testing.assert_array_equal(simulate(50, 40).X, simulate(50, 40).X)
    np.testing.assert_array_equal(simulate(50, 40, rng=np.random.default_rng(0)).X, simulate(50, 40).X)
    assert not np.array_equal(simulate(50, 40, rng=1).X, simulate(50, 40).X)


@pytest.mark.parametrize("block_values", [1, 333, 7 * 333, 100 * 333, 10**9])
def test_the_blocks_do_not_change_a_bit(block_values):
    def run(size):
        generator = np.random.default_rng(3)
        return _express(generator, _draw_truth(generator, 101, 333, 6, 10), 0.3, size)

    np.testing.assert_array_equal(run(block_values), run(50 * 333))


def test_without_noise_the_values_follow_from_the_factors():
    adata = simulate(60, 80, noise=0.0)
    signal = adata.obsm["X_true"] @ adata.varm["loadings_true"].T
    expected = adata.var["baseline"].to_numpy() + SATURATION * signal / (SATURATION + signal)
    np.testing.assert_allclose(adata.X, np.clip(expected, 0, 20), atol=1e-5)


def test_as_many_components_as_factors_explain_nearly_all_but_the_noise():
    adata = simulate(600, 400, n_factors=6, noise=0.2)
    centred = adata.X - adata.X.mean(axis=0)
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2 / centred.size
    assert spectrum[:6].sum() / spectrum.sum() > 0.8
    rest = spectrum[6:].sum()
    assert 0.2**2 * 0.9 < rest < 0.2**2 * 4  # noise, and what the saturation bends


@pytest.mark.parametrize(
    ("kwargs", "name"),
    [
        ({"n_samples": 1}, "n_samples"),
        ({"n_genes": 0}, "n_genes"),
        ({"n_types": 11}, "n_types"),
        ({"n_factors": 0}, "n_factors"),
        ({"noise": -1.0}, "noise"),
    ],
)
def test_numbers_out_of_range(kwargs, name):
    with pytest.raises(InputError, match=f"{name} is "):
        simulate(**({"n_samples": 10, "n_genes": 5} | kwargs))
