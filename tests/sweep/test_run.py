"""A sweep scores what each fold holds out, keeps what is done, and gives the same table however it was done."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

import latentome as lt
from latentome import sweep
from latentome.sweep.request import SweepRequest
from latentome.sweep.store import prepare_store
from latentome.sweep.table import interval, verdict
from latentome.workflow import RunConfig


def same(found, expected):
    """Equal bit for bit, but for the seconds."""
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), expected.drop(columns="seconds"), check_exact=True)


def test_one_row_a_training_and_the_best_first(done):
    trials, summary = done.trials, done.summary
    assert len(trials) == 2 * 4 * 2 * 2
    sound = trials[trials["error"] == ""]
    assert sorted(set(sound["learning_rate"])) == [0.05]
    assert sound[["held-out MSE", "PCA held-out MSE", "probe accuracy", "5-NN accuracy"]].notna().all(axis=None)
    assert list(summary["failed"] > 0) == [False] * 4 + [True] * 4
    assert summary["held-out MSE"][:4].is_monotonic_increasing
    best = sound[sound["configuration"] == summary["configuration"][0]]
    folds = best.groupby("fold")["held-out MSE"].mean()
    # Student's t with one degree of freedom: 12.706 standard errors.
    half = 12.7062 * folds.std(ddof=1) / np.sqrt(2)
    assert summary["low"][0] == pytest.approx(folds.mean() - half, rel=1e-5)
    assert summary["held-out MSE"][0] == pytest.approx(folds.mean())
    assert "The best of 8 configurations" in done.verdict[0]
    assert all((done.path / name).exists() for name in ("sweep.tsv", "summary.tsv", "report.html", "curves.tsv.gz"))
    assert sorted(p.name for p in (done.path / "figures").iterdir()) == ["curves.png", "scores.png", "sizes.png"]
    assert not (done.path / "store").exists()


def test_a_configuration_that_diverges_is_named_with_its_reason(done):
    lost = done.trials[done.trials["error"] != ""]
    assert set(lost["learning_rate"]) == {1e30}
    assert lost["error"].str.contains("stopped being finite.*learning rate", regex=True).all()
    assert lost["held-out MSE"].isna().all()
    assert "16 trainings of 4 configurations failed" in done.verdict[-1]


def test_one_of_something_is_told_in_the_singular():
    rows = {"configuration": [1, 2, 3], "held-out MSE": [1.0, 1.1, 9.0], "high": [1.2, 2, 9], "failed": [0, 0, 1]}
    table = pd.DataFrame(rows).assign(
        **{"low": 0.9, "latent features": 2, "PCA held-out MSE": 1.0, "% of PCA's": 100.0}
    )
    said = " ".join(verdict(table, 1, 3))
    assert "1 other lies inside its interval" in said
    assert "1 training of 1 configuration failed" in said


def test_a_training_of_a_sweep_is_the_single_training(done, files):
    fixed = {"max_epochs": 4, "optimizer": "sgd"}
    base = RunConfig(str(files / "expression.tsv"), labels=str(files / "labels.tsv"), parameters=fixed)
    request = SweepRequest(base, ("linear",), {"n_components": [2, 3]}, 2, 2)
    store = prepare_store(request)
    fold = store.folds[1]
    # 61 samples: 30 are held out by each fold, one by none; the range of the training rows alone is [0, 1].
    assert [int((~f.training).sum()) for f in store.folds] == [30, 30]
    np.testing.assert_array_equal(fold.x[fold.training].max(axis=0), 1.0)
    assert fold.x.max() > 1.0 or fold.x.min() < 0.0
    model = lt.LinearAutoencoder(3, learning_rate=0.05, random_state=1, **fixed).fit(fold.x[fold.training])
    error = np.square(fold.x - model.inverse_transform(model.transform(fold.x)))[~fold.training].mean()
    trials = done.trials
    row = trials.query("model == 'linear' and n_components == 3 and learning_rate == 0.05 and fold == 1 and seed == 1")
    assert row["held-out MSE"].item() == pytest.approx(float(error), rel=1e-4)
    fitted = PCA(3).fit(fold.x[fold.training])
    test = fold.x[~fold.training]
    assert row["PCA held-out MSE"].item() == pytest.approx(
        float(np.square(test - fitted.inverse_transform(fitted.transform(test))).mean()), rel=1e-4
    )


def test_processes_and_their_deaths_change_nothing(done, make, monkeypatch, tmp_path):
    from latentome.sweep import pool

    begun = []
    submit = pool.ProcessPoolExecutor.submit

    def submit_and_kill(self, work, unit, *rest):
        future = submit(self, work, unit, *rest)
        if unit.trials and unit.number not in begun:
            begun.append(unit.number)
            if len(begun) == 1:  # the first training loses its process once
                for process in self._processes.values():
                    process.kill()
        return future

    monkeypatch.setattr(pool.ProcessPoolExecutor, "submit", submit_and_kill)
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    found = make(tmp_path / "out", on="local", workers=2)
    assert begun
    same(found.trials, done.trials)
    # On a GPU the first process would take three quarters of its memory.
    assert os.environ.pop("XLA_PYTHON_CLIENT_PREALLOCATE") == "false"


def test_processes_are_as_many_as_processors_but_one_where_they_would_share_a_gpu(monkeypatch):
    import jax

    from latentome.sweep import pool
    from latentome.training import pieces

    monkeypatch.setattr(pieces, "processors", lambda: 5)
    assert pool.default_workers() == 5
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert pool.default_workers() == 1


def test_an_interruption_keeps_what_is_done_and_resume_does_only_what_is_missing(done, make, monkeypatch, tmp_path):
    from latentome.sweep import pool

    do_unit, calls, out = pool.do_unit, [], tmp_path / "out"

    def interrupted(unit, *rest):
        calls.append(unit.number)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return do_unit(unit, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(pool, "do_unit", interrupted)
        with pytest.raises(KeyboardInterrupt, match="16 of 32 trainings are kept"):
            make(out)
    kept = sorted((out / "results").iterdir())
    assert [p.name for p in kept] == ["00001.json", "00002.json", "00003.json"]
    kept[0].write_bytes(kept[0].read_bytes()[:50])  # damaged: done again
    third = kept[2].stat().st_mtime_ns
    with monkeypatch.context() as patch:
        calls.clear()
        patch.setattr(pool, "do_unit", lambda unit, *rest: (calls.append(unit.number), do_unit(unit, *rest))[1])
        same(make(out, resume=True).trials, done.trials)
    assert calls == [1, 4]
    assert kept[2].stat().st_mtime_ns == third


def test_the_folder_says_how_to_train_the_best_one(done):
    best = json.loads((done.path / "best.json").read_text())
    assert best["configuration"] == done.summary["configuration"][0]
    assert best["call"].startswith("latentome.run(")
    assert f"'n_components': {done.summary['n_components'][0]}" in best["call"]


def test_no_interval_without_repetitions():
    one = pd.DataFrame({"fold": [0], "held-out MSE": [0.1]})
    assert np.isnan(interval(one, "held-out MSE")).all()


def test_published_sweeps_have_their_published_sizes():
    sizes = {}
    for name, published in sweep.NAMED.items():
        base = RunConfig("tcga-33", parameters=published.parameters)
        request = sweep.SweepRequest(base, published.models, published.grid, published.seeds)
        sizes[name] = len(request.configurations()) * request.seeds
    assert sizes == {"tybalt-onehidden": 320, "tybalt-twohidden": 320, "adage": 324, "latent-dim": 280}


def test_processes_die_with_the_process_that_collects(tmp_path):
    """Else they train on beside those of the next process that goes on in the folder."""
    script = (
        "import os, sys, time\n"
        "from latentome.sweep import pool\n"
        "if __name__ == '__main__':\n"
        "    process = pool._pool()\n"
        "    print(process.submit(os.getpid).result(), flush=True)\n"
        "    process.submit(time.sleep, 600)\n"
        "    time.sleep(600)\n"
    )
    (tmp_path / "collect.py").write_text(script)
    with subprocess.Popen([sys.executable, str(tmp_path / "collect.py")], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 20
    while time.monotonic() < end and Path(f"/proc/{worker}").exists() and state_of(worker) != "Z":
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists() or state_of(worker) == "Z"


def state_of(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"
