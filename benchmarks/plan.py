"""What docs/scale.md builds on: training at a tenth and a hundredth of a million samples, and clusters of 64 workers.

    python -m pip install ".[cluster,zarr]"
    python benchmarks/plan.py                 # both parts: some ten minutes, and 8 GB of disk
    python benchmarks/plan.py --only cluster

Training: a VAE 20,000-100-20,000, batch 200, streamed from a Zarr array of random values, for growing numbers of
samples. Each size is a process of its own; the memory is its peak less what it held after importing everything and
training a tiny model.

Cluster: the engine of sweeps hands out ten units to each of 1, 4, 16 and 64 workers. The workers are simulated: they
live in one process, and a unit is a second of waiting. Efficiency is the time of the waiting divided by the whole.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"
GENES, LATENT, BATCH = 20_000, 100, 200
SAMPLES = (1_000, 10_000, 100_000)
WORKERS, UNITS, SECONDS = (1, 4, 16, 64), 10, 1.0


def make(path: Path, samples: int) -> None:
    """Write random values, 500 rows at a time."""
    import zarr

    rng = np.random.default_rng(0)
    array = zarr.open_array(str(path), mode="w", shape=(samples, GENES), chunks=(500, GENES), dtype="f4")
    for start in range(0, samples, 500):
        array[start : start + 500] = rng.random((min(500, samples - start), GENES), dtype=np.float32)


def train(path: Path, epochs: int) -> None:
    """Stream the epochs and print the seconds of one and the bytes."""
    import resource

    import latentome as lt

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def model(latent: int, epochs: int) -> lt.VariationalAutoencoder:
        return lt.VariationalAutoencoder(
            latent,
            hidden=(),
            linear_path=False,
            likelihood="mse",
            batch_size=BATCH,
            warmup=0,
            schedule="constant",
            max_epochs=epochs,
            validation_fraction=0.0,
            random_state=0,
        )

    model(2, 1).fit(lt.io.MemoryMatrix(np.random.default_rng(0).random((1000, 20), dtype=np.float32)))
    before, times = peak(), []
    model(LATENT, epochs).fit(
        lt.io.open_matrix(path), progress=lambda done, total, row: times.append((done, time.perf_counter()))
    )
    ends = dict(reversed(times))  # the first time that each epoch was told
    print(json.dumps({"seconds": min(ends[i + 1] - ends[i] for i in range(1, epochs)), "bytes": peak() - before}))


def training() -> pd.DataFrame:
    """One row for each number of samples."""
    rows = []
    for samples in SAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.zarr"
            make(path, samples)
            disk = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
            command = [sys.executable, __file__, "--train", str(path), "2" if samples > 50_000 else "4"]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        seen = json.loads(done.stdout.splitlines()[-1])
        rows.append((samples, seen["seconds"], 1e6 * seen["seconds"] / samples, seen["bytes"] / 2**20, disk / 2**30))
        print(f"{samples} samples: {seen['seconds']:.2f} s an epoch, {seen['bytes'] / 2**20:.0f} MiB", flush=True)
    return pd.DataFrame(rows, columns=["samples", "s_per_epoch", "us_per_sample", "mib", "disk_gib"])


def pretend(unit, request, folder) -> dict:
    """A unit that only takes time."""
    time.sleep(SECONDS)
    return {"identity": unit.identity(), "rows": [], "curves": []}


def cluster() -> pd.DataFrame:
    """One row for each number of workers."""
    import distributed

    from latentome.sweep import workers as engine
    from latentome.sweep.plan import Unit
    from latentome.workflow import Reporter

    engine.do_unit_from_disk = pretend
    rows = []
    for workers in WORKERS:
        units = [Unit(i + 1, sizes=(1,)) for i in range(UNITS * workers)]
        with (
            tempfile.TemporaryDirectory() as folder,
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=False, memory_limit=None, dashboard_address=None
            ) as local,
        ):
            (Path(folder) / "store").mkdir()
            (Path(folder) / "store" / "store.json").touch()
            place = SimpleNamespace(
                kind="dask",
                address="here",
                is_batch=False,
                wait=None,
                timeout=20.0,
                client=lambda _, at=local: distributed.Client(at),
            )
            start = time.perf_counter()
            with engine.Session(place, Path(folder), Reporter()) as session:
                done = sum(1 for _ in engine.on_dask(units, None, session))
            seconds = time.perf_counter() - start
        if done != len(units):
            sys.exit(f"{done} of {len(units)} units were done")
        rows.append((workers, len(units), seconds, UNITS * SECONDS / seconds))
        print(f"{workers} workers: {seconds:.2f} s, efficiency {rows[-1][-1]:.3f}", flush=True)
    return pd.DataFrame(rows, columns=["workers", "units", "seconds", "efficiency"])


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"training": training, "cluster": cluster}
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--train", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(Path(options.train[0]), int(options.train[1]))
        return
    for name in [options.only] if options.only else parts:
        table = parts[name]()
        print(table.to_string(index=False, float_format="{:.4g}".format))
        table.to_csv(RESULTS / f"plan-{name}.tsv", sep="\t", index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
