from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pandas as pd
import pytest

from latentome import io
from latentome._version import __version__
from latentome.errors import BEGUN
from latentome.report import ExplorerServer

from .conftest import OPTIONS


def read(path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", index_col=0)


def test_help_and_version(latentome):
    code, out, err = latentome("--version")
    assert (code, out, err) == (0, f"latentome {__version__}\n", "")
    code, out, err = latentome("--help")
    assert (code, err) == (0, "")
    commands = (
        "run",
        "train",
        "predict",
        "evaluate",
        "interpret",
        "dimensions",
        "replicate",
        "generate",
        "visualize",
        "report",
        "explore",
        "export",
        "datasets",
        "download",
        "process",
        "reproduce",
    )
    for command in commands:
        assert f" {command} " in out
        code, told, err = latentome(command, "-h")
        assert (code, err) == (0, "")
        assert f"latentome {command}" in told


def test_datasets_lists_every_name(latentome):
    code, out, _ = latentome("datasets")
    assert code == 0
    for name in ("tcga-33", "tcga-6", "blobs", "blobs-test", "blobs-independent"):
        assert f"{name}  " in out


def test_run_says_what_was_read_decided_and_found(whole):
    out, printed, told = whole
    assert "Read as samples-by-genes" in told
    assert "No transform" in told
    assert "120 of 120 samples have a row of labels" in told
    for step in ("read and prepare", "train", "t-SNE of both", "evaluate", "figures", "report"):
        assert re.search(rf"^{step} +[0-9.]+ s$", told, re.MULTILINE), step
    for metric in ("held-out MSE", "probe accuracy", "NMI"):
        assert metric in printed
    verdict = json.loads((out / "metrics.json").read_text())["verdict"]
    assert " ".join(verdict).split() == printed[printed.rindex("┘") + 1 : printed.index("Report:")].split()
    assert f"Report: {out / 'report.html'}" in printed
    assert not re.search(r"\bnan\b", printed + told, re.IGNORECASE)


def test_the_commands_one_by_one_are_the_run(files, finished, tmp_path, latentome):
    out = tmp_path / "my steps"
    arguments = ["train", files / "expression.tsv", "--labels", files / "labels.tsv", "-o", out, *OPTIONS]
    for command in (arguments, ["predict", out], ["evaluate", out], ["visualize", out], ["report", out]):
        code, printed, _ = latentome(*command)
        assert code == 0, command[0]
        if command[0] != "report":
            following = {"train": "predict", "predict": "evaluate", "evaluate": "visualize", "visualize": "report"}
            assert f"Next: latentome {following[command[0]]} '{out}'\n" in printed
    names = {str(p.relative_to(finished)) for p in finished.rglob("*")}
    assert {str(p.relative_to(out)) for p in out.rglob("*")} == names
    for name in ("metrics.json", "latent.tsv", "tsne.tsv", "history.tsv", "signatures.tsv", "preprocessing.json"):
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name


def test_figures_are_written_in_the_formats_that_are_asked_for(finished, tmp_path, latentome, monkeypatch):
    from latentome.workflow import figures

    monkeypatch.setattr(figures, "_of_genes", lambda *_: {})  # a third of them, drawn and written as the others are
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    code, printed, _ = latentome("visualize", out, "--format", "pdf", "--dark")
    assert code == 0
    made = sorted((out / "figures-dark").iterdir())
    assert {path.stem for path in made} < {path.stem for path in (out / "figures").glob("*.png")}
    assert len(made) > 5
    for path in made:
        assert str(path) in printed
        assert path.read_bytes().startswith(b"%PDF-")
    # Letters stay letters that a journal can set: the TrueType font is embedded.
    assert b"/FontFile2" in (out / "figures-dark" / "scores.pdf").read_bytes()


def test_explore_serves_the_report_until_it_is_stopped(finished, monkeypatch, latentome):
    def served(server):
        with urllib.request.urlopen(server.address, timeout=10) as answer:
            told.append(answer.read())

    def one_page_then_control_c(server):
        asking = threading.Thread(target=served, args=[server])
        asking.start()
        server.handle_request()
        asking.join()
        raise KeyboardInterrupt

    told: list[bytes] = []
    monkeypatch.setattr(ExplorerServer, "serve_forever", one_page_then_control_c)
    code, printed, _ = latentome("explore", finished)
    assert code == 0
    assert re.search(r"^Open http://127\.0\.0\.1:[0-9]+/[\w-]{32}/$", printed, re.MULTILINE)
    assert printed.endswith("Stopped.\n")
    assert told[0].startswith(b"<!DOCTYPE html>")


def test_each_command_can_be_repeated(finished, latentome):
    before = {name: (finished / name).read_bytes() for name in ("latent.tsv", "metrics.json", "report.html")}
    for command in ("predict", "evaluate", "report"):
        code, printed, told = latentome(command, finished, "--log-json")
        assert (code, printed.startswith("{")) == (0, False)
        events = [json.loads(line) for line in told.splitlines()]
        assert [events[0]["event"], events[-1]["event"], events[-1]["step"]] == ["start", "done", None]
        begun, ended = ([e["step"] for e in events if e["event"] == event and e["step"]] for event in ("start", "done"))
        assert begun == ended
        assert len(begun) == {"predict": 4, "evaluate": 2, "report": 1}[command]
    assert {name: (finished / name).read_bytes() for name in before} == before


def test_the_methods_on_folds(finished, tmp_path, latentome):
    run = shutil.copytree(finished, tmp_path / "run")
    before = (run / "metrics.json").read_bytes()
    code, printed, told = latentome(
        "evaluate", run, "--folds", 2, "--seeds", 1, "-k", "2,5", "--methods", "vae,pca,genes"
    )
    assert code == 0, told
    rows = pd.read_csv(run / "evaluation.tsv", sep="\t")
    assert sorted(map(tuple, rows[["method", "k"]].drop_duplicates().to_numpy())) == [
        ("genes", 0), ("pca", 2), ("pca", 5), ("vae", 2), ("vae", 5),
    ]  # fmt: skip
    assert len(rows) == 10
    assert rows.loc[rows["method"] != "genes", "held-out MSE"].gt(0).all()
    assert "MSE v pca" in printed
    assert "evaluation.tsv" in printed
    assert (run / "metrics.json").read_bytes() == before  # the quick evaluation is another one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "3"], "--folds"),
        (["--folds", "3", "--methods", "pca,pcb"], "no method 'pcb'"),
        (["--folds", "3", "-k", "2,x"], "whole numbers"),
        (["--folds", "3", "-k", "0"], "number of components"),
        (["--folds", "3", "-k", "41"], "Too few"),
        (["--folds", "500"], "folds"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused(finished, latentome, options, message):
    code, _, told = latentome("evaluate", finished, *options)
    assert code == 2
    assert message in told
    assert not (finished / "evaluation.tsv").exists()


def test_export(finished, tmp_path, latentome):
    code, printed, told = latentome("export", finished, "-o", tmp_path / "onnx")
    assert code == 0, told
    assert {path.name for path in (tmp_path / "onnx").iterdir()} == {
        "encoder.onnx",
        "decoder.onnx",
        "preprocessing.json",
    }
    assert "decoder.onnx" in printed
    kept = (finished / "preprocessing.json").read_bytes()
    assert (tmp_path / "onnx" / "preprocessing.json").read_bytes() == kept


def test_predict_new_samples(finished, simulated, tmp_path, latentome):
    io.write_table(tmp_path / "new.tsv", simulated.to_df().iloc[10:20, 4:])
    out = tmp_path / "predicted"
    code, printed, told = latentome("predict", finished, tmp_path / "new.tsv", "-o", out)
    assert code == 0
    assert f"Features: {out / 'latent.tsv'}" in printed
    assert "4 of 40 genes (10.0%) are missing" in told
    codes = read(out / "latent.tsv")
    assert codes.shape == (10, 5)
    # A tenth of the genes at their mean moves the codes a little, and less than samples are apart.
    was = read(finished / "latent.tsv").iloc[10:20]
    assert list(codes.index) == list(was.index)
    assert np.square(codes - was).mean().mean() < 0.5 * was.var().mean()


def test_constant_genes_are_dropped_and_said_and_change_nothing(files, finished, simulated, tmp_path, latentome):
    table = simulated.to_df().copy()
    table.insert(3, "gene-90001", 0.0)
    table.insert(20, "gene-90002", 7.25)
    io.write_table(tmp_path / "expression.tsv", table)
    out = tmp_path / "run"
    arguments = [tmp_path / "expression.tsv", "--labels", files / "labels.tsv", "-o", out, *OPTIONS]
    # The steps that compute; figures and report, which take longest, are drawn from what these leave.
    code, _, told = latentome("train", *arguments)
    assert code == 0
    assert [latentome(step, out)[0] for step in ("predict", "evaluate")] == [0, 0]
    assert "2 genes have one value in all training samples and were dropped: gene-90001, gene-90002" in told
    # Not one number is touched by them.
    for name in ("latent.tsv", "history.tsv", "tsne.tsv", "signatures.tsv", "metrics.json"):
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name
        assert b"nan" not in (out / name).read_bytes().lower()
    assert json.loads((out / "manifest.json").read_text())["preprocessing"]["dropped_constant"] == [
        "gene-90001",
        "gene-90002",
    ]


def test_without_labels_a_run_goes_through_and_says_what_is_left_out(files, tmp_path, latentome):
    out = tmp_path / "run"
    code, printed, told = latentome("run", files / "expression.tsv", "-o", out, *OPTIONS)
    assert code == 0
    assert "There are no labels" in told
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics["table"]) == ["held-out MSE", "variance explained"]
    assert metrics["by_class"] == {}
    assert (out / "report.html").stat().st_size > 50_000


def test_the_fewest_samples_that_go_through(simulated, tmp_path, latentome):
    io.write_table(tmp_path / "few.tsv", simulated.to_df().iloc[:5, :6])
    out = tmp_path / "run"
    code, printed, told = latentome("run", tmp_path / "few.tsv", "-m", "linear", "-z", 2, "-e", 2, "-o", out)
    assert code == 0, told
    assert np.isfinite(read(out / "latent.tsv").to_numpy()).all()
    assert "NaN" not in (out / "metrics.json").read_text()


def test_replace_and_resume(finished, files, tmp_path, latentome):
    out = tmp_path / "run"
    arguments = ["train", files / "expression.tsv", "--labels", files / "labels.tsv", "-o", out, *OPTIONS]
    assert latentome(*arguments)[0] == 0
    model = (out / "model.keras").read_bytes()
    code, _, told = latentome(*arguments)
    assert code == 2
    assert "--replace" in told
    assert (out / "model.keras").read_bytes() == model
    code, _, told = latentome(*arguments, "--resume")
    assert (code, "is trained" in told) == (0, True)
    assert (out / "model.keras").read_bytes() == model
    code, _, told = latentome(*arguments, "--resume", "--noise", "0.3")
    assert (code, "has no parameter 'noise'" in told) == (2, True)
    code, _, told = latentome(*arguments, "--resume", "-l", "0.01")
    assert code == 2
    assert "'learning_rate': 0.01" in told
    assert latentome(*arguments, "--replace", "-l", "0.01")[0] == 0
    assert (out / "history.tsv").read_bytes() != (finished / "history.tsv").read_bytes()


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        (["--hidden", "30,20"], {"hidden": [30, 20]}),
        (["--hidden", "none"], {"hidden": []}),
        (["--warmup", "3"], {"warmup": 3}),
        (["--warmup", "0.25"], {"warmup": 0.25}),
        (["--warmup", "0"], {"warmup": 0}),
        (
            ["--optimizer", "sgd", "--momentum", "0.9", "--nesterov"],
            {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        ),
        (["--beta", "0", "--likelihood", "mse"], {"beta": 0.0, "likelihood": "mse"}),
        (["--free-bits", "0.1"], {"free_bits": 0.1}),
        (["-m", "adage", "--noise", "0", "--sparsity", "0.1"], {"noise": 0.0, "sparsity": 0.1}),
        (
            ["-m", "adage", "--noise-kind", "gaussian", "--untied", "--loss", "bernoulli"],
            {"noise_kind": "gaussian", "tied": False, "loss": "bernoulli"},
        ),
        (
            ["-z", "7", "-e", "9", "-b", "11", "-l", "0.1"],
            {"n_components": 7, "max_epochs": 9, "batch_size": 11, "learning_rate": 0.1},
        ),
        ([], {}),
    ],
)
def test_options_reach_the_model_and_what_is_not_given_is_left_to_it(monkeypatch, latentome, options, parameters):
    asked = []

    def train_step(config, path, reporter, **_):
        asked.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("latentome.workflow.train_step", train_step)
    assert latentome("train", "blobs", *options)[0] == 130
    assert asked[0].parameters == parameters
    assert [type(asked[0].parameters[name]) for name in parameters] == [type(value) for value in parameters.values()]
    assert (asked[0].data, asked[0].seed, asked[0].test_size, asked[0].transform) == ("blobs", 0, 0.2, "auto")


