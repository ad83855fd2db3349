"""Configurations that are given up on the way, and those that a search chooses: by what was scored, and repeatably."""

from __future__ import annotations

import json
import math
import sys

import pandas as pd
import pytest
from matplotlib.figure import Figure

from latentome import pl, sweep
from latentome.errors import InputError
from latentome.sweep.page import draw
from latentome.sweep.request import SweepRequest
from latentome.sweep.rounds import halvings, rounds
from latentome.workflow import RunConfig

#: Nine configurations of one width, so that all share a program in each round.
GRID = {"n_components": [2], "learning_rate": [1e-4, 1e-3, 3e-3, 0.01, 0.02, 0.03, 0.05, 0.1, 1e30]}
HALVED = {"model": "linear", "folds": 2, "seeds": 1, "parameters": {"optimizer": "sgd", "max_epochs": 9}}


def same(found, expected):
    """Equal bit for bit, but for the seconds."""
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), expected.drop(columns="seconds"), check_exact=True)


@pytest.fixture(scope="module")
def search(files):
    def _search(out, grid, **how):
        options = {**HALVED, "labels": str(files / "labels.tsv"), **how}
        return sweep.run(files / "expression.tsv", options.pop("model"), grid, out, **options)

    return _search


@pytest.fixture(scope="module")
def halved(search, tmp_path_factory):
    return search(tmp_path_factory.mktemp("halved") / "sweep", GRID, halving=3)


def test_each_round_keeps_the_best_third_and_trains_it_three_times_as_long(halved):
    trials = halved.trials
    sizes = trials.groupby("round")["configuration"].nunique()
    assert list(sizes) == [9, 3, 1]
    assert [set(t["max_epochs"]) for _, t in trials.groupby("round")] == [{1}, {3}, {9}]
    for number in (1, 2):
        # A configuration of which a training failed is worse than all others.
        errors = trials[trials["round"] == number].groupby("configuration")["held-out MSE"].mean()
        best = set(errors.sort_values().index[: sizes[number + 1]])
        assert set(trials.loc[trials["round"] == number + 1, "configuration"]) == best
    summary = halved.summary
    assert len(summary) == 9
    assert list(summary["round"][:3]) == [3, 2, 2]
    assert summary["configuration"].iloc[-1] == 9  # the one that diverged
    assert "6 after 1 epoch, 2 after 3 epochs" in " ".join(halved.verdict)
    assert "a little optimistic" in " ".join(halved.verdict)  # though one configuration alone came to the last round


def test_all_configurations_of_a_halved_sweep_are_drawn(halved, monkeypatch, tmp_path):
    drawn = {}
    for name in ("sweep_scores", "sweep_curves"):
        monkeypatch.setattr(pl, name, lambda *given, name=name: drawn.setdefault(name, (*given, Figure()))[-1])
    trials = pd.read_csv(halved.path / "curves.tsv.gz", sep="\t")
    draw(tmp_path, SweepRequest(RunConfig("blobs"), ("linear",), GRID), halved.summary, trials)
    summary, varied, _ = drawn["sweep_scores"]
    assert len(summary) == 9
    assert varied == [*GRID, "max_epochs"]
    curves = drawn["sweep_curves"][0]
    lengths = curves.groupby("configuration")["epoch"].max()
    assert dict(lengths) == dict(zip(summary["configuration"], summary["max_epochs"], strict=True))
    assert not curves.duplicated(["configuration", "fold", "epoch"]).any()
    assert "of equal epochs" in (halved.path / "report.html").read_text()


def test_the_last_round_is_the_training_of_a_plain_sweep(halved, search, tmp_path):
    best = halved.summary.iloc[0]
    plain = search(tmp_path / "plain", {"n_components": [2], "learning_rate": [best["learning_rate"], 1e-5]})
    whole = plain.trials[plain.trials["learning_rate"] == best["learning_rate"]]
    last = halved.trials[halved.trials["round"] == 3]
    # In company of others the sums run in another order.
    assert list(last["held-out MSE"]) == pytest.approx(list(whole["held-out MSE"]), rel=1e-4)
    found = json.loads((halved.path / "best.json").read_text())
    assert "'max_epochs': 9" in found["call"]


