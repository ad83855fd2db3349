from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentome.errors import RunFolderError, WriteError
from latentome.io import (
    atomic_path,
    check_room,
    guard_writing,
    write_atomic,
    write_bytes,
    write_h5ad,
    write_json,
    write_table,
    write_toml,
)

#: Every writer, where no file may become larger than a few thousand bytes; each file is there already.
LIMITED = """
import resource, signal, sys
from pathlib import Path
import anndata, matplotlib.figure, numpy as np, pandas as pd
from latentome.errors import WriteError
from latentome.io import atomic_path, check_room, write_atomic, write_bytes, write_h5ad, write_json
from latentome.io import write_table, write_toml

folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
numbers = rng.random((200, 50))
frame = pd.DataFrame(numbers, index=[f"s{i}" for i in range(200)])
figure = matplotlib.figure.Figure()
figure.add_subplot().imshow(numbers)

def savez(path):
    with write_atomic(path) as stream:
        np.savez(stream, numbers=numbers)

def text(path):
    with write_atomic(path, "w") as stream:
        stream.write("x" * 10000)

def picture(path):
    with atomic_path(path) as aside:
        figure.savefig(aside)

def archive(path):
    with atomic_path(path) as aside:
        anndata.AnnData(frame).write_h5ad(aside)

writers = {
    "bytes": lambda path: write_bytes(path, bytes(10000)),
    "m.json": lambda path: write_json(path, {"numbers": numbers}),
    "c.toml": lambda path: write_toml(path, {"numbers": numbers}),
    "t.tsv": lambda path: write_table(path, frame),
    "t.tsv.gz": lambda path: write_table(path, frame),
    "a.h5ad": lambda path: write_h5ad(path, anndata.AnnData(frame)),
    "n.npz": savez,
    "text": text,
    "p.png": picture,
    "direct.h5ad": archive,
    "room": lambda path: check_room(path, 10000),
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
for name, write in writers.items():
    (folder / name).write_text("old")
    try:
        write(folder / name)
        print("written:", name)
    except WriteError as refused:
        assert refused.what == f"{name} cannot be written: files may not become that large there", refused
        print(name, refused.where, sep=" | ")
sys.stdout.flush()
import os
os._exit(0)  # HDF5 would try to close what it could not write
"""


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


@pytest.mark.parametrize("name", ["t.tsv", "t.csv", "t.csv.gz", "t.tsv.gz"])
def test_tables_are_reproducible_to_the_byte_and_read_back(tmp_path, name):
    frame = pd.DataFrame(
        {"z1": np.array([0.1, 1 / 3], np.float32), "type": ["a", "b"]}, index=pd.Index(["s1", "s2"], name="sample")
    )
    one, two = tmp_path / name, tmp_path / f"other-{name}"
    write_table(one, frame)
    write_table(two, frame)
    assert one.read_bytes() == two.read_bytes()
    back = pd.read_csv(one, sep="," if ".csv" in name else "\t", index_col=0)
    assert back.index.name == "sample"
    np.testing.assert_array_equal(back["z1"].to_numpy(np.float32), frame["z1"].to_numpy())


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_every_writer_says_that_there_is_no_room_and_leaves_the_old_file(tmp_path):
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(" | ") for line in done.stdout.splitlines())
    assert sorted(told) == sorted(path.name for path in tmp_path.iterdir()), "no writer got through, and no half file"
    assert {path.read_text() for path in tmp_path.iterdir()} == {"old"}
    assert len(told) == 11
    for name, where in told.items():
        assert where.startswith(f"{tmp_path / name}: File too large; "), where
        assert "bytes are free there" in where
    assert "; 10,000 bytes were to be written; " in told["bytes"]
    assert "; 10,000 bytes were to be written; " in told["room"]
    assert "bytes were to be written" in told["a.h5ad"]