def test_a_preset_is_a_model(monkeypatch, latentome):
    asked = []
    monkeypatch.setattr("latentome.workflow.train_step", lambda config, *_, **__: asked.append(config) or 1 / 0)
    for way in (["--preset", "class3-model1"], ["-m", "class3-model1"]):
        latentome("train", "blobs", *way)
    assert asked[0] == asked[1]
    assert asked[0].model == "class3-model1"


def test_a_defect_of_ours_is_1_and_shown_whole(monkeypatch, latentome):
    def broken(*_, **__):
        raise RuntimeError("out of cheese")

    monkeypatch.setattr("latentome.workflow.train_step", broken)
    code, _, told = latentome("train", "blobs")
    assert code == 1
    assert "Traceback" in told
    assert "out of cheese" in told
    assert "defect of latentome" in told


def test_too_little_memory_is_2_and_says_how_to_need_less(monkeypatch, latentome):
    import jax.numpy as jnp

    for ask, told_by in (
        (lambda: np.empty(1 << 50), "Unable to allocate 8.00 PiB"),
        (lambda: jnp.zeros(1 << 44).block_until_ready(), "RESOURCE_EXHAUSTED"),
    ):
        monkeypatch.setattr("latentome.workflow.train_step", lambda *_, ask=ask, **__: ask())
        code, _, told = latentome("train", "blobs")
        assert code == 2
        assert told.startswith("latentome: There is too little memory.")
        assert f"where:    {told_by}" in told
        assert "--on-disk" in told
        assert "Traceback" not in told


