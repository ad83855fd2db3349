"""An ensemble on disk is the ensemble, whole: no member is lost, mixed with an earlier one's, or taken from it."""

from __future__ import annotations

import os

import numpy as np
import pytest

import latentome as lt


@pytest.fixture(scope="module")
def ensemble(linear, x):
    """Compiled already for the tests of early stopping."""
    return linear(max_epochs=400, patience=4, members=3).fit(x)


@pytest.fixture(scope="module")
def single(linear, x):
    return linear().fit(x)


def test_save_and_load_give_identical_numbers(ensemble, x, tmp_path):
    loaded = lt.load_model(ensemble.save(tmp_path / "model"))
    codes = ensemble.transform(x)
    assert codes.shape == (90, 9)
    np.testing.assert_array_equal(loaded.transform(x), codes)
    np.testing.assert_array_equal(loaded.inverse_transform(codes), ensemble.inverse_transform(codes))
    np.testing.assert_array_equal(loaded.history_.to_numpy(), ensemble.history_.to_numpy())
    assert list(loaded.history_) == list(ensemble.history_)
    assert loaded.history_["member"].dtype == ensemble.history_["member"].dtype
    assert (loaded.best_epoch_, loaded.n_iter_, loaded.seed_) == (ensemble.best_epoch_, ensemble.n_iter_, 0)
    assert loaded.get_params() == ensemble.get_params()
    assert len(loaded.models_) == 3


def test_the_reconstruction_is_the_mean_of_what_the_members_make_of_their_own_codes(ensemble, x):
    codes = np.split(ensemble.transform(x), 3, axis=1)
    decoded = [m.decoder.predict(z, verbose=0) for m, z in zip(ensemble.models_, codes, strict=True)]
    np.testing.assert_allclose(ensemble.inverse_transform(np.hstack(codes)), np.mean(decoded, axis=0), atol=1e-5)
    with pytest.raises(lt.InputError, match="9 components"):
        ensemble.inverse_transform(codes[0])


@pytest.mark.parametrize("name", ["model.keras", "model.member-1.keras", "model.member-2.keras"])
def test_a_missing_member_is_refused_by_its_name(name, ensemble, tmp_path):
    folder = ensemble.save(tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(lt.InputError, match="no complete model") as refused:
        lt.load_model(folder)
    assert f"missing: {name}" in refused.value.where


def test_a_smaller_model_in_the_same_folder_leaves_no_member_of_the_larger_one(ensemble, single, x, tmp_path):
    folder = ensemble.save(tmp_path / "model")
    assert sorted(path.name for path in folder.glob("*.keras")) == [
        "model.keras", "model.member-1.keras", "model.member-2.keras",
    ]  # fmt: skip
    single.save(folder)
    assert [path.name for path in folder.glob("*.keras")] == ["model.keras"]
    np.testing.assert_array_equal(lt.load_model(folder).transform(x), single.transform(x))
    ensemble.save(folder)
    np.testing.assert_array_equal(lt.load_model(folder).transform(x), ensemble.transform(x))


@pytest.mark.parametrize("done", range(7))
def test_a_save_that_breaks_off_leaves_no_mixture_of_two_models(done, ensemble, linear, x, monkeypatch, tmp_path):
    other = linear(max_epochs=400, patience=4, members=3, random_state=5).fit(x)
    folder = ensemble.save(tmp_path / "model")
    rename, calls = os.replace, []

    def breaks(*paths):
        calls.append(paths)
        if len(calls) > done:
            raise OSError("the disk is gone")
        rename(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", breaks)
        with pytest.raises(OSError, match="the disk is gone"):
            other.save(folder)
    with pytest.raises(lt.InputError, match="no complete model"):
        lt.load_model(folder)
    other.save(folder)
    np.testing.assert_array_equal(lt.load_model(folder).transform(x), other.transform(x))


def test_pickle_keeps_every_member(ensemble, x):
    import pickle

    again = pickle.loads(pickle.dumps(ensemble))
    np.testing.assert_array_equal(again.transform(x), ensemble.transform(x))
    assert len(again.models_) == 3
