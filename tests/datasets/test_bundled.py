from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentome.datasets import available, load, tcga_colors
from latentome.errors import InputError
from latentome.io import parse_barcodes, read

BUNDLED = files("latentome").joinpath("datasets", "bundled")


@pytest.fixture(scope="module")
def tcga_33():
    return load("tcga-33")


@pytest.fixture(scope="module")
def tcga_6():
    return load("tcga-6")


def test_shapes_types_and_sources(tcga_33, tcga_6):
    for adata, shape, types in ((tcga_33, (1106, 198), 33), (tcga_6, (350, 5000), 6)):
        assert adata.shape == shape
        assert adata.X.dtype == np.float32
        assert np.isfinite(adata.X).all()
        assert adata.X.min() == 0
        assert list(adata.obs.columns) == ["cancer_type", "sample_type", "patient"]
        assert adata.obs["cancer_type"].cat.categories.size == types
        assert isinstance(adata.obs["sample_type"].dtype, pd.CategoricalDtype)
        assert adata.obs_names.is_unique
        assert adata.var_names.is_unique
        assert adata.var["entrez"].is_unique
        source = adata.uns["source"]
        assert set(source) == {"name", "path", "sha256", "orientation", "notes", "label_column", "scale"}
        assert (source["label_column"], source["scale"], source["path"]) == ("cancer_type", "log2", "")


def test_sample_types_are_those_of_the_barcodes(tcga_33, tcga_6):
    for adata in (tcga_33, tcga_6):
        codes = parse_barcodes(adata.obs_names)
        assert codes["sample_type"].tolist() == adata.obs["sample_type"].tolist()
        assert codes["patient"].tolist() == adata.obs["patient"].tolist()
    assert tcga_33.obs["sample_type"].value_counts()["Solid Tissue Normal"] == 72
    assert tcga_6.obs["sample_type"].value_counts()["Solid Tissue Normal"] == 13


def test_tcga_33_against_its_source(tcga_33, shared):
    table = pd.read_csv(shared / "tcga-ebpp" / "rsem_1106x198.tsv.gz", sep="\t", index_col=0)
    labels = pd.read_csv(shared / "tcga-ebpp" / "labels.tsv", sep="\t", index_col=0)
    assert list(tcga_33.var["entrez"]) == list(table.columns)
    assert list(tcga_33.obs_names) == list(table.index)
    assert tcga_33.obs["cancer_type"].tolist() == labels.loc[table.index, "cancer_type"].tolist()
    negative = table.to_numpy() < 0
    assert (negative.sum(), negative.any(axis=0).sum(), negative.any(axis=1).sum()) == (596, 39, 144)
    assert (tcga_33.X[negative] == 0).all()
    expected = np.log2(np.maximum(table.to_numpy(), 0) + 1)
    np.testing.assert_allclose(tcga_33.X, expected, rtol=1e-6, atol=1e-6)
    assert not any(name.isdigit() for name in tcga_33.var_names)
    assert tcga_33.var["entrez"]["DPP6"] == "1804"


def test_tcga_6_against_its_source(tcga_6, shared):
    raw = read(shared / "tcga-rnaseqv2" / "rsem_samples_x_genes.tsv.gz")
    labels = pd.read_csv(shared / "tcga-rnaseqv2" / "labels.tsv", sep="\t", index_col=0)
    assert list(tcga_6.obs_names) == list(raw.obs_names)
    assert tcga_6.obs["cancer_type"].tolist() == labels.loc[raw.obs_names, "cancer_type"].tolist()
    exact = np.log2(raw.X.astype(np.float64) + 1)
    error = np.abs(tcga_6.X - exact[:, raw.var_names.get_indexer(tcga_6.var_names)]).max()
    # Half a step of 1/2048, and the float32 of the reader.
    assert 2.4e-4 < error < 2**-12 + 1e-6
    spread = pd.Series(np.abs(exact - exact.mean(axis=0)).mean(axis=0), index=raw.var_names)
    spread = spread[~spread.index.str.contains("|", regex=False)].sort_values(ascending=False)
    assert set(spread.index[:5000]) == set(tcga_6.var_names)
    assert spread[list(tcga_6.var_names)].diff().max() < 1e-5
    assert not any(name.startswith("SLC35E2") and name != "SLC35E2B" for name in tcga_6.var_names)


