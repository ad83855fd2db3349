"""Time of an epoch: the compiled trainer beside ``model.fit`` of Keras on JAX and on TensorFlow, in one run.

    python -m pip install ".[bench]"
    python benchmarks/train.py                    # everything, some minutes; writes benchmarks/results/train.tsv
    python benchmarks/train.py --quick            # fewer epochs and rounds

Every engine runs in a process of its own, in turns, so that a busy minute of the machine meets all of them; the best
round counts. Times are per epoch and without compilation, except for the class's models, whose column ``whole`` is the
whole training with compilation and without imports.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ENGINES = ("latentome", "our model, keras fit, JAX", "plain keras, fit, JAX", "plain keras, fit, TensorFlow")
RESULTS = Path(__file__).parent / "results"


def tybalt(keras, n_genes: int, latent: int):
    """Tybalt's VAE as described in its paper, in plain Keras: batch-normalised ReLU heads, cross-entropy, KL."""
    ops, layers = keras.ops, keras.layers

    class Tybalt(keras.Model):
        def __init__(self):
            super().__init__()
            self.mean, self.log_variance = layers.Dense(latent), layers.Dense(latent)
            self.mean_norm, self.log_variance_norm = layers.BatchNormalization(), layers.BatchNormalization()
            self.output_layer = layers.Dense(n_genes)
            self.seed_generator = keras.random.SeedGenerator(0)

        def call(self, x, training=False):
            mean = ops.relu(self.mean_norm(self.mean(x), training=training))
            log_variance = ops.relu(self.log_variance_norm(self.log_variance(x), training=training))
            noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator) if training else 0.0
            logits = self.output_layer(mean + ops.exp(0.5 * log_variance) * noise)
            cross_entropy = ops.maximum(logits, 0.0) - logits * x + ops.log(1.0 + ops.exp(-ops.abs(logits)))
            kl = -0.5 * ops.sum(1.0 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
            self.add_loss(ops.mean(ops.sum(cross_entropy, axis=-1)))
            self.add_loss(ops.mean(kl))
            return logits

    model = Tybalt()
    model.compile(optimizer=keras.optimizers.Adam(5e-4))
    return model


def class_model(keras, number: int):
    """Model 1 or 2 of the class, as its slides write them."""
    layers = keras.layers
    if number == 1:
        model = keras.Sequential([keras.Input((9,)), layers.Dense(2), layers.Dense(9)])
        model.compile(loss="mse", optimizer="sgd")
    else:
        widths = (5, 2, 5, 9)
        model = keras.Sequential([keras.Input((9,)), *(layers.Dense(w, activation="sigmoid") for w in widths)])
        model.compile(loss="mse", optimizer="adam")
    return model


def our_model(keras, task: str, x: np.ndarray):
    """The Keras model that latentome trains in this task, untrained."""
    from latentome.models import DeepModel, VariationalModel

    if task == "tybalt":
        model = VariationalModel(x.shape[1], 100, likelihood="bernoulli", heads="batchnorm-relu", warmup_steps=189)
        model.compile(optimizer=keras.optimizers.Adam(5e-4))
        return model
    sigmoids = {"activation": "sigmoid", "code_activation": "sigmoid", "output_activation": "sigmoid"}
    model = DeepModel(9, 2) if task == "class 1" else DeepModel(9, 2, hidden=[5], **sigmoids)
    model.compile(optimizer="sgd" if task == "class 1" else "adam")
    return model


def time_keras(engine: str, task: str, x: np.ndarray, epochs: int) -> dict[str, float]:
    """Train with ``model.fit``; the first epoch, which compiles, is timed apart."""
    ours = engine.startswith("our model")
    if ours:
        import latentome.models  # noqa: F401  before the clock starts, like Keras
    import keras

    start = time.perf_counter()
    if ours:
        model = our_model(keras, task, x)
    else:
        model = tybalt(keras, x.shape[1], 100) if task == "tybalt" else class_model(keras, int(task[-1]))
    batch = 50 if task == "tybalt" else 32
    target = None if task == "tybalt" or ours else x
    model.fit(x, target, batch_size=batch, epochs=1, verbose=0)
    warm = time.perf_counter()
    history = model.fit(x, target, batch_size=batch, epochs=epochs, verbose=0).history
    end = time.perf_counter()
    return {"epoch": (end - warm) / epochs, "whole": end - start, "loss": history["loss"][-1]}


def time_latentome(task: str, x: np.ndarray, epochs: int) -> dict[str, float]:
    """Train with the compiled trainer, called the way that `latentome.training.train` calls it."""
    import latentome as lt
    import latentome.estimators  # before the clock starts, like Keras

    start = time.perf_counter()
    times = []

    def note(done, total, row):
        times.append((time.perf_counter(), done))

    kind, preset = {
        "tybalt": (lt.VariationalAutoencoder, "tybalt-2018-as-described"),
        "class 1": (lt.LinearAutoencoder, "class3-model1"),
        "class 2": (lt.DeepAutoencoder, "class3-model2"),
    }[task]
    model = kind.from_preset(preset, max_epochs=epochs + 1, validation_fraction=0.0, random_state=0)
    model.fit(x, progress=note)
    (first, one), (last, all_) = times[0], times[-1]
    return {
        "epoch": (last - first) / (all_ - one),
        "whole": time.perf_counter() - start,
        "loss": float(model.history_["loss"].iloc[-1]),
    }


def measure(engine: str, task: str, data: Path, epochs: int) -> dict[str, float]:
    """Run one engine on one task in a fresh process."""
    backend = "tensorflow" if engine.endswith("TensorFlow") else "jax"
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--worker", engine, task, str(data), str(epochs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{engine} failed on {task}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def worker(engine: str, task: str, data: str, epochs: str) -> None:
    """The process of one measurement: prints one line of JSON."""
    x = np.load(data)
    seen = time_latentome(task, x, int(epochs)) if engine == "latentome" else time_keras(engine, task, x, int(epochs))
    print(json.dumps(seen))


def make_data(folder: Path, task: str) -> Path:
    """The data of a task: simulated expression of the size of Tybalt's, scaled to [0, 1], or the blobs of the class."""
    import latentome as lt

    if task == "tybalt":
        x = lt.datasets.simulate(9413, 5000, n_types=33, rng=0).X
        low, high = x.min(axis=0), x.max(axis=0)
        x = (x - low) / np.maximum(high - low, 1e-6)
    else:
        x = lt.datasets.load("blobs").X
    path = folder / f"{task.replace(' ', '')}.npy"
    np.save(path, x.astype("float32"))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*arguments.worker)
        return
    import pandas as pd

    tasks = {"tybalt": 6, "class 1": 3000, "class 2": 3000}
    if arguments.quick:
        tasks = {"tybalt": 3, "class 1": 300, "class 2": 300}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for task, epochs in tasks.items():
            data = make_data(Path(folder), task)
            best: dict[str, dict[str, float]] = {}
            for _ in range(1 if arguments.quick or task != "tybalt" else 4):
                for engine in ENGINES:
                    seen = measure(engine, task, data, epochs)
                    if engine not in best or seen["epoch"] < best[engine]["epoch"]:
                        best[engine] = seen
            ours = best["latentome"]
            for engine, seen in best.items():
                ratio = ours["epoch"] / seen["epoch"]
                whole = ours["whole"] / seen["whole"]
                rows.append((task, engine, epochs, seen["epoch"], ratio, seen["whole"], whole, seen["loss"]))
    columns = ["task", "engine", "epochs", "s_per_epoch", "ours_to_it", "whole_s", "ours_to_it_whole", "final_loss"]
    table = pd.DataFrame(rows, columns=columns)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        table.to_csv(RESULTS / "train.tsv", sep="\t", index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
