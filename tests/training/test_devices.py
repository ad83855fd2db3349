"""Several devices share every batch and come to the weights of one device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from latentome.models import DeepModel

#: Four devices made of this processor: XLA takes the flag at its start only, so that they live in another process.
CHILD = """
import json, sys
import jax
import numpy as np
import latentome as lt
from latentome.models import DeepModel
from latentome.training import Options, Split, make_optimizer
from latentome.training.engine import Limits, program_for
from latentome.training.run import Run

x, devices = np.load(sys.argv[1]), jax.devices()
results, told = {}, {"devices": len(devices)}
for name, size, members in (("20", 20, 1), ("18", 18, 1), ("members", 20, 2)):
    model = lt.LinearAutoencoder(
        3, max_epochs=10, batch_size=size, learning_rate=0.01, random_state=0, members=members
    ).fit(x, devices=devices)
    results |= {f"{name}.{i}": array for i, array in enumerate(model.models_[-1].get_weights())}
    results[f"{name}.history"] = model.history_.to_numpy()
    results[f"{name}.codes"] = model.transform(x)

model = DeepModel(12, 3, seed=0)
model.compile(make_optimizer("adam", 0.01))
program = program_for(model, 20, True, tuple(devices))
told["programs"] = program.run._cache_size()
run = Run(program, x, x, [model], [Split(np.arange(81), np.arange(81, 90), 0)], Options(5, 20), 5)
text = program.run.lower(run.state, run.data, run.sample, 0, Limits(5, 9, 0)).compile().as_text()
told["text"] = {part: part in text for part in ("num_partitions=4", "f32[5,12]", "f32[5,3]", "f32[20,3]", "all-reduce")}
np.savez(sys.argv[2], **results)
print(json.dumps(told))
"""


def run_in_processes(x):
    """What a process with four devices tells, and the models that it trained."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4".lstrip()
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/x.npy", x)
        command = [sys.executable, "-c", CHILD, f"{folder}/x.npy", f"{folder}/result.npz"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        with np.load(f"{folder}/result.npz") as file:
            return json.loads(done.stdout.splitlines()[-1]), dict(file)


@pytest.fixture(scope="module")
def four(x):
    return run_in_processes(x)


# 81 rows: batches of 20 are split, but for the last one with its single row; those of 18 cannot be.
@pytest.mark.parametrize("size", [20, 18])
def test_four_devices_come_to_the_weights_of_one(size, four, linear, x):
    told, theirs = four
    assert told["devices"] == 4
    one = linear(batch_size=size).fit(x)
    moved = 0.0
    for i, (mine, start) in enumerate(zip(one.model_.get_weights(), DeepModel(12, 3).get_weights(), strict=True)):
        np.testing.assert_allclose(theirs[f"{size}.{i}"], mine, atol=1e-5)
        moved = max(moved, np.abs(mine - start).max())
    assert moved > 0.1
    np.testing.assert_allclose(theirs[f"{size}.history"], one.history_.to_numpy(), atol=1e-5)
    np.testing.assert_allclose(theirs[f"{size}.codes"], one.transform(x), atol=1e-5)


def test_an_ensemble_on_four_devices_has_the_single_models(four, linear, x):
    for i, mine in enumerate(linear(random_state=1).fit(x).model_.get_weights()):
        np.testing.assert_allclose(four[1][f"members.{i}"], mine, atol=1e-5)


def test_every_batch_is_split_among_them(four):
    # 20 samples on 4 devices: products of 5 rows, none of 20, and sums of the gradients over the devices.
    assert four[0]["text"] == {
        "num_partitions=4": True, "f32[5,12]": True, "f32[5,3]": True, "f32[20,3]": False, "all-reduce": True,
    }  # fmt: skip


def test_the_training_is_compiled_once(four):
    # Also where the state comes from one device and the program gives it back on four.
    assert four[0]["programs"] == 1
