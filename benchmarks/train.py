"""Time of an epoch: latentome beside Keras' ``fit``, PyTorch and Pythae; the same networks and data, in one run.

    python -m pip install ".[bench]" torch pythae     # what is not installed is a row that says so
    python benchmarks/train.py                        # everything: about an hour on 2 cores
    python benchmarks/train.py --only tybalt,class1 --engines latentome,torch
    python benchmarks/train.py --quick                # few epochs, small data: does everything run? Some minutes

Every engine trains in a process of its own, the engines in turns, so that a busy minute of the machine meets all of
them. All get the same number of threads, the processor alone, the same starting weights, and no program that an earlier
process compiled. Of the rounds, the smallest time counts; the loss is that of the first round.

Columns: ``s_per_epoch`` without the first epoch, which compiles; ``ours_to_it`` latentome's seconds per epoch divided
by these; ``whole_s`` the whole training with compilation and without imports; ``final_loss`` the mean loss of the last
epoch; ``gflop_per_epoch`` the arithmetic of the matrix products; ``share_of_product_rate`` that arithmetic per second
divided by the machine's own rate in a large float32 product of JAX, measured in the same run.

Of the models of the class there are also whole processes (whole.py), with their programs on disk from an earlier one:
one for each model, one that trains both, and the command ``latentome reproduce class3``. ``process_s`` is everything,
from the start of the interpreter to its end; ``training_to_process`` the time in which plain Keras on TensorFlow trains
the same models, imports not counted, divided by it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from engines import ENGINES, Job, NotAvailable, run
from tasks import TASKS, make_data
from whole import add_ratio, measure_processes

RESULTS = Path(__file__).parent / "results"
COLUMNS = [
    "task",
    "engine",
    "epochs",
    "s_per_epoch",
    "ours_to_it",
    "whole_s",
    "final_loss",
    "gflop_per_epoch",
    "share_of_product_rate",
    "process_s",
    "training_to_process",
    "rounds",
    "note",
]


def product_rate(size: int = 3000, repeats: int = 8) -> dict[str, float]:
    """Billions of operations a second in a product of two square float32 matrices; the best of some."""
    import time

    import jax
    import jax.numpy as jnp

    a = jax.random.normal(jax.random.key(0), (size, size), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        product(a, a).block_until_ready()
        times.append(time.perf_counter() - start)
    return {"rate": 2 * size**3 / min(times) / 1e9}


def worker(what: str, task: str, folder: str, epochs: str, threads: str) -> None:
    """The process of one measurement: prints one line of JSON."""
    if hasattr(os, "sched_setaffinity"):  # before anything starts threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    if what == "rate":
        seen = product_rate()
    elif what == "start":
        from engines.ours import starting_kernels

        x = np.load(Path(folder) / TASKS[task].data, mmap_mode="r")
        np.savez(Path(folder) / "start.npz", *starting_kernels(TASKS[task], x.shape))
        seen = {}
    else:
        with np.load(Path(folder) / "start.npz") as file:
            kernels = [file[name] for name in file.files]
        try:
            job = Job(TASKS[task], np.load(Path(folder) / TASKS[task].data), kernels, int(epochs), int(threads))
            seen = run(what, job)
        except NotAvailable as error:
            seen = {"missing": f"not available: {error}"}
    print("\n" + json.dumps(seen))


def measure(what: str, task: str, folder: Path, epochs: int, threads: int, programs: str | None = None) -> dict:
    """Run `worker` in a fresh process; a crash is told as ``missing``, with the last line of what it said.

    PyTorch keeps what it compiles in the folder `programs`, or for this process only.
    """
    backend = ENGINES[what].backend if what in ENGINES else "jax"
    count = str(threads)
    with tempfile.TemporaryDirectory() as fresh:
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "-1",
            "LATENTOME_CACHE": "off",
            "JAX_ENABLE_COMPILATION_CACHE": "false",
            "TORCHINDUCTOR_CACHE_DIR": programs or fresh,
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
            "TF_NUM_INTRAOP_THREADS": count,
            "TF_NUM_INTEROP_THREADS": count,
        }
        command = [sys.executable, __file__, "--worker", what, task, str(folder), str(epochs), count]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"{what} failed on {task}:\n{done.stderr[-3000:]}", file=sys.stderr)
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"missing": f"failed: {lines[-1][:90]}"}
    return json.loads(done.stdout.splitlines()[-1])


def compare(task: str, engines: list[str], folder: Path, options: argparse.Namespace) -> list[dict]:
    """All engines on one task, in turns; one row for each, without the ratios."""
    planned = TASKS[task].quick_epochs if options.quick else TASKS[task].epochs
    rows, width = make_data(TASKS[task], folder, options.quick)
    started = measure("start", task, folder, 0, options.threads)
    if started:
        sys.exit("our model could not be built")
    seen: dict[str, list[dict]] = {name: [] for name in engines}
    notes = {name: ENGINES[name].missing() for name in engines}
    epochs = {
        name: options.slow_epochs if options.slow_epochs and TASKS[task].is_class and ENGINES[name].slow else planned
        for name in engines
    }
    for turn in range(options.rounds or (1 if options.quick else TASKS[task].rounds)):
        for name in engines:
            if notes[name]:
                continue
            got = measure(name, task, folder, epochs[name], options.threads, options.programs)
            notes[name] = got.get("missing", "")
            if not notes[name]:
                seen[name].append(got)
            told = notes[name] or f"{got['epoch']:.4g} s per epoch, {got['whole']:.4g} s in all, loss {got['loss']:.6g}"
            print(f"{task}, round {turn + 1}, {name}: {told}", file=sys.stderr, flush=True)
    table = []
    for name in engines:
        row = {"task": task, "engine": ENGINES[name].title, "epochs": epochs[name], "rounds": len(seen[name])}
        row |= {"note": notes[name], "gflop_per_epoch": TASKS[task].gflop(rows, width)}
        if seen[name]:
            row["s_per_epoch"] = min(one["epoch"] for one in seen[name])
            row["whole_s"] = min(one["whole"] for one in seen[name])
            row["final_loss"] = seen[name][0]["loss"]
        table.append(row)
    return table


def finish(rows: list[dict], rate: float):
    """The table of all tasks with the ratios (`rate`: billions of operations a second in a large product)."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=COLUMNS)
    ours = table[table["engine"] == ENGINES["latentome"].title].set_index("task")["s_per_epoch"]
    table["ours_to_it"] = table["task"].map(ours).astype(float) / table["s_per_epoch"].astype(float)
    table["share_of_product_rate"] = table["gflop_per_epoch"] / table["s_per_epoch"].astype(float) / rate
    add_ratio(table, ENGINES["keras-tensorflow"].title)
    return table


