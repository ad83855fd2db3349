"""Kill trainings of every family at random moments, resume them until they are done, and compare with untouched ones.

python benchmarks/kills.py                   # 100 kills, two trainings at a time: some minutes
python benchmarks/kills.py --kills 16        # two of each kind

Each training runs in processes of its own, one epoch at a time with a state on disk after each, and is sent SIGKILL
within half a second of its first epoch: while it computes, while it writes, while it waits. After every kill each state
in its folder must be whole. A training that is done is compared with one that nobody touched, weights and history, bit
for bit. Exit status 1 on any difference.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

#: Constructor and arguments of each family; all keep a best epoch, so that the states hold everything a state can.
FAMILIES = {
    "linear": ("LinearAutoencoder", {}),
    "deep": ("DeepAutoencoder", {"hidden": (16,)}),
    "denoising": ("DenoisingAutoencoder", {"noise": 0.1}),
    "variational": ("VariationalAutoencoder", {"hidden": (16,), "warmup": 20}),
    "nonlinear-pca": ("NonlinearPCA", {"hidden": (16,)}),  # its second round is killed, too
}
EPOCHS, MEMBERS, WITHIN = 400, 3, 0.5
#: A pause after each epoch, in seconds, so that a training outlives several kills.
PAUSE = 0.002


@dataclass
class Kind:
    """A family, alone or as an ensemble, and what came of killing it."""

    family: str
    members: int
    wanted: int
    kills: int = 0
    in_write: int = 0
    trainings: int = 0
    identical: int = 0
    problems: list[str] = field(default_factory=list)


def train(folder: Path, family: str, members: int) -> None:
    """The child: train, or go on, and leave the weights and the history."""
    import latentome as lt

    importlib.import_module("latentome.training.run").CHUNK_SECONDS = 0.0
    importlib.import_module("latentome.training.train").CHECKPOINT_SECONDS = 0.0

    def progress(done: int, total: int, row: dict[str, float]) -> None:
        print(done, flush=True)
        time.sleep(PAUSE)

    rng = np.random.default_rng(0)
    factors = rng.normal(size=(200, 4))
    # Not linear, so that there is something beyond PCA.
    x = factors @ rng.normal(size=(4, 30)) + factors**2 @ rng.normal(size=(4, 30)) + rng.normal(size=(200, 30))
    x = x.astype("float32")
    name, extra = FAMILIES[family]
    model = getattr(lt, name)(
        4, max_epochs=EPOCHS, learning_rate=0.005, patience=10 * EPOCHS, members=members, random_state=0, **extra
    ).fit(x, checkpoint=folder / "states", resume=True, progress=progress)
    if family == "nonlinear-pca" and not model.second_round_:
        sys.exit("there was no second round")
    weights = [array for member in model.models_ for array in member.get_weights()]
    np.savez(folder / "result.npz", *weights, model.history_.to_numpy())


def start(folder: Path, kind: Kind) -> subprocess.Popen:
    """Start a child."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--child", str(folder), kind.family, str(kind.members)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def damaged(states: Path) -> list[str]:
    """The states that are not whole."""
    from latentome.training.checkpoint import MAGIC

    wrong = []
    for path in states.rglob("[0-9]*.state"):
        content = path.read_bytes()
        body = content[len(MAGIC) :]
        if not content.startswith(MAGIC) or hashlib.sha256(body[32:]).digest() != body[:32]:
            wrong.append(path.name)
    return wrong


def arrays(folder: Path) -> list[np.ndarray]:
    """The weights and the history that a child left."""
    with np.load(folder / "result.npz") as file:
        return [file[name] for name in file.files]


def torment(kind: Kind, folder: Path, seed: str) -> Kind:
    """Train once untouched, and then with kills until there were enough of them."""
    rng = random.Random(seed)
    child = start(folder / "whole", kind)
    _, told = child.communicate()
    if child.returncode:
        kind.problems.append(told)
        return kind
    whole = arrays(folder / "whole")
    while kind.kills < kind.wanted and not kind.problems:
        again = folder / f"killed-{kind.trainings}"
        while not (again / "result.npz").exists():
            child = start(again, kind)
            if kind.kills < kind.wanted and child.stdout.readline():
                time.sleep(rng.uniform(0.0, WITHIN))
                child.kill()
            _, told = child.communicate()
            if child.returncode == -9:
                kind.kills += 1
                kind.in_write += bool(list((again / "states").rglob(".*.partial.*")))
            elif child.returncode:
                kind.problems.append(told)
                return kind
            kind.problems += damaged(again / "states")
        kind.trainings += 1
        result = arrays(again)
        if len(whole) == len(result) and all(np.array_equal(a, b) for a, b in zip(whole, result, strict=True)):
            kind.identical += 1
        else:
            kind.problems.append(f"{again}: other weights or another history")
        left = [path.name for path in (again / "states").rglob("*") if path.is_file() and not path.name[0].isdigit()]
        kind.problems += [f"{name} is left over" for name in left]
    shutil.rmtree(folder)
    return kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="how many in all")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        train(Path(options.child[0]), options.child[1], int(options.child[2]))
        return 0
    names = [(family, members) for members in (1, MEMBERS) for family in FAMILIES]
    kinds = [
        Kind(family, members, options.kills // len(names) + (i < options.kills % len(names)))
        for i, (family, members) in enumerate(names)
    ]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="latentome-kills-") as folder:
        os.environ.setdefault("LATENTOME_CACHE", f"{folder}/programs")
        with ThreadPoolExecutor(options.workers) as pool:
            done = [
                pool.submit(torment, kind, Path(folder) / f"{i}", f"{options.seed}-{i}") for i, kind in enumerate(kinds)
            ]
            kinds = [future.result() for future in done]
    print("family\tmembers\tkills\twhile writing\ttrainings\tidentical")
    for kind in kinds:
        row = (kind.family, kind.members, kind.kills, kind.in_write, kind.trainings, kind.identical)
        print(*row, sep="\t")
    total = [sum(getattr(kind, name) for kind in kinds) for name in ("kills", "in_write", "trainings", "identical")]
    print("all", "", *total, sep="\t")
    print(f"{time.monotonic() - began:.0f} s")
    for kind in kinds:
        for problem in kind.problems:
            print(f"{kind.family}, {kind.members}: {problem}", file=sys.stderr)
    return int(any(kind.problems or kind.kills < kind.wanted for kind in kinds))


if __name__ == "__main__":
    sys.exit(main())
