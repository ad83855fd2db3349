"""Time and memory of reading a table of the size of TCGA pan-cancer: python benchmarks/read.py [--samples N --genes N].

Writes a simulated table (log2 values of four decimals, genes named SYMBOL|ENTREZ) as .tsv.gz into a temporary folder,
which is removed; reads it with `latentome.io.read`, each time in a process of its own, whose peak memory the system
tells: first without a converted copy, then with the copy that the first reading kept; once with samples in the rows and
once with genes in the rows, as the files of Xena are. Writes benchmarks/results/read.tsv.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "read.tsv"
READ = """
import json, resource, sys, time
import latentome.io
start = time.perf_counter()
adata = latentome.io.read(sys.argv[1])
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": time.perf_counter() - start, "processor": usage.ru_utime + usage.ru_stime,
                  "peak_gb": usage.ru_maxrss * 1024 / 1e9, "shape": adata.shape}))
"""


def main() -> None:
    """Write the tables, read them, print and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_459)
    parser.add_argument("--genes", type=int, default=20_530)
    asked = parser.parse_args()
    matrix = 4 * asked.samples * asked.genes / 1e9
    lines = ["rows\treading\tpacked MB\tmatrix GB\tseconds\tprocessor seconds\tpeak GB\tpeak / matrix"]
    with tempfile.TemporaryDirectory(prefix="latentome-read-") as folder:
        environment = {**os.environ, "LATENTOME_CACHE": f"{folder}/cache"}
        for turned in (False, True):
            path = Path(folder) / "expression.tsv.gz"
            simulate(path, asked.samples, asked.genes, turned)
            for reading in ("first", "again"):
                done = subprocess.run(
                    [sys.executable, "-c", READ, path], env=environment, capture_output=True, text=True, check=True
                )
                told = json.loads(done.stdout)
                assert told["shape"] == [asked.samples, asked.genes], told
                lines.append(
                    f"{'genes' if turned else 'samples'}\t{reading}\t{path.stat().st_size / 1e6:.0f}\t{matrix:.2f}\t"
                    f"{told['seconds']:.1f}\t{told['processor']:.1f}\t{told['peak_gb']:.2f}\t"
                    f"{told['peak_gb'] / matrix:.2f}"
                )
                print(lines[-1], flush=True)
    if (asked.samples, asked.genes) == (10_459, 20_530):
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def simulate(path: Path, n_samples: int, n_genes: int, turned: bool) -> None:
    """Write a table whose rows are drawn from 100 different ones, farther apart than gzip looks back."""
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    words = np.array([f"{value:.4f}" for value in np.clip(rng.normal(7, 4, 40_000), 0, 20)], dtype=object)
    genes = [f"G{i + 1}|{i + 1}" for i in range(n_genes)]
    samples = [f"TCGA-{i // 1000:02d}-{i % 10_000:04d}-01" for i in range(n_samples)]
    rows, columns = (genes, samples) if turned else (samples, genes)
    bodies = ["\t".join(words[rng.integers(0, len(words), len(columns))]) for _ in range(100)]
    with gzip.open(path, "wt", compresslevel=2, encoding="utf-8") as stream:
        stream.write("\t".join(["name", *columns]) + "\n")
        for row, body in zip(rows, rng.integers(0, len(bodies), len(rows)), strict=True):
            stream.write(f"{row}\t{bodies[body]}\n")
    print(f"written in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
