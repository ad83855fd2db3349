from __future__ import annotations

import numpy as np
import pytest

from latentome import pp
from latentome.datasets import load
from latentome.errors import InputError
from latentome.pp.transform import LOG_MAXIMUM, choose_transform, recognise_scale


def test_auto_leaves_a_log_scale_alone():
    values = load("tcga-6").X
    chosen, said = pp.choose_transform(values, "auto")
    assert chosen == "none"
    assert f"{values.max():.4g}" in said


def test_auto_takes_the_logarithm_of_a_linear_scale():
    values = np.exp2(load("tcga-33").X) - 1.0
    chosen, said = pp.choose_transform(values, "auto")
    assert chosen == "log2p1"
    assert f"{values.max():.4g}" in said
    assert "linear scale" in said


def test_auto_leaves_scores_with_negative_values_alone():
    scores = np.random.default_rng(0).normal(size=(50, 8))
    assert pp.choose_transform(scores, "auto")[0] == "none"


def test_the_border_is_what_a_log2_abundance_can_reach():
    values = np.array([[0.5, LOG_MAXIMUM]])
    assert pp.choose_transform(values, "auto")[0] == "none"
    assert pp.choose_transform(np.nextafter(values, np.inf), "auto")[0] == "log2p1"


@pytest.mark.parametrize("transform", ["auto", "log2p1"])
def test_a_logarithm_that_does_not_exist_is_refused_with_its_place(transform):
    values = np.full((3, 4), 1000.0)
    values[1, 2] = -1.0
    with pytest.raises(InputError, match="does not exist") as refused:
        pp.choose_transform(values, transform)
    assert "row 1, column 2" in refused.value.where
    assert pp.choose_transform(values, "none")[0] == "none"


def test_an_unknown_transform_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'log2p1'"):
        pp.choose_transform(np.zeros((2, 2)), "log2p")


def test_log2p1_is_the_logarithm_of_numpy():
    values = np.concatenate([[0.0, 1e-6, 1e-3], np.geomspace(0.01, 1e9, 2000)])[None]
    got = pp.apply_transform(values, "log2p1")
    expected = np.log2(values + 1.0)
    assert got.dtype == np.float32
    # Float32 has 24 bits: 6e-8 relative, through one logarithm and one product.
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-12)


def test_small_negative_abundances_count_as_nothing_measured_and_the_input_is_not_changed():
    values = np.array([[-0.5, -1e-9, 0.0, 3.0]])
    kept = values.copy()
    assert pp.apply_transform(values, "log2p1").tolist() == [[0.0, 0.0, 0.0, 2.0]]
    assert np.array_equal(values, kept)


def test_z_scores_of_rare_genes_are_no_linear_values():
    """A gene that few samples have lies far out in those: 3,000 samples, of which it has a dozen."""
    rng = np.random.default_rng(0)
    values = rng.poisson(0.004, (3000, 40)) * rng.gamma(2.0, 5.0, (3000, 40))
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    assert z.max() > 30
    assert recognise_scale(z.astype(np.float32)).kind == "z-scores"
    assert recognise_scale(values.astype(np.float32)).transform == "log2p1"
    # Most genes silent around zero, some far up: linear, though the middle gene looks like a z-score.
    silent = np.where(rng.random((100, 400)) < 0.02, rng.gamma(1, 5, (100, 400)), 0) + rng.normal(0, 0.01, (100, 400))
    silent[:, :60] += rng.gamma(2, 200, (100, 60))
    assert recognise_scale(silent.astype(np.float32)).transform == "log2p1"
    with pytest.raises(InputError, match=r"--transform none") as refused:
        choose_transform(np.where(values > 0, values, -2.0).astype(np.float32) + 0.5, "auto")
    assert "auto chose it" in refused.value.where
