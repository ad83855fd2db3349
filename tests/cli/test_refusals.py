"""Wrong input: exit code 2, one message without a traceback, and no folder left behind."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys

import numpy as np
import pytest

from latentome import io

from .conftest import OPTIONS

TRAIN = ["-z", "3", "-e", "2"]


@pytest.fixture
def refused(latentome, tmp_path):
    """Run a command that must be refused; give its message."""

    def _refused(*arguments: object) -> str:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        code, out, err = latentome(*arguments)
        assert code == 2, (out, err)
        assert out == ""
        assert "Traceback" not in err
        told = err[err.index("latentome: ") :]
        assert told.count("latentome: ") == 1
        for word in ("where:", "expected:", "to do:"):
            assert told.count(f"\n  {word}") == 1, told
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return told

    return _refused


@pytest.fixture
def lines(simulated) -> list[list[str]]:
    """A small table as fields, to spoil: 12 samples x 6 genes."""
    table = simulated.to_df().iloc[:12, :6]
    rows = [[name, *(f"{value:.4f}" for value in row)] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return [["sample", *table.columns], *rows]


def spoil(lines, row, column, word):
    lines[row][column] = word
    return lines


def as_text(lines) -> bytes:
    return "".join("\t".join(row) + "\n" for row in lines).encode()


POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"
)
BAD = {
    "empty": (lambda lines: b"", "is empty"),
    "blank": (lambda lines: b"\n\n\n", "data.tsv"),
    "header only": (lambda lines: as_text(lines[:1]), "nothing below it"),
    "prose": (lambda lines: b"Dear colleague\nplease find the data attached\n", "is not a table"),
    "web page": (lambda lines: b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "binary": (lambda lines: np.random.default_rng(0).bytes(4000), "data.tsv"),
    "git-lfs pointer": (lambda lines: POINTER, "git-lfs pointer"),
    "text cell": (lambda lines: as_text(spoil(lines, 3, 2, "high")), "text among its numbers"),
    "decimal comma": (lambda lines: as_text(spoil(lines, 3, 2, "1,5")), "decimal comma"),
    "NaN": (lambda lines: as_text(spoil(lines, 4, 2, "NaN")), "missing or infinite"),
    "empty cell": (lambda lines: as_text(spoil(lines, 4, 2, "")), "missing or infinite"),
    "inf": (lambda lines: as_text(spoil(lines, 4, 2, "inf")), "missing or infinite"),
    "beyond float32": (lambda lines: as_text(spoil(lines, 4, 2, "1e60")), "missing or infinite"),
    "short row": (lambda lines: as_text([*lines[:5], lines[5][:-1], *lines[6:]]), "another length"),
    "duplicate sample": (lambda lines: as_text(spoil(lines, 5, 0, lines[4][0])), "more than once"),
    "duplicate gene": (lambda lines: as_text(spoil(lines, 0, 5, lines[0][4])), lambda lines: lines[0][4]),
    "one sample": (lambda lines: as_text(lines[:2]), "too few to learn from"),
    "three samples": (lambda lines: as_text(lines[:4]), "-z 2 or less"),
    "all constant": (lambda lines: as_text([lines[0], *([r[0], *["1"] * 6] for r in lines[1:])]), "Only 0 of 6 genes"),
    "too negative": (
        lambda lines: as_text([lines[0], *([r[0], "-5", "5000", *r[3:]] for r in lines[1:])]),
        "logarithm of these values does not exist",
    ),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("command", ["train", "run"])
def test_bad_tables(kind, command, lines, tmp_path, refused):
    make, said = BAD[kind]
    path = tmp_path / "data.tsv"
    path.write_bytes(make(lines))
    told = refused(command, path, "-o", tmp_path / "out", *TRAIN, "--test-size", "0.25")
    assert (said(lines) if callable(said) else said) in told


def test_the_table_before_it_is_spoiled_is_accepted_so_far(lines, tmp_path, refused):
    """What is refused above is refused for the defect: the same table is refused here for something else only."""
    (tmp_path / "data.tsv").write_bytes(as_text(lines))
    told = refused("train", tmp_path / "data.tsv", "-o", tmp_path / "out", "-z", 3, "-e", 2, "--optimizer", "adm")
    assert "Did you mean 'adam'" in told


def test_files_that_are_not_there(refused, files, tmp_path):
    assert "There is no file expresion.tsv" in refused("train", files / "expresion.tsv", "-o", tmp_path / "out")
    assert "Did you mean expression.tsv" in refused("run", files / "expresion.tsv", "-o", tmp_path / "out")
    told = refused("train", files / "expression.tsv", "--labels", files / "label.tsv", "-o", tmp_path / "out")
    assert "There is no file label.tsv" in told
    told = refused("train", files / "expression.tsv", "--orientation", "sample-by-genes", "-o", tmp_path / "out")
    assert "Did you mean 'samples-by-genes'" in told
    assert "is a folder" in refused("train", files, "-o", tmp_path / "out")


def test_a_cut_archive(lines, tmp_path, refused):
    whole = gzip.compress(as_text(lines * 50), mtime=0)
    (tmp_path / "data.tsv.gz").write_bytes(whole[: len(whole) // 2])
    assert "cut off" in refused("train", tmp_path / "data.tsv.gz", "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "tcga-3"], "Did you mean 'tcga-33'"),
        (["train", "blobs", "-m", "vea"], "Did you mean 'vae'"),
        (["train", "blobs", "-m", "tybalt"], "Did you mean 'tybalt-2018-as-described', 'tybalt-2018-as-published', "),
        (["train", "blobs", "-m", "pca"], "Did you mean 'nonlinear-pca'"),
        (["train", "blobs", "--preset", "class3-model3"], "Did you mean 'class3-model2'"),
        (["train", "blobs", "-m", "adage", "--beta", "1"], "has no parameter 'beta'"),
        (["train", "blobs", "--hidden", "300;100"], "whole numbers with commas between"),
        (["train", "blobs", "--hidden", "30,x"], "whole numbers with commas between"),
        (["train", "blobs", "--hidden", "0", "-z", "2"], "hidden layer cannot have this width"),
        (["train", "blobs", "--hidden=-3", "-z", "2"], "hidden layer cannot have this width"),
        (["train", "blobs", "-m", "vae", "--warmup", "half"], "a fraction below 1"),
        (["train", "blobs", "-m", "vae", "--warmup", "1.5", "-z", "2"], "warmup"),
        (["train", "blobs", "-m", "vae", "--warmup=-1", "-z", "2"], "warmup"),
        (
            ["train", "blobs", "-m", "vae", "--warmup", "10", "-e", "10", "-z", "2"],
            "warm-up would not end inside the training",
        ),
        (
            ["train", "blobs", "-m", "vae", "--warmup", "11", "-e", "10", "-z", "2"],
            "a warm-up shorter than the training",
        ),
        (["train", "blobs", "-z", "10"], "Too few samples or genes for 10 latent dimensions"),
        (["train", "blobs", "-z", "2", "-l", "0"], "learning_rate"),
        (["train", "blobs", "-z", "2", "-l", "nan"], "learning_rate"),
        (["train", "blobs", "-z", "2", "--momentum", "0.9"], "Momentum does not fit this optimizer"),
        (["train", "blobs", "-z", "2", "--optimizer", "sgdd"], "Did you mean 'sgd'"),
        (["train", "blobs", "-m", "vae", "-z", "2", "--beta=-1"], "beta"),
        (["train", "blobs", "-m", "vae", "-z", "2", "--likelihood", "gausian"], "likelihood"),
        (["train", "blobs", "-z", "2", "-m", "adage", "--noise=-0.1"], "noise"),
        (["train", "blobs", "--transform", "log2"], "Did you mean 'log2cpm' or 'log2p1'"),
        (["train", "blobs", "--scaling", "zscore"], "zero-one"),
        (["train", "blobs", "--test-size", "0"], "cannot be split"),
        (["train", "blobs", "--test-size", "1"], "cannot be split"),
        (["train", "blobs", "--label-column", "blobb"], "Did you mean 'blob'"),
        (["reproduce", "clas3"], "Did you mean 'class3'"),
        (["predict", "no-such-run"], "There is no run folder no-such-run"),
        (["evaluate", "no-such-run"], "There is no run folder no-such-run"),
        (["visualize", "no-such-run"], "There is no run folder no-such-run"),
        (["report", "no-such-run"], "There is no run folder no-such-run"),
        (["explore", "no-such-run"], "There is no run folder no-such-run"),
        (["visualize", "no-such-run", "--format", "pdff"], "Did you mean 'pdf'"),
    ],
)
def test_wrong_options(arguments, said, tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the default folder would be made here
    assert said in refused(*arguments)


def test_a_word_that_is_far_from_all_gets_no_guess(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "Did you mean" not in refused("train", "blobs", "-m", "vae", "--tied")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train", "blobs", "--epoch", "3"], "--epochs"),
        (["train", "blobs", "-z", "three"], "'--latent-dim'"),
        (["train", "blobs", "-z", "0"], "'--latent-dim'"),
        (["train", "blobs", "-z", "2", "-e", "0"], "'--epochs'"),
        (["train", "blobs", "-z", "2", "-b", "0"], "'--batch-size'"),
        (["train", "blobs", "--genes", "1"], "--genes"),
        (["train", "blobs", "--seed", "-1"], "--seed"),
        (["train"], "DATA"),
        (["predict"], "RUN"),
        (["train", "blobs", "tcga-6"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(arguments, said, tmp_path, latentome, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = latentome(*arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert said.lower() in err.lower()
    assert err.count("Error") == 1
    assert list(tmp_path.iterdir()) == []


def test_label_columns(files, simulated, tmp_path, refused):
    arguments = ["train", files / "expression.tsv", "-o", tmp_path / "out", *TRAIN]
    assert "Did you mean 'type'" in refused(*arguments, "--labels", files / "labels.tsv", "--label-column", "typ")
    told = refused(*arguments, "--label-column", "type")
    assert "There is no label column 'type'" in told
    assert "There are none." in told
    assert "to do:    give a table with --labels" in told
    io.write_table(tmp_path / "labels.tsv", simulated.obs[["type"]].set_index(simulated.obs_names + "-other"))
    assert "names do not match" in refused(*arguments, "--labels", tmp_path / "labels.tsv")


def test_a_folder_that_holds_something_is_not_used(files, finished, tmp_path, refused):
    arguments = ["train", files / "expression.tsv", *OPTIONS]
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    told = refused(*arguments, "-o", finished)
    assert "already holds a run" in told
    assert "--replace" in told
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    for extra in ([], ["--replace"], ["--resume"]):
        assert "not empty and is not a run" in refused(*arguments, "-o", tmp_path / "thesis", *extra)
    assert "is a file" in refused(*arguments, "-o", tmp_path / "thesis" / "chapter.tex")


def test_a_wrong_table_does_not_cost_the_run_that_is_to_be_replaced(finished, tmp_path, refused):
    (tmp_path / "data.tsv").write_text("")
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    refused("run", tmp_path / "data.tsv", "-o", finished, "--replace", *TRAIN)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_predictions_of_wrong_samples(finished, files, simulated, tmp_path, refused):
    out = ["-o", tmp_path / "out"]
    table = simulated.to_df().copy()
    io.write_table(tmp_path / "renamed.tsv", table.add_prefix("x"))
    told = refused("predict", finished, tmp_path / "renamed.tsv", *out)
    assert "lack 40 of the 40 genes" in told
    assert "xgene-00001" in told
    (tmp_path / "bad.tsv").write_text("")
    assert "is empty" in refused("predict", finished, tmp_path / "bad.tsv", *out)
    assert "There is no file nothing.tsv" in refused("predict", finished, tmp_path / "nothing.tsv", *out)
    assert "neither a data set nor a file" in refused("predict", finished, "nothing", *out)
    assert "holds a run" in refused("predict", finished, files / "expression.tsv", "-o", finished, "--replace")
    assert "leave --out out" in refused("predict", finished, *out)


def test_steps_in_the_wrong_order_name_the_step_before(files, tmp_path, latentome, refused):
    out = tmp_path / "run"
    assert latentome("train", files / "expression.tsv", "-o", out, *OPTIONS)[0] == 0
    assert f"latentome predict {out}" in refused("evaluate", out)
    assert f"latentome predict {out}" in refused("visualize", out)
    assert "latentome " in refused("report", out)
    (out / "model.keras").unlink()
    assert "latentome train" in refused("predict", out)


def test_a_folder_that_another_process_writes_into(finished, files, tmp_path, latentome):
    """Whoever would write into it is refused; who writes elsewhere may read it."""
    code = "import sys; from latentome.io import RunFolder\nwith RunFolder(sys.argv[1]).lock(): print(); input()"
    command = [sys.executable, "-c", code, str(finished)]
    data, labels = files / "expression.tsv", files / "labels.tsv"
    train = ["train", data, "--labels", labels, "-o", finished, *OPTIONS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        holder.stdout.readline()
        before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
        single = [[name, finished] for name in ("predict", "evaluate", "visualize", "report")]
        again = [train, [*train, "--replace"], ["run", *train[1:], "--replace"], ["run", *train[1:], "--resume"]]
        for arguments in (*single, *again, ["predict", finished, data]):
            code, out, told = latentome(*arguments)
            assert (code, out) == (2, ""), arguments
            assert f"{finished}, held by process {holder.pid} on " in told
            assert f"kill {holder.pid}" in told
        assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
        assert latentome("predict", finished, data, "-o", tmp_path / "out")[0] == 0
        code, _, told = latentome(*train, "--resume")  # the model is trained: nothing is to be written
        assert (code, "is trained" in told) == (0, True)
        holder.communicate("\n")
    assert latentome("evaluate", finished)[0] == 0
    assert not (finished / ".lock").exists()


def test_damaged_folders(files, tmp_path, latentome, refused):
    out = tmp_path / "run"
    assert latentome("train", files / "expression.tsv", "-o", out, *OPTIONS)[0] == 0
    config, manifest = (out / "config.toml").read_text(), (out / "manifest.json").read_text()
    (out / "config.toml").write_text("model = ")
    assert "config.toml of the run run is damaged" in refused("predict", out)
    (out / "config.toml").write_text('modle = "vae"\n' + config)
    assert "Did you mean 'model'" in refused("predict", out)
    # A setting that the model was made with is not changed by a line of the file.
    edits = (("n_components = 5", "n_components = 2"), ("seed = 1", "seed = 2"), ('"vae"', '"deep"'))
    for line, other in edits:
        assert config.count(line) == 1
        (out / "config.toml").write_text(config.replace(line, other))
        for command in ("predict", "evaluate"):
            assert "config.toml was changed since the run was made" in refused(command, out)
    # A version that did not know a setting wrote it into neither file.
    (out / "config.toml").write_text(config.replace("clip = false\n", ""))
    (out / "manifest.json").write_text(re.sub(r'\s*"clip": false,', "", manifest))
    assert '"clip":' not in (out / "manifest.json").read_text()
    assert latentome("predict", out)[0] == 0
    (out / "config.toml").write_text(config)
    (out / "manifest.json").write_text(manifest[:-20])
    assert "manifest.json of the run run is damaged" in refused("predict", out)
