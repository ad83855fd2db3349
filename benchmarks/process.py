"""The published processing at its full size, on simulated raw files: time and memory of each step.

    python benchmarks/process.py [--scale 1.0] [--folder FOLDER] [--raw FOLDER]

Writes raw files in the formats of the public ones (HiSeqV2 20,530 x 10,459, PANCAN_mutation 2,034,801 rows, GISTIC2
24,776 x 10,845 gzipped, samples.tsv 11,284 rows), processes them in another process, prints what that took, adds a row
to ``benchmarks/results/process.tsv``, and removes everything else that it wrote.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from latentome.io.wide import write_matrix
from latentome.pp.tcga import CLINICAL_COLUMNS

RESULTS = Path(__file__).parent / "results" / "process.tsv"
_STEP = """
import json, sys, time
from latentome.workflow import Reporter, process_tcga
reporter = Reporter()
start = time.perf_counter()
process_tcga(sys.argv[1], sys.argv[2], reporter=reporter)
print(json.dumps({**reporter.timings, "all": round(time.perf_counter() - start, 1)}))
"""


def write_raw(folder: Path, scale: float) -> None:
    """Write the four raw files; `scale` is the share of the full number of rows and columns."""
    rng = np.random.default_rng(0)
    n_genes, n_samples, n_mutations, n_copies = (round(scale * n) for n in (20_530, 10_459, 2_034_801, 24_776))
    samples = [f"TCGA-{i // 10_000:02d}-{i % 10_000:04d}-{'11' if i % 14 == 0 else '01'}" for i in range(n_samples)]
    genes = [f"GENE{i}" for i in range(n_genes - 31)] + [f"?|{i}" for i in range(29)] + ["SLC35E2", "SLC35E2"]
    factors = rng.normal(size=(n_samples, 20)).astype(np.float32)
    loadings = rng.gamma(0.5, 0.5, (n_genes, 20)).astype(np.float32)

    class Expression:
        """Made block by block: the whole would need as much memory as what is measured."""

        def __getitem__(self, rows: slice) -> np.ndarray:
            values = loadings[rows] @ factors.T + 8 + rng.normal(size=(len(loadings[rows]), n_samples))
            return np.clip(values, 0, 20)

    write_matrix(folder / "HiSeqV2", Expression(), genes, samples, corner="sample", decimals=4)
    with (folder / "PANCAN_mutation").open("w") as file:
        file.write("#sample\tchr\tstart\tend\treference\talt\tgene\teffect\tDNA_VAF\tAmino_Acid_Change\n")
        effects = np.array(["Missense_Mutation", "Silent", "Nonsense_Mutation", "Intron", "Splice_Site"])
        who, what = rng.integers(0, round(7515 * scale), n_mutations), rng.integers(0, n_genes - 31, n_mutations)
        how = rng.integers(0, 5, n_mutations)
        for i, j, k in zip(who, what, how, strict=True):
            file.write(f"{samples[i]}\t{j % 22 + 1}\t{j}\t{j}\tA\tT\tGENE{j}\t{effects[k]}\t0.5\tp.A1T\n")
    columns = [*samples, *(f"TCGA-ZZ-{i:04d}-01" for i in range(round(386 * scale)))]
    words = np.array([b"-2", b"-1", b"0", b"1", b"2"], dtype=object)
    with gzip.open(folder / "Gistic2_CopyNumber_Gistic2_all_thresholded.by_genes.gz", "wb", 1) as file:
        file.write(("\t".join(["Gene Symbol", *columns]) + "\n").encode())
        # Rows come again after 199 others: far enough apart for gzip not to notice.
        levels = np.repeat(np.arange(5), [2, 15, 66, 15, 2])
        rows = [b"\t".join(words[levels[rng.integers(0, 100, len(columns))]]) + b"\n" for _ in range(200)]
        for i in range(n_copies):
            file.write(f"GENE{i}\t".encode() + rows[i % 200])
    with (folder / "samples.tsv").open("w") as file:
        file.write("\t".join(["rail_id", *CLINICAL_COLUMNS, *(f"xml_{i}" for i in range(842))]) + "\n")
        for i in range(round(11_284 * scale)):
            sample = samples[i % n_samples]
            known = {"gdc_cases.submitter_id": sample[:12], "cgc_portion_id": f"{sample}A-11"}
            fields = [known.get(name, "TCGA-BRCA") for name in CLINICAL_COLUMNS]
            file.write("\t".join([str(i), *fields, *["NA"] * 842]) + "\n")


def main() -> None:
    """Write, process, tell, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=None, help="for the large files; a temporary one by default")
    parser.add_argument("--raw", type=Path, default=None, help="raw files that an earlier call wrote, or real ones")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="latentome-process-", dir=options.folder))
    try:
        raw = options.raw or folder / "raw"
        if options.raw is None:
            raw.mkdir()
            write_raw(raw, options.scale)
        size = sum(p.stat().st_size for p in raw.iterdir())
        print(f"raw files: {size / 1e9:.2f} GB", flush=True)
        command = [sys.executable, "-c", _STEP, str(raw), str(folder / "out")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        user = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        timings = json.loads(done.stdout)
        written = sum(p.stat().st_size for p in (folder / "out").iterdir())
        row = {
            "scale": options.scale,
            "raw GB": round(size / 1e9, 2),
            "peak GiB": round(peak, 2),
            "processor s": round(user),
            **{f"{name} s": seconds for name, seconds in timings.items()},
            "written GB": round(written / 1e9, 2),
            "load": round(os.getloadavg()[0], 1),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        }
        print("\n".join(f"{name:32s}{value}" for name, value in row.items()))
        new = not RESULTS.exists()
        with RESULTS.open("a", encoding="utf-8") as file:
            if new:
                file.write("\t".join(row) + "\n")
            file.write("\t".join(map(str, row.values())) + "\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
