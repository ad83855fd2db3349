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


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"genes": 50},
        {"genes": 50, "select": "median-deviation", "scaling": "robust"},
        {"genes": 50, "select": "variance", "scaling": "z-score", "impute": "mean", "duplicates": "most-variable"},
    ],
)
def test_held_out_rows_change_nothing_that_is_learned(two_tables, choices):
    one, other, held_out = two_tables
    scaling = choices.get("scaling", "zero-one")
    first, second = (prepare(RunConfig(str(path), **choices), scaling) for path in (one, other))
    np.testing.assert_array_equal(first.training, ~held_out)
    np.testing.assert_array_equal(second.training, ~held_out)
    assert first.preprocessing.transform == second.preprocessing.transform == "none"
    assert first.preprocessing.genes == second.preprocessing.genes
    for name in ("minimum", "span", "mean", "lowest", "highest"):
        np.testing.assert_array_equal(getattr(first.preprocessing, name), getattr(second.preprocessing, name))
    np.testing.assert_array_equal(first.adata.X[~held_out], second.adata.X[~held_out])
    if scaling != "zero-one":
        return
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


def test_which_gene_of_a_name_is_kept_is_learned_from_training_rows_and_travels(tmp_path):
    """Of two genes named alike one varies among the training samples, the other among the held-out ones only."""
    frame = lt.datasets.load("tcga-33")[:200].to_df()
    frame.to_csv(tmp_path / "names.tsv", sep="\t")
    held_out = ~prepare(RunConfig(str(tmp_path / "names.tsv")), "zero-one").training
    rng = np.random.default_rng(0)
    quiet = np.where(held_out, 20 * rng.random(200), 5 + 0.01 * rng.random(200)).astype("float32")
    frame.insert(0, "TWIN|1", quiet)
    frame.insert(1, "TWIN|2", np.where(held_out, 5, 5 + rng.random(200)).astype("float32"))
    frame.columns = [name if "|" in name else f"{name}|{i}" for i, name in enumerate(frame.columns)]
    frame.to_csv(tmp_path / "twins.tsv", sep="\t")
    config = RunConfig(str(tmp_path / "twins.tsv"), duplicates="most-variable")
    prepared = prepare(config, "zero-one")
    kept = [gene for gene in prepared.preprocessing.genes if gene.startswith("TWIN")]
    assert kept == ["TWIN|2"]
    # New samples are read by the same rule, and the same gene of the two is found.
    new = lt.io.read(tmp_path / "twins.tsv", duplicates="most-variable")[held_out]
    np.testing.assert_array_equal(prepared.preprocessing.apply(new)[0], prepared.adata.X[held_out])


def test_preprocessing_of_an_older_version_still_loads(two_tables, tmp_path):
    import json

    prepared = prepare(RunConfig(str(two_tables[0])), "zero-one")
    path = tmp_path / "preprocessing.json"
    prepared.preprocessing.save(path)
    content = json.loads(path.read_text())
    for name in ("selection", "scale", "clip", "lowest", "highest"):
        del content[name]
    path.write_text(json.dumps({**content, "schema": 1}))
    old = lt.pp.Preprocessing.load(path)
    assert old.clip is False
    np.testing.assert_array_equal(old.apply(lt.io.read(two_tables[0]))[0], prepared.adata.X)


CATEGORIES = np.resize(["one", "two", "three"], 120)


@pytest.mark.parametrize(
    ("make", "how"),
    [
        (lambda **more: lt.VariationalAutoencoder(3, hidden=[], **more), {}),
        (lambda **more: lt.VariationalAutoencoder(3, linear_path=False, hidden=[4], **more), {}),
        (lambda **more: lt.VariationalAutoencoder(3, hidden=[4], **more), {"covariate": CATEGORIES}),
        (lambda **more: lt.DenoisingAutoencoder(3, **more), {}),
        (lambda **more: lt.DeepAutoencoder(3, hidden=[4], **more), {}),
    ],
    ids=["vae", "vae without a linear path", "vae with a covariate", "denoising", "deep"],
)
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_what_is_held_out_of_a_fit_does_not_move_the_model(make, how, where):
    """Without early stopping; other rows in their place change the validation losses and no weight."""
    if where == "disk" and "covariate" in how:
        pytest.skip("a covariate is taken with data in memory")
    wrap = lt.io.MemoryMatrix if where == "disk" else np.asarray
    x = np.random.default_rng(0).uniform(size=(120, 10)).astype("float32")
    first = make(max_epochs=2, batch_size=20, random_state=0).fit(wrap(x), **how)
    other = x.copy()
    other[first.validation_rows_] = x[first.validation_rows_] ** 4
    second = make(max_epochs=2, batch_size=20, random_state=0).fit(wrap(other), **how)
    assert len(first.validation_rows_) == (20 if where == "disk" else 12)  # whole batches from disk
    assert not np.allclose(first.history_["val_loss"], second.history_["val_loss"])
    for mine, theirs in zip(first.model_.get_weights(), second.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
