"""Several devices share every batch and come to the weights of one device."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

#: Four devices made of this processor: XLA takes the flag at its start only, so that they live in another process.
CHILD = """
import json
import jax
import numpy as np
import latentome as lt
from latentome.models import DeepModel
from latentome.training import Options, Split, make_optimizer
from latentome.training.engine import Limits, program_for
from latentome.training.run import Run

rng = np.random.default_rng(0)
x = rng.normal(size=(90, 12)).astype("float32")
devices = jax.devices()
told = {"devices": len(devices)}

def distance(a, b):
    return max(float(np.abs(p - q).max()) for p, q in zip(a.get_weights(), b.get_weights(), strict=True))

def fit(batch_size, devices=(), members=1):
    return lt.LinearAutoencoder(
        3, max_epochs=5, batch_size=batch_size, learning_rate=0.01, random_state=0, members=members
    ).fit(x, devices=devices)

# 81 rows: batches of 20 are split, the last one with its single row and those of 18 cannot be.
for size in (20, 18):
    one, four = fit(size), fit(size, devices)
    told[f"batch {size}"] = distance(one.model_, four.model_)
    told[f"history {size}"] = float(np.abs(one.history_ - four.history_).to_numpy().max())
told["moved"] = distance(one.model_, DeepModel(12, 3, seed=0))
told["codes"] = float(np.abs(one.transform(x) - four.transform(x)).max())
ensemble = fit(20, devices, members=2)
told["members"] = max(distance(m, fit(20).model_) for m in ensemble.models_[:1])

for size, shared in ((20, devices), (20, ())):
    model = DeepModel(12, 3, seed=0)
    model.compile(make_optimizer("adam", 0.01))
    program = program_for(model, size, True, tuple(shared))
    run = Run(program, x, x, [model], [Split(np.arange(81), np.arange(81, 90), 0)], Options(5, size), 5)
    lowered = program.run.lower(run.state, run.data, run.sample, 0, Limits(5, 9, 0))
    told[f"programs {len(shared)}"] = program.run._cache_size()
    text = lowered.compile().as_text()
    told[f"text {len(shared)}"] = {
        "partitions": "num_partitions=4" in text,
        "a fifth of a batch": "f32[5,12]" in text and "f32[5,3]" in text,
        "whole batches": "f32[20,3]" in text,
        "sums over devices": "all-reduce" in text,
    }
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told():
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("size", [20, 18])
def test_four_devices_come_to_the_weights_of_one(told, size):
    assert told["devices"] == 4
    assert told["moved"] > 0.1
    assert told[f"batch {size}"] < 1e-5
    assert told[f"history {size}"] < 1e-5
    assert told["codes"] < 1e-5


def test_an_ensemble_on_four_devices_has_the_single_models(told):
    assert told["members"] < 1e-5


def test_the_training_is_compiled_once(told):
    # Also where the state comes from one device and the program gives it back on four.
    assert (told["programs 0"], told["programs 4"]) == (1, 1)


def test_every_batch_is_split_among_them(told):
    # 20 samples on 4 devices: products of 5 rows, and sums of the gradients over the devices.
    assert told["text 4"] == {
        "partitions": True, "a fifth of a batch": True, "whole batches": False, "sums over devices": True,
    }  # fmt: skip
    assert told["text 0"] == {
        "partitions": False, "a fifth of a batch": False, "whole batches": True, "sums over devices": False,
    }  # fmt: skip
