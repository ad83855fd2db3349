"""Build the bundled data sets from their sources: python tools/build_bundled.py SOURCE_FOLDER.

SOURCE_FOLDER holds tcga-ebpp, tcga-rnaseqv2, tcga-cognoma and tybalt-published, plain TSV files as published, and the
GMT files of genesets. The same sources give the same bytes. Where everything comes from, and under which licence, is
written in src/latentome/datasets/bundled/PROVENANCE.md, with the numbers that this program prints.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from latentome.io import parse_barcodes, write_bytes, write_json

BUNDLED = Path(__file__).resolve().parents[1] / "src" / "latentome" / "datasets" / "bundled"
N_GENES = 5000
#: Files that are bundled byte for byte, and their names at the source.
COPIES = {
    "tcga_colors.tsv": "tcga_colors.tsv",
    "oncokb_genetypes.tsv": "oncokb_genetypes.tsv",
    "tybalt_artefacts.tsv": "artefact_checksums.tsv",
}
# A power of two: codes times step are exact in float32. The largest code, 65,535, is worth 31.9995 log2 units.
STEP = 2.0**-11


def main(source: Path) -> None:
    """Build everything and print what was done."""
    symbols, older = build_genes(source / "tcga-cognoma")
    index = {
        "tcga-33": build_tcga_33(source / "tcga-ebpp", symbols, older),
        "tcga-6": build_tcga_6(source / "tcga-rnaseqv2"),
    }
    write_json(BUNDLED / "index.json", index)
    for name, published in COPIES.items():
        write_bytes(BUNDLED / name, (source / "tybalt-published" / published).read_bytes())
    write_bytes(BUNDLED / "tybalt_sweeps.tsv.gz", build_sweeps(source / "tybalt-published" / "param_sweeps.tsv.gz"))
    sets = (source / "genesets" / "h.all.v7.0.symbols.gmt").read_bytes()
    write_bytes(BUNDLED / "h.all.v7.0.symbols.gmt.gz", gzip.compress(sets, 9, mtime=0))
    print()
    for path in sorted(BUNDLED.iterdir()):
        if path.suffix != ".md" and not path.name.startswith("."):
            print(f"{path.name}: {path.stat().st_size:,} bytes, sha256 {digest(path)}")


def build_genes(folder: Path) -> tuple[dict[str, str], set[str]]:
    """Write the gene table; give symbols by Entrez id, and the ids whose symbols come from the older annotation."""
    with (folder / "expression-genes.tsv").open(encoding="utf-8", newline="") as stream:
        symbols = {row["entrez_gene_id"]: row["symbol"] for row in csv.DictReader(stream, delimiter="\t")}
    first = set(symbols)
    known = set(symbols.values())
    with (folder / "HiSeqV2-gene-map.tsv").open(encoding="utf-8", newline="") as stream:
        older = {row["entrez_gene_id"]: row["symbol"] for row in csv.DictReader(stream, delimiter="\t")}
    times = pd.Series(list(older.values())).value_counts()
    for entrez, symbol in older.items():
        # Symbols of an older annotation fill gaps only, and only where they name one gene.
        if entrez not in symbols and symbol not in known and "|" not in symbol and times[symbol] == 1:
            symbols[entrez] = symbol
    rows = [f"{entrez}\t{symbols[entrez]}\n" for entrez in sorted(symbols, key=int)]
    packed = gzip.compress(("entrez\tsymbol\n" + "".join(rows)).encode(), 9, mtime=0)
    write_bytes(BUNDLED / "genes.tsv.gz", packed)
    print(f"genes: {len(first)} from expression-genes.tsv, {len(symbols) - len(first)} more from HiSeqV2-gene-map.tsv")
    return symbols, set(symbols) - first


def build_tcga_33(folder: Path, symbols: dict[str, str], older: set[str]) -> dict:
    """Batch-adjusted RSEM of all 33 types: symbols, clipped at zero, log2(x + 1), float32."""
    table = pd.read_csv(folder / "rsem_1106x198.tsv.gz", sep="\t", index_col=0)
    labels = read_labels(folder / "labels.tsv").loc[table.index]
    values = table.to_numpy(np.float64)
    negative = values < 0
    clipped = (
        f"{negative.sum()} negative values in {negative.any(axis=0).sum()} genes and {negative.any(axis=1).sum()} "
    )
    clipped += f"samples (batch adjustment; the lowest {values.min()}) were set to 0"
    unnamed = [entrez for entrez in table.columns if entrez not in symbols]
    print(f"tcga-33: {sum(entrez in older for entrez in table.columns)} symbols from the older annotation")
    codes = parse_barcodes(table.index)
    wrong = int((codes["sample_type"].to_numpy() != labels["sample_type"].to_numpy()).sum())
    print(f"tcga-33: {clipped}; {len(unnamed)} Entrez ids without a symbol {unnamed}")
    print(
        f"tcga-33: sample types from barcodes, {wrong} differ from labels.tsv; types {labels['cancer_type'].nunique()}"
    )
    values = np.log2(np.maximum(values, 0.0) + 1.0).astype(np.float32)
    print(f"tcga-33: range {values.min()} to {values.max()} log2 units")
    genes = [symbols.get(entrez, entrez) for entrez in table.columns]
    arrays = {"values": values, "genes": genes, "entrez": list(table.columns)}
    arrays |= describe_samples(table.index, labels["cancer_type"])
    notes = [
        "EB++ batch-adjusted RSEM, log2(x + 1).",
        f"{clipped[0].upper()}{clipped[1:]} before the logarithm: abundances cannot be negative.",
    ]
    if unnamed:
        notes.append(f"{len(unnamed)} genes without a known symbol keep their Entrez ids as names.")
    return write_bundle("tcga-33", arrays, notes)


def build_tcga_6(folder: Path) -> dict:
    """RNASeqV2 RSEM of six types: log2(x + 1), the most variable genes, in codes of 16 bits."""
    table = pd.read_csv(folder / "rsem_samples_x_genes.tsv.gz", sep="\t", index_col=0)
    labels = read_labels(folder / "labels.tsv").loc[table.index]
    pairs = pd.DataFrame([name.split("|") for name in table.columns], columns=["symbol", "entrez"])
    nameless = (pairs["symbol"] == "?").to_numpy()
    repeated = pairs["symbol"].duplicated(keep=False).to_numpy() & ~nameless
    print(
        f"tcga-6: {nameless.sum()} genes '?' dropped, {repeated.sum()} repeated {list(table.columns[repeated])} dropped"
    )
    keep = np.flatnonzero(~nameless & ~repeated)
    values = np.log2(table.to_numpy(np.float64)[:, keep] + 1.0)
    spread = np.abs(values - values.mean(axis=0)).mean(axis=0)
    best = np.argsort(-spread, kind="stable")[:N_GENES]
    deviations = f"mean absolute deviations {spread[best[0]]:.3f} to {spread[best[-1]]:.3f}"
    print(f"tcga-6: {N_GENES} of {len(keep)} genes; {deviations}")
    values = values[:, best]
    codes = np.rint(values / STEP)
    if codes.max() > np.iinfo(np.uint16).max or values.min() < 0:
        raise SystemExit(f"values from {values.min()} to {values.max()} do not fit into 16 bits at a step of {STEP}")
    error = np.abs(codes * STEP - values).max()
    print(f"tcga-6: range {values.min():.3f} to {values.max():.3f}; largest rounding error {error:.3e} log2 units")
    chosen = pairs.iloc[keep[best]]
    arrays = {"values": codes.astype(np.uint16), "step": np.float64(STEP)}
    arrays |= {"genes": chosen["symbol"].to_list(), "entrez": chosen["entrez"].to_list()}
    arrays |= describe_samples(table.index, labels["cancer_type"])
    notes = [
        "RNASeqV2 RSEM, log2(x + 1), rounded to 1/2048 (error at most 2.5e-4 log2 units).",
        f"{nameless.sum()} genes without a name and both genes named SLC35E2 were dropped, as published.",
        f"The {N_GENES} genes with the largest mean absolute deviation, chosen on all {len(table)} samples: "
        "held-out samples took part in the choice.",
    ]
    return write_bundle("tcga-6", arrays, notes)


def build_sweeps(path: Path) -> bytes:
    """Losses of the published sweeps: the longest trainings epoch by epoch, of the others the last epoch.

    The warm-up rates of Tybalt's VAE, which its code never applies, are averaged over as what they are: repetitions.
    """
    table = pd.read_csv(path, sep="\t")
    table = table[table["sweep"] != "param_sweep_twohidden300"]
    table = table[(table["epochs"] == 100) | (table["epoch"] == table["epochs"] - 1)]
    settings = ["sweep", "batch_size", "epochs", "learning_rate", "noise", "sparsity"]
    means = table.groupby([*settings, "epoch"], dropna=False)[["loss", "val_loss"]].mean().reset_index()
    print(f"sweeps: {means.groupby(settings, dropna=False).ngroups} configurations, {len(means)} rows")
    text = means.to_csv(sep="\t", index=False, float_format="%.5g", lineterminator="\n")
    return gzip.compress(text.encode(), 9, mtime=0)


def read_labels(path: Path) -> pd.DataFrame:
    """Read labels as text; nothing is missing in them."""
    return pd.read_csv(path, sep="\t", index_col=0, dtype=str, keep_default_na=False)


def describe_samples(barcodes: pd.Index, cancer_type: pd.Series) -> dict[str, list[str]]:
    """Give names, patients and sample types from the barcodes, and the cancer types."""
    codes = parse_barcodes(barcodes)
    print(f"  sample types: {codes['sample_type'].value_counts().to_dict()}")
    print(f"  cancer types: {cancer_type.value_counts().to_dict()}")
    return {
        "samples": list(barcodes),
        "cancer_type": cancer_type.to_list(),
        "sample_type": codes["sample_type"].to_list(),
        "patient": codes["patient"].to_list(),
    }


def write_bundle(name: str, arrays: dict, notes: list[str]) -> dict:
    """Write one .npz of plain arrays, and give its entry of the index."""
    buffer = io.BytesIO()
    # Lists of text become unicode arrays, which load without pickle; NumPy writes fixed dates into the archive.
    np.savez_compressed(buffer, **{key: np.asarray(value) for key, value in arrays.items()})
    path = BUNDLED / f"{name}.npz"
    write_bytes(path, buffer.getvalue())
    samples, genes = arrays["values"].shape
    return {"file": path.name, "sha256": digest(path), "samples": samples, "genes": genes, "notes": notes}


def digest(path: Path) -> str:
    """Give the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
