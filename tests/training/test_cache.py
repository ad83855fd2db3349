"""Compiled programs on disk: a second process compiles nothing anew, and a cache that is off is off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CHILD = """
import collections, json, sys
import jax
import numpy as np
import latentome as lt

events = collections.Counter()
jax.monitoring.register_event_listener(lambda name, **_: events.update([name.rpartition("/")[2]]))
x = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
how = {"optimizer": "sgd", "validation_fraction": 0.0, "random_state": 0}
model = lt.LinearAutoencoder(2, max_epochs=3, batch_size=20, **how).fit(x)
weights = [w.tolist() for w in model.model_.get_weights()]
print(json.dumps([events["cache_hits"], events["cache_misses"], weights]))
"""


def start(**variables):
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    for name in ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS"):
        environment.pop(name, None)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def result(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def programs(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*-cache"))


def run_in_processes(x):
    """A first process with a fresh cache beside one without, then a second one with the first one's cache."""
    folder, home = (Path(tempfile.mkdtemp(prefix=f"latentome-{name}-")) for name in ("cache", "home"))
    first = start(LATENTOME_CACHE=folder, HOME=home, XDG_CACHE_HOME=home)
    off = start(LATENTOME_CACHE="off", HOME=home, XDG_CACHE_HOME=home)
    results = [result(first), result(off)]
    kept = programs(folder)
    second = result(start(LATENTOME_CACHE=folder, HOME=home, XDG_CACHE_HOME=home))
    return folder, home, kept, results[0], results[1], second


@pytest.fixture(scope="module")
def ran(x):
    result = run_in_processes(x)
    yield result
    for folder in result[:2]:
        shutil.rmtree(folder)


def test_the_first_process_keeps_its_programs_in_a_folder_of_this_processor(ran):
    folder, _, kept, (hits, misses, _), _, _ = ran
    assert hits == 0
    assert misses == len(kept) > 0
    assert any("jit__run" in name for name in kept), "the training itself is among them"
    (inside,) = (folder / "programs").iterdir()
    assert inside.name.startswith("jax-")


def test_the_second_process_compiles_none_of_them_and_trains_to_the_same_bits(ran):
    folder, _, kept, first, _, (hits, misses, weights) = ran
    assert hits == len(kept)
    # What took less than a fiftieth of a second is not kept, and may take longer another time: never the training.
    new = set(programs(folder)) - set(kept)
    assert misses == len(new)
    assert not [name for name in new if "jit__run" in name]
    assert weights == first[2]


def test_switched_off_nothing_is_written_or_read(ran):
    _, home, _, first, (hits, misses, weights), _ = ran
    assert (hits, misses) == (0, 0)
    written = [path.relative_to(home).as_posix() for path in home.rglob("*")]
    assert not [name for name in written if "latentome" in name or name.endswith("-cache")]
    assert weights == first[2], "what is kept on disk is what would be compiled"
