"""A training that is killed at random moments, again and again, ends with the bits of one that nobody touched."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from latentome.io.contents import is_litter
from latentome.training.checkpoint import MAGIC

#: The seconds after the second epoch within which a process is killed, and how often.
WITHIN, KILLS = 0.5, 1
#: An ensemble: its state is the single model's, stacked (law 7 stops and resumes those one by one).
EPOCHS, MEMBERS = 80, 3
#: One epoch a chunk, a state after each, and a pause after both: a kill can hit computing, writing and waiting.
CHILD = """
import importlib, pathlib, sys, time
import numpy as np
import latentome as lt

importlib.import_module("latentome.training.run").CHUNK_SECONDS = 0.0
importlib.import_module("latentome.training.train").CHECKPOINT_SECONDS = 0.0

def progress(done, total, row):
    print(done, flush=True)
    time.sleep(0.01)

folder, members = pathlib.Path(sys.argv[1]), int(sys.argv[2])
lt.LinearAutoencoder(
    3, max_epochs=int(sys.argv[3]), batch_size=20, learning_rate=0.01, patience=1000, random_state=0, members=members
).fit(np.load(folder / "x.npy"), checkpoint=folder / "states", resume=True, progress=progress)
"""


def check_states(folder):
    """Every state is whole; what else is there is what a killed writer left: half a file, a lock that nobody holds."""
    for path in folder.iterdir() if folder.exists() else ():
        content = path.read_bytes()
        if path.name.startswith("."):
            assert is_litter(path.name)
            continue
        assert path.suffix == ".state"
        assert content.startswith(MAGIC)
        body = content[len(MAGIC) :]
        assert hashlib.sha256(body[32:]).digest() == body[:32]
    return len(list(folder.glob("[0-9]*")))


def train_and_kill(folder, rng):
    """Train in processes that are killed, each going on from the one before; return the epochs at which they began."""
    began = []
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder), str(MEMBERS), str(EPOCHS)], stdout=subprocess.PIPE, text=True
        )
        began.append(int(child.stdout.readline()))
        child.stdout.readline()  # a second epoch: the state of the first one is on disk
        time.sleep(rng.uniform(0.0, WITHIN))
        child.kill()
        child.communicate(timeout=120)
        assert child.returncode == -signal.SIGKILL
        assert check_states(folder / "states") <= 3, "two, and a third one before the oldest is removed"
    return began


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_and_resumed_is_the_uninterrupted_training(linear, x, same, small_chunks, tmp_path):
    np.save(tmp_path / "x.npy", x)
    began = train_and_kill(tmp_path, random.Random(0))
    assert began[0] == 1
    assert began == sorted(set(began)), "every process went on from what the one before it left"
    whole, killed = (linear(max_epochs=EPOCHS, patience=1000, members=MEMBERS) for _ in range(2))
    whole.fit(x)
    killed.fit(x, checkpoint=tmp_path / "states", resume=True, progress=lambda done, *_: began.append(done))
    assert began[KILLS] > began[KILLS - 1]
    for mine, other in zip(killed.models_, whole.models_, strict=True):
        same(mine, other)
    np.testing.assert_array_equal(killed.history_.to_numpy(), whole.history_.to_numpy())
    left = sorted(path.name for path in (tmp_path / "states").iterdir())
    assert left == [f"{EPOCHS - 2:012d}.state", f"{EPOCHS - 1:012d}.state"], "no half file outlives the next state"
