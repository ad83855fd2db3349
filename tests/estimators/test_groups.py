"""Samples that belong together are on one side: none of a group is trained on while others of it judge the training."""

import anndata
import numpy as np
import pytest
from sklearn.decomposition import PCA

import latentome as lt
from latentome.estimators.holdout import hold_out
from latentome.estimators.nonlinear_pca import _by_group, _clearly_lower
from latentome.io import MemoryMatrix
from latentome.pp.split import group_codes
from latentome.workflow import Reporter


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", [[1] * 50, [5] * 40, [3, 4, 7, 11, 2, 2, 9, 1, 6, 5, 13], [1, 1, 60]])
def test_whole_groups_are_held_out_as_many_rows_for_every_seed(sizes, seed):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows, held_out = hold_out(len(groups), 0.1, seed, groups)
    assert not set(groups[rows]) & set(groups[held_out])
    np.testing.assert_array_equal(np.sort(np.concatenate([rows, held_out])), np.arange(len(groups)))
    # By trying all sums: the most that whole groups can make of a tenth.
    wanted, sums = round(0.1 * len(groups)), {0}
    for size in sizes:
        sums |= {s + size for s in sums if s + size <= wanted}
    assert len(held_out) == max(sums)


def test_where_every_group_is_too_large_the_smallest_is_held_out():
    groups = np.repeat([0, 1, 2], [30, 20, 40])
    np.testing.assert_array_equal(hold_out(90, 0.1, 3, groups)[1], np.arange(30, 50))
    with pytest.raises(lt.InputError, match="all samples are of one"):
        lt.LinearAutoencoder(2, max_epochs=1).fit(np.eye(10), groups=np.zeros(10))


def test_repeated_samples_of_donors_do_not_lead_away_from_pca():
    # 40 donors without structure, five nearly equal samples of each: what fits one sample fits its copies.
    errors = {"groups": [], "rows": [], "PCA": []}
    small = {"hidden": (32,), "max_epochs": 40, "learning_rate": 0.005}
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        donors, new = rng.normal(size=(40, 100)), rng.normal(size=(300, 100))
        x = (np.repeat(donors, 5, axis=0) + 0.1 * rng.normal(size=(200, 100))).astype(np.float32)
        groups = np.repeat([f"donor {i}" for i in range(40)], 5)
        models = {"groups": lt.NonlinearPCA(10, random_state=seed, **small).fit(x, groups=groups)}
        models["rows"] = lt.NonlinearPCA(10, random_state=seed, **small).fit(x)
        errors["PCA"].append(np.square(new - (pca := PCA(10).fit(x)).inverse_transform(pca.transform(new))).mean())
        for name, model in models.items():
            errors[name].append(np.square(new - model.inverse_transform(model.transform(new))).mean())
    assert np.mean(errors["groups"]) < 1.01 * np.mean(errors["PCA"])
    assert np.mean(errors["rows"]) > 1.03 * np.mean(errors["PCA"])


def test_groups_are_those_of_the_samples():
    x = np.random.default_rng(0).random((30, 4), dtype=np.float32)
    with pytest.raises(lt.InputError, match="not those of these samples"):
        lt.LinearAutoencoder(2, max_epochs=1).fit(x, groups=np.zeros(10))
    alone = [f"g{i}" for i in range(30)]
    model = lt.LinearAutoencoder(2, max_epochs=2, random_state=0, members=2).fit(x, groups=[*alone[:28], None, None])
    assert len(model.validation_rows_) == 3
    with pytest.raises(lt.InputError, match="whole blocks"):
        lt.LinearAutoencoder(2, max_epochs=1).fit(MemoryMatrix(x), groups=alone)


def test_a_run_by_patients_validates_on_whole_patients(tmp_path):
    adata = lt.datasets.simulate(120, 30, n_types=3, rng=0)
    adata.obs["patient"] = [f"p{i // 3}" for i in range(120)]
    adata.write_h5ad(tmp_path / "x.h5ad")
    lt.run(tmp_path / "x.h5ad", model="linear", out=tmp_path / "run", group="patient", parameters={"max_epochs": 2})
    model = lt.load_model(tmp_path / "run")
    obs = anndata.read_h5ad(tmp_path / "run" / "latent.h5ad").obs
    patients = obs.loc[obs["split"] == "train", "patient"].to_numpy()
    assert not set(patients[model.training_rows_]) & set(patients[model.validation_rows_])


def test_data_too_large_for_a_device_validate_on_blocks_and_a_note_says_so(tmp_path, monkeypatch):
    adata = lt.datasets.simulate(120, 30, n_types=3, rng=0)
    adata.obs["patient"] = [f"p{i // 3}" for i in range(120)]
    adata.write_h5ad(tmp_path / "x.h5ad")
    for module in ("training.memory", "estimators.base"):
        monkeypatch.setattr(f"latentome.{module}.fits_on_device", lambda *shape: False)
    said = []
    monkeypatch.setattr(Reporter, "say", lambda self, text: said.append(text))
    how = {"model": "linear", "out": tmp_path / "run", "group": "patient", "parameters": {"max_epochs": 2}}
    lt.run(tmp_path / "x.h5ad", **how)
    assert "The validation samples of the training are blocks of the data, whatever their groups." in said
    assert "The data do not fit on the device: they are trained on in buffers, block-shuffled." in said


def test_samples_without_a_group_are_groups_of_their_own():
    assert group_codes(["b", None, "a", "b", float("nan")]).tolist() == [1, 2, 0, 1, 3]


def test_a_gain_of_one_group_is_that_of_one_witness():
    # Ten samples of one donor gained, and two donors lost a little: beyond chance by samples, not by donors.
    before, after = np.full(12, 5.0), np.array([1.0] * 10 + [5.5, 5.5])
    donors = np.repeat([0, 1, 2], [10, 1, 1])
    assert _clearly_lower(after, before)
    assert not _clearly_lower(_by_group(after, donors), _by_group(before, donors))


def test_folds_and_halves_train_by_groups(monkeypatch):
    adata = lt.datasets.simulate(80, 12, n_types=2, rng=0)
    groups, told = np.array([f"p{i // 4}" for i in range(80)]), []
    prepare = lt.LinearAutoencoder._prepare_fit

    def noted(self, X, columns=None, groups=None):
        told.append(None if groups is None else (len(groups), len(X), np.bincount(groups).max()))
        return prepare(self, X, columns, groups)

    monkeypatch.setattr(lt.LinearAutoencoder, "_prepare_fit", noted)
    makers = {"linear": lambda k, seed: lt.LinearAutoencoder(k, max_epochs=1, random_state=seed)}
    list(lt.tl.compare(adata, makers, [2], None, folds=2, seeds=1, groups=groups))
    model = makers["linear"](2, 0).fit(adata.X)
    lt.tl.replication(adata.X, model, 1, groups=groups)
    assert [one for one in told if one] == [(40, 40, 4)] * 4