def machine(threads: int, rate: float) -> str:
    """One line on the machine and the versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    versions = []
    for package in ("latentome", "keras", "jax", "tensorflow-cpu", "tensorflow", "torch", "pythae"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return (
        f"{(names or [platform.processor() or platform.machine()])[0]}, {threads} threads, "
        f"{rate:.0f} GFLOP/s in a product of 3,000 x 3,000, Python {platform.python_version()}, {', '.join(versions)}"
    )


def chosen(text: str | None, names: dict, prefix: bool) -> list[str]:
    """The names that the comma-separated `text` selects, in their own order; with `prefix`, beginnings select too."""
    if text is None:
        return list(names)
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    picked = {w: [n for n in names if n == w or (prefix and n.startswith(w))] for w in wanted}
    if not wanted or not all(picked.values()):
        unknown = [w for w, found in picked.items() if not found]
        sys.exit(f"unknown: {', '.join(unknown) or 'nothing was named'}; there are: {', '.join(names)}")
    return [name for name in names if any(name in found for found in picked.values())]


def compare_all(tasks: list[str], engines: list[str], folder: Path, out: Path | None, options) -> None:
    """Run the tasks one after the other, print the table and, into `out`, write it and the figure."""
    rows, rate = [], 0.0
    small = "small data (--quick): " if options.quick else ""

    def save():
        """Write what there is, so that an interrupted run leaves it."""
        table = finish(rows, rate or float("nan"))
        if out is not None:
            from picture import draw

            out.mkdir(parents=True, exist_ok=True)
            table.to_csv(out / "train.tsv", sep="\t", index=False, float_format="%.5g")
            draw(table[table["process_s"].isna()], out / "train.png", small + machine(options.threads, rate))
        return table

    for task in tasks:
        fitting = [name for name in engines if TASKS[task].family in ENGINES[name].families]
        if not (options.quick and rate):
            rate = max(rate, measure("rate", task, folder, 0, options.threads).get("rate", 0.0))
        rows += compare(task, fitting, folder, options)
        save()
    of_class = [task for task in tasks if TASKS[task].is_class]
    if of_class and "latentome" in engines:
        epochs = TASKS[of_class[0]].quick_epochs if options.quick else TASKS[of_class[0]].epochs
        rows += measure_processes(of_class, folder, epochs, 1 if options.quick else options.rounds)
    table = save()
    print(machine(options.threads, rate))
    print(table.to_string(index=False, na_rep="", float_format="{:.4g}".format))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("--only", metavar="TASKS", help=f"by name or its beginning: {', '.join(TASKS)}")
    parser.add_argument("--engines", metavar="ENGINES", help=f"some of: {', '.join(ENGINES)}")
    parser.add_argument("--quick", action="store_true", help="few epochs on small data, one round")
    parser.add_argument("--rounds", type=int, help="turns of each engine; default 4, and 1 for the models of the class")
    parser.add_argument(
        "--slow-epochs", type=int, metavar="N", help="epochs of all but latentome on the class's models"
    )
    parser.add_argument("--threads", type=int, default=available, help="threads of every process; default all")
    parser.add_argument(
        "--out", type=Path, help="folder of train.tsv and train.png; default benchmarks/results, or none for a part"
    )
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker)
        return
    if options.slow_epochs is not None and options.slow_epochs < 2:
        parser.error("--slow-epochs needs 2 or more: the first epoch is not timed")
    tasks = chosen(options.only, TASKS, prefix=True)
    engines = chosen(options.engines, ENGINES, prefix=False)
    out = options.out or (None if options.quick or options.only or options.engines else RESULTS)
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5:
        print(f"other work runs here (load {os.getloadavg()[0]:.1f}): the times will mean little", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        # Seconds matter with --quick: there, PyTorch compiles the headers of C++ once.
        options.programs = str(Path(folder) / "programs") if options.quick else None
        compare_all(tasks, engines, Path(folder), out, options)


if __name__ == "__main__":
    main()
