"""Time of whole processes that train the models of the class: interpreter, imports, training and exit.

train.py calls it. Each process is a script of a user: it imports latentome, reads the data, trains, and ends. The first
one compiles; the programs stay on disk, and the smallest time of those that follow counts. Beside them stands the
command ``latentome reproduce class3``, which trains both models, saves them and draws the figure of the class.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tasks import TASKS

#: The script; its arguments are the file of the data, the number of epochs, and the names of the tasks.
SCRIPT = """
import sys
import numpy as np
import latentome as lt

kinds = {"class1": lt.LinearAutoencoder, "class2": lt.DeepAutoencoder}
x = np.load(sys.argv[1])
for task in sys.argv[3:]:
    preset = f"class3-model{task[-1]}"
    model = kinds[task].from_preset(preset, max_epochs=int(sys.argv[2]), validation_fraction=0.0, random_state=0)
    print(task, model.fit(x).history_["loss"].iloc[-1])
"""
#: The command line, as where TensorFlow is not installed: where it is, Keras imports it to save a model.
COMMAND = "import sys; sys.modules['tensorflow'] = None; from latentome.cli import main; main()"
#: How often a process runs after the first time.
ROUNDS = 3
SCRIPT_ROW, COMMAND_ROW = "latentome, whole process", "latentome reproduce class3, whole command"


def seconds(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """How long a process takes, from its start to its end, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed:\n{done.stderr[-3000:]}")
    return took, done.stdout


def measure_processes(tasks: list[str], folder: Path, epochs: int, rounds: int | None = None) -> list[dict]:
    """One row for each process: of each task, of all of them, and of the command where these are both models.

    Parameters
    ----------
    tasks
        ``class1``, ``class2``, or both.
    folder
        Where their data are.
    epochs
        Number of epochs of the scripts.
    rounds
        How often each process runs after the first time.
    """
    script = [sys.executable, "-c", SCRIPT, str(folder / TASKS[tasks[0]].data), str(epochs)]
    processes = [(task, SCRIPT_ROW, [*script, task]) for task in tasks]
    if len(tasks) > 1:
        command = [sys.executable, "-c", COMMAND, "reproduce", "class3", "--replace", "-o", str(folder / "class3")]
        both = "+".join(tasks)
        processes += [(both, SCRIPT_ROW, [*script, *tasks])]
        processes += [(both, COMMAND_ROW, command)] if epochs == TASKS[tasks[0]].epochs else []
    rows = []
    for task, title, command in processes:
        with tempfile.TemporaryDirectory() as programs:
            environment = {
                **{name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"},
                "JAX_PLATFORMS": "cpu",
                "CUDA_VISIBLE_DEVICES": "-1",
                "LATENTOME_CACHE": programs,
            }
            first, _ = seconds(command, environment)
            seen = [seconds(command, environment) for _ in range(rounds or ROUNDS)]
        best, printed = min(seen)
        row = {"task": task, "engine": title, "epochs": epochs, "process_s": best, "rounds": len(seen)}
        row["note"] = f"the first time, which compiles: {first:.3g} s"
        if title == SCRIPT_ROW and task in TASKS:
            row["final_loss"] = float(printed.split()[1])
        print(f"{task}, {title}: {best:.4g} s; {row['note']}", file=sys.stderr, flush=True)
        rows.append(row)
    return rows


def add_ratio(table, other: str) -> None:
    """Add ``training_to_process``: the training of `other`, without its imports, divided by our whole process."""
    others = table[table["engine"] == other].set_index("task")
    for at, row in table[table["process_s"].notna()].iterrows():
        trained = [others.loc[task] for task in row["task"].split("+") if task in others.index]
        if len(trained) == len(row["task"].split("+")) and all(one["epochs"] == row["epochs"] for one in trained):
            table.loc[at, "training_to_process"] = sum(one["whole_s"] for one in trained) / row["process_s"]