FAILURES = {
    "ENOSPC": ("the disk is full", "Free space"),
    "EDQUOT": ("your share of the disk is used up", "Free space"),
    "EROFS": ("the disk is read-only", "Make it writable"),
    "EACCES": ("that is not allowed", "Get the right"),
}


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("name", FAILURES)
def test_what_the_disk_refuses_is_told_with_what_to_do(tmp_path, monkeypatch, name, call):
    (tmp_path / "metrics.json").write_text("old")

    def refuse(*_):
        number = getattr(errno, name)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"os.{call}", refuse)
    with pytest.raises(WriteError) as refused:
        write_bytes(tmp_path / "metrics.json", b"new")
    reason, todo = FAILURES[name]
    assert refused.value.what == f"metrics.json cannot be written: {reason}"
    assert "; 3 bytes were to be written" in refused.value.where
    assert ("bytes are free there" in refused.value.where) == (todo == "Free space")
    assert refused.value.todo.startswith(todo)
    assert "'latentome " not in refused.value.todo, "it may be any command"
    assert refused.value.todo.endswith("a training that had begun goes on with --resume.")
    assert isinstance(refused.value, RunFolderError), "exit code 2"
    assert refused.value.__cause__.errno == getattr(errno, name)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("metrics.json", "old")]


def test_there_is_room_on_this_disk_and_nothing_is_left_of_asking(tmp_path, monkeypatch):
    check_room(tmp_path / "model.keras", 10**6)
    check_room(tmp_path / "model.keras", 0)
    with pytest.raises(WriteError, match="model.keras cannot be written: (the disk is full|files may not)"):
        check_room(tmp_path / "model.keras", 2**53)
    monkeypatch.delattr("os.posix_fallocate", raising=False)
    check_room(tmp_path / "model.keras", 10**6)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_told(tmp_path):
    with pytest.raises(WriteError, match="its folder is gone"):
        write_bytes(tmp_path / "gone" / "metrics.json", b"new")


def test_other_errors_pass_as_they_are(tmp_path):
    """Only what keeps the file from being written is turned into a refusal, whatever else is wrong on the way."""

    def fail(error):
        with guard_writing(tmp_path / "metrics.json"):
            raise error

    unreadable = PermissionError(errno.EACCES, "Permission denied", "/etc/shadow")
    for error in (unreadable, FileNotFoundError(errno.ENOENT, "No such file", "data.tsv"), ValueError("defect")):
        with pytest.raises(type(error)) as raised:
            fail(error)
        assert raised.value is error
    try:
        raise unreadable
    except PermissionError:
        with pytest.raises(KeyError):
            fail(KeyError("while another error was handled"))
    told = WriteError("told", where="", expected="", todo="")
    told.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(WriteError, match="told"):
        fail(told)


def test_anndata_reads_back_and_is_as_it_writes_itself(tmp_path):
    import anndata
    import h5py

    obs = pd.DataFrame({"type": ["a", "b", "a"], "split": ["train"] * 3}, index=["s1", "s2", "s3"])
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=["g1", "g2"]))
    adata.obsm["X_vae"] = np.arange(6, dtype=np.float32).reshape(3, 2)
    adata.uns["model"] = {"family": "vae", "label_column": ""}
    write_h5ad(tmp_path / "ours.h5ad", adata.copy())
    adata.write_h5ad(tmp_path / "theirs.h5ad", compression="gzip")

    def content(path) -> dict[str, str]:
        found = {}
        with h5py.File(path, "r") as file:
            file.visititems(lambda name, item: found.update({name: str((dict(item.attrs), np.asarray(item)))}))
            return found | {"/": str(dict(file.attrs))}

    assert content(tmp_path / "ours.h5ad") == content(tmp_path / "theirs.h5ad")
    back = anndata.read_h5ad(tmp_path / "ours.h5ad")
    assert np.array_equal(back.obsm["X_vae"], adata.obsm["X_vae"])
    assert list(back.obs["type"]) == ["a", "b", "a"]
