"""Law 5. Scaling and gene selection see training rows only, and travel with the model."""

import numpy as np
import pytest

import latentome as lt
from latentome.workflow import RunConfig
from latentome.workflow.prepare import prepare


@pytest.fixture
def two_tables(tmp_path):
    """The same tumours twice; in the second table the held-out ones are wildly different."""
    adata = lt.datasets.load("tcga-33")[:200]
    frame = adata.to_df()
    frame.to_csv(tmp_path / "one.tsv", sep="\t")
    held_out = prepare(RunConfig(str(tmp_path / "one.tsv")), "zero-one").adata.obs["split"].to_numpy() == "test"
    rng = np.random.default_rng(0)
    frame.loc[held_out] = rng.uniform(-5, 5000, size=(held_out.sum(), frame.shape[1])).astype("float32")
    frame.to_csv(tmp_path / "other.tsv", sep="\t")
    return tmp_path / "one.tsv", tmp_path / "other.tsv", held_out


@pytest.mark.parametrize("genes", [None, 50])
def test_held_out_rows_change_nothing_that_is_learned(two_tables, genes):
    one, other, held_out = two_tables
    first, second = (prepare(RunConfig(str(path), genes=genes), "zero-one") for path in (one, other))
    np.testing.assert_array_equal(first.training, ~held_out)
    np.testing.assert_array_equal(second.training, ~held_out)
    assert first.preprocessing.transform == second.preprocessing.transform == "none"
    assert first.preprocessing.genes == second.preprocessing.genes
    for name in ("minimum", "span", "mean"):
        np.testing.assert_array_equal(getattr(first.preprocessing, name), getattr(second.preprocessing, name))
    np.testing.assert_array_equal(first.adata.X[~held_out], second.adata.X[~held_out])
    # The training rows fill [0, 1] exactly; the held-out ones do not have to stay inside.
    assert first.adata.X[~held_out].min() == 0.0
    assert first.adata.X[~held_out].max() == 1.0
    assert second.adata.X[held_out].max() > 10.0


def test_pca_and_the_model_see_training_rows_only(two_tables):
    one, other, held_out = two_tables
    prepared = [prepare(RunConfig(str(path)), "zero-one").adata for path in (one, other)]
    for adata in prepared:
        lt.tl.pca(adata, 5, ~held_out)
    np.testing.assert_array_equal(prepared[0].varm["pca_loadings"], prepared[1].varm["pca_loadings"])


def test_the_scaling_travels_with_the_model(two_tables, tmp_path):
    one, _, held_out = two_tables
    prepared = prepare(RunConfig(str(one)), "zero-one")
    prepared.preprocessing.save(tmp_path / "preprocessing.json")
    kept = lt.pp.Preprocessing.load(tmp_path / "preprocessing.json")
    # Two new samples alone: a scaling fitted on them would make them 0 and 1 everywhere.
    new = lt.io.read(one)[held_out][:2]
    np.testing.assert_array_equal(kept.apply(new)[0], prepared.adata.X[held_out][:2])