@pytest.mark.parametrize("name", ["tcga-33", "tcga-6", "blobs", "blobs-test", "blobs-independent"])
def test_every_data_set_loads_as_listed_and_can_be_written(name, tmp_path):
    listed = {entry["name"]: entry for entry in available()}
    adata = load(name)
    assert adata.shape == (listed[name]["samples"], listed[name]["genes"])
    assert adata.uns["source"]["name"] == name
    assert adata.uns["source"]["label_column"] == listed[name]["label_column"]
    assert listed[name]["label_column"] in adata.obs
    adata.write_h5ad(tmp_path / "x.h5ad")
    back = read(tmp_path / "x.h5ad")
    np.testing.assert_allclose(back.X, adata.X, rtol=1e-6, atol=1e-6)
    assert back.uns["source"]["scale"] == adata.uns["source"]["scale"]
    assert back.uns["source"]["notes"][: len(adata.uns["source"]["notes"])] == adata.uns["source"]["notes"]


def test_a_name_that_does_not_exist():
    with pytest.raises(InputError, match="Did you mean 'tcga-33'") as caught:
        load("tcga33")
    assert "blobs-independent" in caught.value.todo


def test_the_colours_cover_all_types_and_keep_na(tcga_33):
    colours = tcga_colors()
    assert len(colours) == 34
    assert colours["NA"] == "#000000"
    assert colours["BRCA"] == "#ED2891"
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in colours.values())
    assert set(colours) - {"NA"} == set(tcga_33.obs["cancer_type"].cat.categories)


def test_the_provenance_names_every_file_with_its_hash_and_size():
    told = BUNDLED.joinpath("PROVENANCE.md").read_text()
    for file in BUNDLED.iterdir():
        if file.name != "PROVENANCE.md":
            content = file.read_bytes()
            row = f"| {len(content):,} | `{hashlib.sha256(content).hexdigest()}` |"
            assert re.search(re.escape(f"| `{file.name}` |") + ".*" + re.escape(row), told), file.name


def test_the_files_are_small_and_hold_no_objects():
    sizes = {file.name: len(file.read_bytes()) for file in BUNDLED.iterdir()}
    assert sizes["tcga-6.npz"] < 4_000_000
    assert sizes["tcga-33.npz"] < 1_000_000
    assert sizes["genes.tsv.gz"] < 200_000


def test_a_damaged_file_is_refused(monkeypatch):
    from latentome.datasets import registry

    whole = registry._bundled
    monkeypatch.setattr(registry, "_bundled", lambda file: whole(file)[: -1 if file.endswith(".npz") else None])
    with pytest.raises(InputError, match="tcga-33 is damaged(.|\n)*Install latentome again"):
        load("tcga-33")


def test_the_build_tool_makes_the_same_bytes(shared, tmp_path):
    root = Path(__file__).resolve().parents[2]
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import build_bundled as b;"
        "b.BUNDLED = pathlib.Path(sys.argv[3]); b.main(pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(root / "tools"), str(shared), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "596 negative values in 39 genes and 144 samples" in done.stdout
    assert "largest rounding error 2.441e-04" in done.stdout
    for name in ("tcga-33.npz", "tcga-6.npz"):
        built, bundled = np.load(tmp_path / name), np.load(str(BUNDLED.joinpath(name)))
        assert built.files == bundled.files
        for key in built.files:  # arrays, not bytes: another zlib may pack differently
            np.testing.assert_array_equal(built[key], bundled[key])
        built.close()
        bundled.close()
