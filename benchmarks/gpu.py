"""Trainings on a GPU: beside PyTorch, as ensembles, and on matrices as large as its memory and larger.

    python -m pip install ".[gpu]" torch         # without PyTorch its rows say so
    python benchmarks/gpu.py                     # writes benchmarks/results/gpu.tsv; some minutes on an H100
    python benchmarks/gpu.py --only tybalt50     # a part of it, printed and not written
    python benchmarks/gpu.py --rows 20000 40000  # smaller matrices

The networks, data and starting weights are those of train.py. An engine trains its tasks in one process, the other one
in another, so that no two share the GPU. PyTorch runs eagerly, and in its fastest form (engines/pytorch_gpu.py).
float32 means products of full float32 for both. Largest matrices: a VAE 20,000-100-20,000, batches of 200, on random
values of which every block of 1,000 samples repeats; the first in the memory of the GPU, the second streamed from that
of the machine.

Columns: ``s_per_epoch`` without the first epoch, which compiles; ``whole_s`` the whole training with compilation;
``s_50_epochs`` 50 times the former; ``ours_to_it`` latentome's seconds per epoch, in float32, divided by these;
``one_by_one`` the time of an ensemble divided by that of as many single trainings; ``tflops`` the arithmetic of the
products per second; ``gpu_gib`` the most memory of the GPU that arrays took since the process began.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tasks import TASKS, Task, make_data

RESULTS = Path(__file__).parent / "results"
#: Task, number of models, epochs and precision of each training of ours.
OURS = [
    ("tybalt50", 1, 50, "float32"),
    ("tybalt50", 1, 50, "bfloat16"),
    ("tybalt200", 1, 50, "float32"),
    ("tybalt200", 1, 50, "bfloat16"),
    ("class2", 1, 1000, "float32"),
    ("class2", 100, 1000, "float32"),
    ("tybalt50", 100, 10, "float32"),
    ("tybalt50", 100, 10, "bfloat16"),
]
#: Task, engine and epochs of each training of PyTorch.
THEIRS = [
    ("tybalt50", "torch-graphs", 50),
    ("tybalt50", "torch", 10),
    ("tybalt200", "torch-graphs", 50),
]
#: Genes of the largest matrices, samples that are drawn at random, and epochs on each matrix.
GENES, DRAWN, EPOCHS = 20_000, 1_000, 2
COLUMNS = ["task", "engine", "models", "precision", "epochs", "s_per_epoch", "s_50_epochs", "whole_s", "final_loss"]
RATIOS = ["ours_to_it", "one_by_one", "tflops", "gpu_gib", "note"]


def told(**row) -> None:
    """Give a row to the process that asked for it."""
    print("\n" + json.dumps(row), flush=True)


def peak_gib() -> float:
    """The most memory of the GPU that arrays took so far."""
    import jax

    return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**30


def product_rates(size: int = 8192) -> dict[str, float]:
    """Trillions of operations a second in a product of two square matrices; the best of some."""
    import jax
    import jax.numpy as jnp

    from latentome.models import compiled

    rates = {}
    for kind in ("float32", "bfloat16"):
        a = jax.random.normal(jax.random.key(0), (size, size), kind)
        product, times = compiled(jnp.matmul), []
        for _ in range(10):
            start = time.perf_counter()
            product(a, a).block_until_ready()
            times.append(time.perf_counter() - start)
        rates[kind] = 2 * size**3 / min(times) / 1e12
    return rates


def timed(model, x: np.ndarray, **how) -> dict[str, float]:
    """Fit a model; the mean loss of the members of an ensemble is told."""
    from engines import Clock

    clock, done = Clock(), set()

    def mark(epochs: int, total: int, row: dict) -> None:
        if epochs not in done:  # a streamed training tells of each buffer
            done.add(epochs)
            clock.mark(epochs)
            print(f"{epochs} of {total} epochs after {clock.marks[-1][0] - clock.start:.1f} s", file=sys.stderr)

    model.fit(x, progress=mark, **how)
    result = clock.result(model.history_.groupby("epoch")["loss"].mean().iloc[-1])
    return {"s_per_epoch": result["epoch"], "whole_s": result["whole"], "final_loss": result["loss"]}


def train_ours(folder: Path, only: list[str], sizes: list[int]) -> None:
    """All trainings of latentome, one after the other."""
    import jax
    from engines.ours import estimator

    if jax.default_backend() == "cpu":
        sys.exit("JAX sees no GPU: python -m pip install '.[gpu]'")
    told(device=jax.devices()[0].device_kind, jax=jax.__version__, tflops=product_rates())
    for name, models, epochs, precision in (job for job in OURS if job[0] in only):
        model = estimator(TASKS[name], epochs).set_params(members=models, precision=precision)
        row = {"task": name, "engine": "latentome", "models": models, "precision": precision, "epochs": epochs}
        told(**row, **timed(model, np.load(folder / TASKS[name].data)), gpu_gib=peak_gib())
    if "matrix" in only:
        train_on_matrices(sizes)


def train_on_matrices(sizes: list[int]) -> None:
    """The VAE of `GENES` genes on a matrix that fits into the GPU, and on one that need not."""
    import latentome as lt

    drawn = np.random.default_rng(0).random((DRAWN, GENES), dtype=np.float32)
    x, filled = np.empty((max(sizes), GENES), np.float32), 0

    def fill(start: int) -> None:
        x[start : start + DRAWN] = drawn[: len(x) - start]

    for rows in sorted(sizes):
        begun, notes = time.perf_counter(), []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fill, range(filled, rows, DRAWN)))
        print(f"{rows} samples after {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        filled = rows
        model = lt.VariationalAutoencoder.from_preset(
            "tybalt-2018-as-described", batch_size=200, max_epochs=EPOCHS, validation_fraction=0.0, random_state=0
        )
        row = {"task": f"{rows} x {GENES}", "engine": "latentome", "models": 1, "precision": "float32"}
        row |= {"epochs": EPOCHS, **timed(model, x[:rows], notes=notes.append)}
        told(**row, gpu_gib=peak_gib(), note="; ".join(notes))


def train_theirs(folder: Path, only: list[str]) -> None:
    """All trainings of PyTorch."""
    from engines import Job, NotAvailable

    for name, engine, epochs in (job for job in THEIRS if job[0] in only):
        row = {"task": name, "engine": engine, "models": 1, "precision": "float32", "epochs": epochs}
        with np.load(folder / f"{name}.npz") as file:
            kernels = [file[key] for key in file.files]
        job = Job(TASKS[name], np.load(folder / TASKS[name].data), kernels, epochs, os.cpu_count() or 1)
        try:
            from engines.pytorch_gpu import train

            result = train(engine, job)
        except (ImportError, NotAvailable) as error:
            told(**row, note=f"not available: {error}")
        else:
            told(**row, s_per_epoch=result["epoch"], whole_s=result["whole"], final_loss=result["loss"])


def run(engine: str, folder: Path, options: argparse.Namespace):
    """The rows of a process, as they come; one that ends with an error ends this one."""
    command = [sys.executable, __file__, "--worker", engine, "--folder", str(folder), "--only", ",".join(options.only)]
    command += ["--rows", *map(str, options.rows)]
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "LATENTOME_CACHE": "off",
        "TORCHINDUCTOR_CACHE_DIR": str(folder),
    }
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("{"):
                yield json.loads(line)
    if process.returncode:
        sys.exit(f"{engine} ended with exit code {process.returncode}")


def finish(rows: list[dict]):
    """The table with its ratios."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=COLUMNS + RATIOS)
    table["s_50_epochs"] = 50 * table["s_per_epoch"]
    alone = table[(table["models"] == 1) & (table["engine"] == "latentome")]
    ours = alone[alone["precision"] == "float32"].set_index("task")["s_per_epoch"]
    single = alone.set_index(["task", "precision"])["s_per_epoch"]
    table["ours_to_it"] = [
        ours.get(row.task, np.nan) / row.s_per_epoch if row.models == 1 else np.nan for row in table.itertuples()
    ]
    table["one_by_one"] = [
        row.s_per_epoch / (row.models * single.get((row.task, row.precision), np.nan)) if row.models > 1 else np.nan
        for row in table.itertuples()
    ]
    table["tflops"] = [row.models * gflop(row.task) / row.s_per_epoch / 1000 for row in table.itertuples()]
    return table


