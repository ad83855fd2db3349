"""The published pipeline as a whole, small: the steps are tested where they are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from latentome import io
from latentome.cli.main import run
from latentome.errors import RunFolderError
from latentome.pp import tcga
from latentome.workflow import evaluate_step, predict_step, reproduce_tybalt, train_step, tybalt


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder with expression of two types and a clinical table."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(0)
    samples = [f"TCGA-02-{i:04d}-01" for i in range(120)]
    kinds = np.arange(120) % 2
    values = rng.normal(8, 1, (40, 120)) + np.outer(rng.normal(0, 2, 40), kinds)
    table = pd.DataFrame(values, index=[f"G{i}" for i in range(40)], columns=samples)
    table.to_csv(folder / "HiSeqV2", sep="\t", index_label="sample", float_format="%.4f")
    clinical = pd.DataFrame("x", index=range(120), columns=list(tcga.CLINICAL_COLUMNS))
    clinical["gdc_cases.submitter_id"] = [name[:12] for name in samples]
    clinical["gdc_cases.project.project_id"] = np.where(kinds, "TCGA-SKCM", "TCGA-BRCA")
    clinical.to_csv(folder / "samples.tsv", sep="\t", index_label="rail_id")
    return folder


@pytest.fixture(scope="module")
def small():
    """Models of 4 features in place of 100, and runs that end before their figures and reports, which take longest."""

    def run_to_metrics(config, out, *, replace, reporter, command):
        config = dataclasses.replace(config, parameters={**config.parameters, "n_components": 4})
        folder, prepared = train_step(config, out, reporter, command=command, replace=replace)
        predict_step(folder, prepared, reporter)
        evaluate_step(folder, prepared, reporter)
        return folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tybalt, "run_config", run_to_metrics)
        yield


@pytest.fixture(scope="module")
def made(raw, small, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "tybalt"
    assert run(["reproduce", "tybalt", "--raw", str(raw), "-o", str(out), "-e", "2", "--seed", "1"]) == 0
    return out


def test_from_raw_files_to_figures(made, raw):
    assert {p.name for p in made.iterdir()} == set(tybalt.FILES)
    for family in ("vae", "adage"):
        config = io.RunFolder.open(made / family).read_config()
        assert config["test_size"] == 0.1
        assert config["data"].endswith("data.h5ad")
    metrics = pd.read_csv(made / "metrics.tsv", sep="\t", index_col=0)
    assert list(metrics.index) == ["VAE", "PCA", "ADAGE"]
    assert metrics.loc["PCA"].notna().all()
    joined = pd.read_csv(made / "tybalt_features_with_clinical.tsv", sep="\t", index_col=0)
    assert joined.shape == (120, 4 + 1 + 16)
    latent = pd.read_csv(made / "vae" / "latent.tsv", sep="\t", index_col=0)
    np.testing.assert_array_equal(joined.iloc[:, :4], latent.loc[joined.index])
    assert io.RunFolder.open(made / "vae").read_config()["model"] == "tybalt-2018-as-described"


def test_it_is_not_replaced_unless_asked(made, raw):
    with pytest.raises(RunFolderError, match="is in use"):
        reproduce_tybalt(made, raw=raw)


def test_options_that_do_not_go_together(tmp_path, capsys):
    assert run(["reproduce", "tybalt", "--raw", "x", "--data", "tcga-33", "-o", str(tmp_path / "x")]) == 2
    assert "not from both" in capsys.readouterr().err
    assert run(["reproduce", "class3", "--data", "tcga-33"]) == 2
    assert "--data is for the work 'tybalt'" in capsys.readouterr().err
    assert run(["reproduce", "tybalt", "--raw", str(tmp_path), "-o", str(tmp_path / "x")]) == 2
    assert "no expression file" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
