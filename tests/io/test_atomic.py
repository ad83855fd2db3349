from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentome.io import atomic_path, write_atomic, write_bytes, write_json, write_table, write_toml


@pytest.mark.parametrize(("mode", "content"), [("wb", b"half"), ("w", "half")])
def test_a_failing_writer_leaves_the_old_file_and_no_litter(tmp_path, mode, content):
    path = tmp_path / "metrics.json"
    path.write_text("old")

    def write_half():
        with write_atomic(path, mode) as stream:
            stream.write(content)
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        write_half()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_a_file_is_not_there_before_it_is_complete(tmp_path):
    path = tmp_path / "latent.tsv"
    with write_atomic(path, "w") as stream:
        stream.write("å\n")
        assert not path.exists()
    assert path.read_bytes() == "å\n".encode()


def test_atomic_path_keeps_the_suffix_and_replaces(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("old")
    with atomic_path(path) as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == tmp_path
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_new_file_has_the_usual_rights(tmp_path):
    (tmp_path / "plain").write_text("")
    write_bytes(tmp_path / "atomic", b"x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_json_takes_numpy_and_paths_and_writes_nan_as_null(tmp_path):
    path = tmp_path / "m.json"
    write_json(path, {"a": np.float32(0.5), "b": np.arange(3), "c": float("nan"), "d": Path("x/y"), "e": (1, np.True_)})
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [0, 1, 2], "c": None, "d": "x/y", "e": [1, True]}


def test_toml_leaves_out_none(tmp_path):
    path = tmp_path / "config.toml"
    write_toml(path, {"z": np.int64(100), "labels": None, "train": {"lr": 5e-4, "hidden": (100, 300)}})
    assert tomllib.loads(path.read_text()) == {"z": 100, "train": {"lr": 5e-4, "hidden": [100, 300]}}


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz"])
def test_tables_are_reproducible_to_the_byte_and_read_back(tmp_path, name):
    frame = pd.DataFrame(
        {"z1": np.array([0.1, 1 / 3], np.float32), "type": ["a", "b"]}, index=pd.Index(["s1", "s2"], name="sample")
    )
    one, two = tmp_path / name, tmp_path / f"other-{name}"
    write_table(one, frame)
    write_table(two, frame)
    assert one.read_bytes() == two.read_bytes()
    back = pd.read_csv(one, sep="\t", index_col=0)
    assert back.index.name == "sample"
    np.testing.assert_array_equal(back["z1"].to_numpy(np.float32), frame["z1"].to_numpy())