def gflop(task: str) -> float:
    """Billions of operations of an epoch's products."""
    if task in TASKS:
        return TASKS[task].gflop(*((1000, 9) if TASKS[task].is_class else (9413, 5000)))
    rows, width = (int(part) for part in task.split(" x "))
    return Task("", "vae", 100, (), "adam", 5e-4, 200, 1, 1, 1).gflop(rows, width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = [*dict.fromkeys(job[0] for job in OURS), "matrix"]
    parser.add_argument("--only", default=",".join(parts), help=f"some of: {', '.join(parts)}")
    parser.add_argument("--rows", type=int, nargs=2, default=[500_000, 1_000_000], help="samples of the two matrices")
    parser.add_argument("--out", type=Path, help="folder of gpu.tsv; default benchmarks/results, or none for a part")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    whole, options.only = options.only == ",".join(parts), options.only.split(",")
    if options.worker == "latentome":
        train_ours(options.folder, options.only, options.rows)
        return
    if options.worker == "torch":
        train_theirs(options.folder, options.only)
        return
    os.environ["JAX_PLATFORMS"], given = "cpu", os.environ.get("JAX_PLATFORMS")  # this process leaves the GPU alone
    from engines.ours import starting_kernels

    out = options.out or (RESULTS if whole else None)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    rows, machine = [], {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name in (name for name in options.only if name in TASKS):
            shape = make_data(TASKS[name], folder, quick=False)
            np.savez(folder / f"{name}.npz", *starting_kernels(TASKS[name], shape))
        os.environ.pop("JAX_PLATFORMS")
        os.environ |= {"JAX_PLATFORMS": given} if given else {}
        for engine in ("torch", "latentome"):
            for row in run(engine, folder, options):
                print(row, file=sys.stderr, flush=True)
                machine, rows = (row, rows) if "device" in row else (machine, [*rows, row])
                if out is not None:  # after each row: an interrupted run leaves what it has
                    finish(rows).to_csv(out / "gpu.tsv", sep="\t", index=False, float_format="%.5g")
    print(machine)
    print(finish(rows).to_string(index=False, na_rep="", float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