def test_a_reader_that_leaves_is_no_defect():
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-c", "from latentome.cli.main import main; main()", "--version"]
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""


def test_an_interruption_is_130_and_says_how_to_go_on(monkeypatch, latentome):
    def interrupted(*_, **__):
        BEGUN.set(True)
        raise KeyboardInterrupt("training was interrupted after epoch 3 of 9")

    monkeypatch.setattr("latentome.workflow.train_step", interrupted)
    code, _, told = latentome("train", "my data.tsv", "-z", 3, "--replace")
    assert code == 130
    assert told.strip().splitlines() == [
        "latentome: training was interrupted after epoch 3 of 9",
        "  to go on: latentome train 'my data.tsv' -z 3 --resume",
    ]
    monkeypatch.setattr("latentome.workflow.open_to_write", interrupted)
    code, _, told = latentome("evaluate", "somewhere")
    assert code == 130
    assert "to go on" not in told


def test_interpret_writes_tables_and_shows_the_features(latentome, finished, simulated, tmp_path):
    sets = tmp_path / "sets.gmt"
    sets.write_text("fourth\t\t" + "\t".join(simulated.var_names[::4]) + "\n", encoding="utf-8")
    code, printed, _ = latentome("interpret", finished, "--gene-sets", sets, "--cutoff", "1.5")
    assert code == 0
    assert "vae_1" in printed
    assert "type" in printed
    assert {"features.tsv", "associations.tsv", "columns.tsv", "enrichment.tsv"} <= {
        path.name for path in (finished / "interpretation").iterdir()
    }
    for option, value, message in (
        ("--survival", "days", "names no survival times"),
        ("--survival", "days,dead", "no column 'days'"),
        ("--gene-sets", tmp_path / "none.gmt", "no file none.gmt"),
    ):
        code, _, told = latentome("interpret", finished, option, value)
        assert (code, "Traceback" in told) == (2, False)
        assert message in told