def test_a_search_that_was_broken_off_goes_on_to_the_same_table(halved, search, tmp_path):
    out = tmp_path / "sweep"
    search(out, GRID, halving=3)
    results = sorted((out / "results").iterdir())
    for path in results[len(results) // 2 :]:
        path.unlink()
    same(search(out, GRID, halving=3, resume=True).trials, halved.trials)


def test_the_search_finds_the_valley_and_repeats_itself():
    """Of a known function: the errors are the distance of the learning rate from 0.01, in decades."""
    grid = {"learning_rate": sweep.Span(1e-6, 1.0)}
    request = SweepRequest(RunConfig("blobs", seed=1), ("deep", "linear"), grid, bayesian=40)

    def walk():
        search = rounds(request)
        chosen, errors = [], {}
        try:
            now = next(search)
            while True:
                chosen += now
                errors |= {c.number: abs(math.log10(c.varied["learning_rate"]) + 2) for c in now}
                errors |= {c.number: math.nan for c in now if c.number == 3}
                now = search.send({c.number: errors[c.number] for c in now})
        except StopIteration:
            return chosen, errors

    chosen, errors = walk()
    assert [c.number for c in chosen] == list(range(1, 41))
    assert all(1e-6 <= c.varied["learning_rate"] <= 1.0 for c in chosen)
    assert {c.model for c in chosen} == {"deep", "linear"}
    # A random search is within 0.5 decades a sixth of the time: 8 of 16 times once in a thousand searches.
    late = [errors[c.number] < 0.5 for c in chosen if c.number > 24]
    assert sum(late) >= 8
    assert walk()[0] == chosen


def test_a_bayesian_sweep_is_kept_and_goes_on(search, tmp_path):
    grid = {"learning_rate": sweep.Span(1e-3, 0.1), "n_components": [2]}
    found = search(tmp_path / "sweep", grid, bayesian=10, folds=1)
    assert len(found.summary) == 10
    (tmp_path / "sweep" / "results" / "00003.json").unlink()
    same(search(tmp_path / "sweep", grid, bayesian=10, folds=1, resume=True).trials, found.trials)


def test_few_values_are_not_trained_twice():
    request = SweepRequest(RunConfig("blobs"), ("linear",), {"n_components": [1, 2, 3]}, bayesian=20)
    search, chosen = rounds(request), []
    try:
        now = next(search)
        while True:
            chosen += [c.varied["n_components"] for c in now]
            now = search.send({c.number: 1.0 for c in now})
    except StopIteration:
        assert sorted(chosen) == [1, 2, 3]


@pytest.mark.parametrize(
    ("configurations", "share", "epochs", "times"),
    [(9, 3, 9, 2), (9, 3, 8, 1), (8, 3, 9, 1), (2, 3, 9, 0), (16, 2, 100, 4)],
)
def test_how_often_can_be_halved(configurations, share, epochs, times):
    assert halvings(configurations, share, epochs) == times


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"halving": 1}, "halving=1"),
        ({"bayesian": 1}, "bayesian=1"),
        ({"bayesian": 5, "random": 3}, "chooses its configurations itself"),
        ({"bayesian": 5, "halving": 3}, "chooses its configurations itself"),
        ({"halving": 3, "parameters": {"max_epochs": 2}}, "nothing to halve"),
        ({"halving": 12}, "nothing to halve"),
    ],
)
def test_searches_that_cannot_be(search, tmp_path, how, message):
    with pytest.raises(InputError, match=message):
        search(tmp_path / "sweep", GRID, **how)
    assert not (tmp_path / "sweep").exists()


def test_a_range_with_an_end_that_no_model_takes_is_refused_before_anything_is_trained(search, tmp_path):
    with pytest.raises(InputError, match="n_components"):
        search(tmp_path / "sweep", {"n_components": sweep.Span(1, 500)}, bayesian=5)
    assert not (tmp_path / "sweep").exists()


def test_without_optuna_it_says_what_to_install(search, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"latentome\[tune\]"):
        search(tmp_path / "sweep", GRID, bayesian=5)
    assert not (tmp_path / "sweep").exists()
