"""The class example from start to end: its models as good as they should be, saved as trained, a figure to read."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import latentome as lt
from latentome import io
from latentome.errors import RunFolderError
from latentome.workflow import class3, reproduce_class3


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder, the errors, and the figure as it was drawn."""
    folder, drawn, draw = tmp_path_factory.mktemp("class3") / "run", [], class3.pl.class3_panels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class3.pl, "class3_panels", lambda *a, **k: drawn.append(draw(*a, **k)) or drawn[-1])
        errors = reproduce_class3(folder)
    return folder, errors, drawn[0]


def test_its_data_are_the_bundled_ones():
    for name, seed in (("blobs", 1), ("blobs-test", 2)):
        np.testing.assert_array_equal(class3.draw_blobs(seed=seed)[0], lt.datasets.load(name).X)


def test_model_1_comes_close_to_pca_and_model_2_is_far_better(done):
    _, errors, _ = done
    for side in ("blobs", "blobs-test"):
        assert errors.loc["model 1", f"times PCA on {side}"] < 1.2
        assert errors.loc["model 2", f"times PCA on {side}"] < 0.2


def test_what_is_saved_gives_the_errors_back(done):
    folder, errors, _ = done
    assert {path.name for path in folder.iterdir()} == set(class3.FILES)
    new = lt.datasets.load("blobs-test").X
    for name in ("model 1", "model 2"):
        model = lt.load_model(folder / name.replace(" ", ""))
        back = model.inverse_transform(model.transform(new))
        assert np.square(new - back).mean() == pytest.approx(errors.loc[name, "MSE on blobs-test"], rel=1e-5)


def test_titles_keep_to_their_panels_and_all_to_the_figure(done):
    figure = done[2]
    figure.draw_without_rendering()
    titles = [axes._left_title.get_window_extent() for axes in figure.axes]
    assert not any(left.overlaps(right) for left, right in zip(titles[:-1], titles[1:], strict=True))
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_one_that_is_broken_off_leaves_nothing_of_the_earlier_one_beside_its_own(done, tmp_path, monkeypatch):
    folder, *_ = done
    again = shutil.copytree(folder, tmp_path / "again")
    models = {name: lt.load_model(folder / name.replace(" ", "")) for name in ("model 1", "model 2")}
    monkeypatch.setattr(class3, "_train", lambda *a: models)
    monkeypatch.setattr(class3.io, "write_table", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        reproduce_class3(again, replace=True)
    assert {path.name for path in again.iterdir()} == {"model1", "model2"}
    monkeypatch.undo()
    monkeypatch.setattr(class3, "_train", lambda *a: models)
    reproduce_class3(again, replace=True)
    for name in ("errors.tsv", "predictions.tsv"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_two_do_not_write_into_one_folder(done, tmp_path):
    again = shutil.copytree(done[0], tmp_path / "again")
    with io.lock_folder(again), ThreadPoolExecutor(1) as pool, pytest.raises(RunFolderError, match="being written"):
        pool.submit(reproduce_class3, again, replace=True).result()
    assert {path.name for path in again.iterdir()} == set(class3.FILES)
