"""A training that is killed at random moments, again and again, ends with the bits of one that nobody touched."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from latentome.training.checkpoint import MAGIC

#: The seconds after the first epoch within which a process is killed, and how often.
WITHIN, KILLS = 0.5, 3
EPOCHS = 80
#: One epoch a chunk, a state after each, and a pause after both: three times are hit, computing, writing and waiting.
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
model = lt.LinearAutoencoder(
    3, max_epochs=int(sys.argv[3]), batch_size=20, learning_rate=0.01, patience=1000, random_state=0, members=members
).fit(np.load(folder / "x.npy"), checkpoint=folder / "states", resume=True, progress=progress)
arrays = [weights for member in model.models_ for weights in member.get_weights()]
np.savez(folder / "result.npz", *arrays, model.history_.to_numpy())
"""


def check_states(folder):
    """Every state is whole; what else is there is what a killed writer left under its temporary name."""
    for path in folder.iterdir() if folder.exists() else ():
        content = path.read_bytes()
        if path.name.startswith("."):
            assert ".partial." in path.name
            continue
        assert path.suffix == ".state"
        assert content.startswith(MAGIC)
        body = content[len(MAGIC) :]
        assert hashlib.sha256(body[32:]).digest() == body[:32]
    return len(list(folder.glob("[0-9]*")))


def kill_until_done(folder, members, rng):
    """Train in processes of which the first ones are killed; return the epochs at which each began."""
    began = []
    for kill in [True] * KILLS + [False]:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder), str(members), str(EPOCHS)], stdout=subprocess.PIPE, text=True
        )
        began.append(int(child.stdout.readline()))
        if kill:
            time.sleep(rng.uniform(0.0, WITHIN))
            child.kill()
        child.communicate(timeout=120)
        assert child.returncode == (-9 if kill else 0)
        assert check_states(folder / "states") <= 3, "two, and a third one before the oldest is removed"
    return began


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_and_resumed_is_the_uninterrupted_training(linear, x, tmp_path):
    folders = {members: tmp_path / str(members) for members in (1, 3)}
    for folder in folders.values():
        folder.mkdir()
        np.save(folder / "x.npy", x)
    with ThreadPoolExecutor() as pool:
        chains = {m: pool.submit(kill_until_done, folder, m, random.Random(m)) for m, folder in folders.items()}
        began = {members: chain.result() for members, chain in chains.items()}
    for members, folder in folders.items():
        starts = began[members]
        assert starts[0] == 1
        assert starts == sorted(starts)
        assert starts[-1] > 1, "a killed process left something to go on from"
        whole = linear(max_epochs=EPOCHS, patience=1000, members=members).fit(x)
        expected = [weights for member in whole.models_ for weights in member.get_weights()]
        with np.load(folder / "result.npz") as result:
            for i, array in enumerate([*expected, whole.history_.to_numpy()]):
                np.testing.assert_array_equal(result[f"arr_{i}"], array)
        left = sorted(path.name for path in (folder / "states").iterdir())
        assert left == [f"{EPOCHS - 2:012d}.state", f"{EPOCHS - 1:012d}.state"], "no half file outlives the next state"
