from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from latentome import tl
from latentome.errors import InputError
from latentome.tl import Representation
from latentome.tl.errors import errors_by_class
from latentome.tl.evaluate import answer

CLASS_METRICS = ["probe accuracy", "5-NN accuracy", "silhouette", "ARI", "NMI"]


@pytest.fixture(scope="module")
def groups():
    """600 samples of 4 well separated classes in 6 dimensions; a fifth of them held out."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    centres = 6.0 * rng.normal(size=(4, 6))
    x = (centres[labels] + rng.normal(size=(600, 6))).astype(np.float32)
    return x, np.array([f"class-{i}" for i in labels], dtype=object), np.arange(600) % 5 != 0


def noisy(x, deviation, seed=1):
    return Representation(x, x + deviation * np.random.default_rng(seed).normal(size=x.shape).astype(np.float32))


def test_a_perfect_representation_has_no_error_and_explains_all(groups):
    x, labels, training = groups
    result = tl.evaluate(x, {"perfect": Representation(x, x)}, training, labels)
    table = {metric: values["perfect"] for metric, values in result["table"].items()}
    assert table["held-out MSE"] == 0.0
    assert table["variance explained"] == 1.0
    assert list(table) == ["held-out MSE", "variance explained", *CLASS_METRICS]
    # The centres are 6 standard deviations apart and more.
    assert table["probe accuracy"] == table["5-NN accuracy"] == table["ARI"] == table["NMI"] == 1.0
    assert 0.5 < table["silhouette"] < 1.0
    assert set(result["by_class"]) == set(np.unique(labels))
    assert all(values == {"perfect": 0.0} for values in result["by_class"].values())
    assert result["n_test"] == 120


def test_the_training_mean_explains_nothing(groups):
    x, labels, training = groups
    mean = np.broadcast_to(x[training].mean(axis=0), x.shape)
    result = tl.evaluate(x, {"mean": Representation(x[:, :1], mean)}, training, None)
    assert result["table"]["variance explained"]["mean"] == pytest.approx(0.0, abs=1e-9)
    assert list(result["table"]) == ["held-out MSE", "variance explained"]
    assert result["by_class"] == {}


def test_the_error_is_that_of_the_held_out_samples_only(groups):
    x, labels, training = groups
    rebuilt = x.copy()
    rebuilt[training] += 100.0
    rebuilt[~training] += 0.5
    result = tl.evaluate(x, {"m": Representation(x, rebuilt)}, training, labels)
    assert result["table"]["held-out MSE"]["m"] == pytest.approx(0.25, rel=1e-6)


def test_shuffled_labels_give_a_probe_at_chance(groups):
    x, labels, training = groups
    shuffled = np.random.default_rng(5).permutation(labels)
    table = tl.evaluate(x, {"m": Representation(x, x)}, training, shuffled)["table"]
    # Chance is 0.25; the standard deviation over 120 samples is 0.04.
    for metric in ("probe accuracy", "5-NN accuracy"):
        assert 0.25 - 0.16 < table[metric]["m"] < 0.25 + 0.16, metric
    assert abs(table["ARI"]["m"]) < 0.05
    assert table["NMI"]["m"] < 0.12
    assert table["silhouette"]["m"] < 0.05


def test_classifiers_learn_from_training_samples_only(groups):
    """Held-out samples whose classes are swapped are all wrong: nothing of them was learned."""
    x, labels, training = groups
    swapped = labels.copy()
    follows = {f"class-{i}": f"class-{(i + 1) % 4}" for i in range(4)}
    swapped[~training] = [follows[label] for label in labels[~training]]
    table = tl.evaluate(x, {"m": Representation(x, x)}, training, swapped)["table"]
    assert table["probe accuracy"]["m"] == table["5-NN accuracy"]["m"] == 0.0
    assert table["ARI"]["m"] == 1.0, "clusters do not know how classes are called"


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_labels_are_left_out_and_told(groups, missing):
    x, labels, training = groups
    some = labels.copy()
    some[::7] = missing
    result = tl.evaluate(x, {"m": Representation(x, x)}, training, some)
    assert f"{len(some[::7])} samples have no label" in " ".join(result["notes"])
    assert set(result["by_class"]) == set(np.unique(labels))
    assert result["table"]["probe accuracy"]["m"] == 1.0
    assert result["n_test"] == 120, "the error needs no label and counts all samples"


def test_classes_without_a_training_sample_are_left_out_and_told(groups):
    x, labels, training = groups
    some = labels.copy()
    new = np.flatnonzero(~training)[:9]
    some[new] = "never seen"
    result = tl.evaluate(x, {"m": Representation(x, x)}, training, some)
    assert "9 held-out samples are of classes without a training sample" in " ".join(result["notes"])
    assert "never seen" not in result["by_class"]
    assert result["table"]["probe accuracy"]["m"] == 1.0


@pytest.mark.parametrize("labels", [["one"] * 600, [None] * 600])
def test_less_than_two_classes_leave_the_class_metrics_out(groups, labels):
    x, _, training = groups
    result = tl.evaluate(x, {"m": Representation(x, x)}, training, np.array(labels, dtype=object))
    assert list(result["table"]) == ["held-out MSE", "variance explained"]
    assert len(result["by_class"]) == (labels[0] is not None)


def test_methods_keep_their_order_and_every_metric_says_which_way_is_better(groups):
    x, labels, training = groups
    names = ["zebra", "PCA", "ant"]
    result = tl.evaluate(x, {n: noisy(x, 0.1 * (i + 1), i) for i, n in enumerate(names)}, training, labels)
    assert result["methods"] == names
    assert all(list(values) == names for values in result["table"].values())
    assert list(result["better"]) == list(result["table"])
    assert result["better"]["held-out MSE"] == "lower"
    assert all(way == "higher" for metric, way in result["better"].items() if metric != "held-out MSE")
    assert list(result["difference"]) == ["PCA", "ant"]


@pytest.mark.parametrize("seed", range(6))
def test_the_interval_holds_the_mean_and_the_mean_is_the_difference(groups, seed):
    x, labels, training = groups
    result = tl.evaluate(x, {"m": noisy(x, 0.5, seed), "PCA": noisy(x, 0.5, seed + 50)}, training, None, rng=seed)
    difference, mse = result["difference"]["PCA"], result["table"]["held-out MSE"]
    assert difference["low"] < difference["mean"] < difference["high"]
    assert difference["mean"] == pytest.approx(mse["m"] - mse["PCA"], abs=1e-12)
    per_sample = [
        np.square(x - noisy(x, 0.5, s).reconstruction, dtype=np.float64).mean(axis=1) for s in (seed, seed + 50)
    ]
    error = (per_sample[0] - per_sample[1])[~training].std(ddof=1) / np.sqrt(120)
    assert difference["high"] - difference["low"] == pytest.approx(2 * 1.9801 * error, rel=1e-4)  # Student's of 119


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Two equally good methods: 95 % of the intervals hold 0, that is 190 of 200, with a standard deviation of 3.1."""
    rng = np.random.default_rng(0)
    x, training = rng.normal(size=(100, 8)), np.arange(100) % 2 == 0
    held = 0
    for seed in range(200):
        one, other = (Representation(x, x + rng.normal(size=x.shape)) for _ in range(2))
        found = tl.evaluate(x, {"m": one, "PCA": other}, training, None, rng=seed)["difference"]["PCA"]
        held += found["low"] <= 0.0 <= found["high"]
    assert 176 <= held < 200


def test_a_seed_gives_the_same_result(groups):
    x, labels, training = groups
    methods = {"m": noisy(x, 0.3), "PCA": noisy(x, 0.3, 2)}
    assert tl.evaluate(x, methods, training, labels, rng=3) == tl.evaluate(x, methods, training, labels, rng=3)


@pytest.mark.parametrize(
    ("model", "pca", "said"),
    [
        (0.1, 0.5, "VAE reconstructs held-out samples better than PCA of equal size"),
        (0.5, 0.1, "PCA of equal size reconstructs held-out samples better than VAE"),
        (0.3, 0.3, "VAE and PCA of equal size reconstruct held-out samples about equally well"),
    ],
)
def test_the_verdict_names_the_winner(groups, model, pca, said):
    x, labels, training = groups
    result = tl.evaluate(x, {"VAE": noisy(x, model, 3), "PCA": noisy(x, pca, 4)}, training, labels)
    sentences = tl.verdict(result, "VAE")
    assert sentences[0].startswith(said)
    for method in ("VAE", "PCA"):
        assert f"{result['table']['held-out MSE'][method]:.4g}" in sentences[0]


def test_the_verdict_says_in_which_metrics_each_does_better(groups):
    x, labels, training = groups
    result = tl.evaluate(x, {"VAE": noisy(x, 0.3, 3), "PCA": noisy(x, 0.3, 4)}, training, labels)
    for metric in CLASS_METRICS:
        result["table"][metric] = {"VAE": 0.5, "PCA": 0.5}
    always = f"Always saying '{result['majority']['class']}' would be right for {result['majority']['share']:.3f}"
    same = tl.verdict(result, "VAE")
    assert len(same) == 2, "where nothing differs, nothing is said of it"
    assert same[1].startswith(always)
    result["table"]["probe accuracy"]["VAE"] = 0.75
    result["table"]["NMI"]["PCA"] = 0.875  # of clusters there is no interval
    for low, high, told in (
        (0.1, 0.4, "Its features tell the classes better: probe accuracy 0.750 against 0.500"),
        (-0.1, 0.4, "No difference beyond chance between the two in probe accuracy 0.750 against 0.500"),
        (-0.4, -0.1, "PCA tells the classes better: probe accuracy 0.750 against 0.500"),
    ):
        result["accuracy_difference"]["probe accuracy"]["PCA"] = {"mean": 0.25, "low": low, "high": high}
        assert tl.verdict(result, "VAE")[1].startswith(told)


def test_accuracies_differ_by_the_samples_that_only_one_tells_right(groups):
    x, labels, training = groups
    noise = np.random.default_rng(0).normal(size=x.shape) * 1e-9  # k-means wants points that differ
    methods = {"VAE": noisy(x, 0.3, 3), "PCA": Representation(noise, x)}
    result = tl.evaluate(x, methods, training, labels)
    for metric in ("probe accuracy", "5-NN accuracy"):
        ours, theirs = (result["table"][metric][name] for name in methods)
        difference = result["accuracy_difference"][metric]["PCA"]
        assert difference["mean"] == pytest.approx(ours - theirs)
        assert 0 < difference["low"] < difference["mean"] <= difference["high"]
    truth, taught = labels[~training], labels[training]
    common = max(sorted(set(taught)), key=list(taught).count)
    assert result["majority"] == {"class": common, "share": pytest.approx(np.mean(truth == common))}
    assert result["n_labelled"] == (~training).sum()


def test_two_labelled_samples_name_no_winner(groups):
    x, labels, training = groups
    few = np.where(training | (np.arange(len(x)) == np.flatnonzero(~training)[0]), labels, None)
    other = next(i for i in np.flatnonzero(~training) if labels[i] != labels[np.flatnonzero(~training)[0]])
    few[other] = labels[other]
    result = tl.evaluate(x, {"VAE": noisy(x, 0.3, 3), "PCA": noisy(x, 0.3, 4)}, training, few)
    assert result["n_labelled"] == 2
    assert len(tl.verdict(result, "VAE")) == 1


def test_errors_that_are_the_same_to_rounding_make_no_winner(groups):
    x, labels, training = groups
    one = noisy(x, 0.3, 3)
    other = Representation(one.codes, one.reconstruction + 1e-6)
    result = tl.evaluate(x, {"VAE": other, "PCA": one}, training, labels)
    assert answer(result["difference"]["PCA"], result["n_test"]) == "same"
    assert "equally well" in tl.verdict(result, "VAE")[0]


def test_a_baseline_without_error_is_no_defect(groups):
    """As many components as genes: PCA may rebuild the data to the bit."""
    x, labels, training = groups
    result = tl.evaluate(x, {"VAE": noisy(x, 0.3, 3), "PCA": Representation(x, x)}, training, labels)
    assert tl.verdict(result, "VAE")[0].startswith("PCA of equal size reconstructs held-out samples better than VAE")
    both = tl.evaluate(x, {"VAE": Representation(x, x), "PCA": Representation(x, x)}, training, labels)
    assert "about equally well" in tl.verdict(both, "VAE")[0]
    assert "nan" not in " ".join(tl.verdict(both, "VAE"))


def test_a_model_that_does_worse_than_the_mean_went_wrong(groups):
    x, labels, training = groups
    methods = {"VAE": noisy(x, 30.0, 3), "PCA": noisy(x, 0.3, 3)}
    first, second, *_ = tl.verdict(tl.evaluate(x, methods, training, labels), "VAE")
    assert second.startswith("The mean of each gene would do better than VAE: it was trained too little, or")
    # The squared error is 10,000 times that of PCA: within the fifth that 60 samples leave.
    assert 8e5 < float(re.search(r"\((\S+) %, 95 % interval", first)[1]) < 1.2e6
    sound = tl.evaluate(x, {**methods, "VAE": noisy(x, 0.9, 3)}, training, labels)
    assert "went wrong" not in " ".join(tl.verdict(sound, "VAE"))


def test_clusters_by_leiden_are_an_extra(groups, monkeypatch):
    x, labels, training = groups
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "sknetwork.clustering", None)
        with pytest.raises(InputError, match=r"not installed(.|\n)*latentome\[leiden\]"):
            tl.evaluate(x, {"x": Representation(x, x)}, training, labels, clustering="leiden")
    with pytest.raises(InputError, match="Did you mean 'leiden'"):
        tl.evaluate(x, {"x": Representation(x, x)}, training, labels, clustering="Leyden")
    assert len(tl.cluster(x[:5], x[5:9], 20)) == 4, "more clusters than samples are as many as samples"
    pytest.importorskip("sknetwork")
    result = tl.evaluate(x, {"x": Representation(x, x)}, training, labels, clustering="leiden")
    assert result["clustering"] == "leiden"
    assert result["table"]["NMI"]["x"] > 0.7
    again = tl.cluster(x[training], x[~training], 4, "leiden")
    assert np.array_equal(again, tl.cluster(x[training], x[~training], 4, "leiden"))


def test_errors_by_gene_and_by_class_add_up_to_the_whole(groups):
    x, labels, training = groups
    methods = {"model": noisy(x, 0.5), "PCA": noisy(x, 1.0, 2)}
    whole = tl.evaluate(x, methods, training, labels)
    genes = tl.errors_by_gene(x, methods, training, list("abcdef"))
    classes = tl.errors_by_class(x, methods, training, labels)
    for name in methods:
        expected = whole["table"]["held-out MSE"][name]
        assert genes[f"{name} MSE"].mean() == pytest.approx(expected)
        assert np.average(classes[f"{name} MSE"], weights=classes["samples"]) == pytest.approx(expected)
    assert set(genes["gene"]) == set("abcdef")
    assert genes["model explained"].is_monotonic_increasing
    np.testing.assert_allclose(genes["PCA explained"], 1 - genes["PCA MSE"] / genes["variance"])
    assert (classes["v PCA, % low"] < classes["v PCA, %"]).all()
    assert classes["v PCA, % high"].between(-90, -50).all(), "a quarter of the error"
    flat = np.concatenate([x, np.ones((len(x), 1), np.float32)], axis=1)
    assert tl.errors_by_gene(flat, {"x": Representation(x, flat)}, training, list("abcdefg")).isna().sum().sum() == 1


def test_a_few_held_out_samples_name_no_winner(groups):
    x, labels, _ = groups
    for n, told in (
        (1, "1 held-out samples are too few"),
        (19, "19 held-out samples are too few"),
        (20, "better than PCA"),
    ):
        training = np.arange(600) >= n
        methods = {"VAE": noisy(x, 0.1), "PCA": noisy(x, 2.0)}
        assert told in tl.verdict(tl.evaluate(x, methods, training, labels), "VAE")[0]


def test_labels_of_training_samples_alone_give_no_error_of_a_class(groups):
    x, labels, training = groups
    few = np.where(training, labels, None)
    table = errors_by_class(x, {"VAE": noisy(x, 0.1), "PCA": noisy(x, 2.0)}, training, few)
    assert len(table) == 0


@pytest.mark.parametrize(("labelled", "there"), [(8, False), (10, False), (11, True)])
def test_a_few_labels_are_no_reason_to_judge_no_map(labelled, there, groups):
    x, labels, _ = groups
    few = np.where(np.arange(600) < labelled, labels, None)
    quality = tl.map_quality(x, x[:, :2], few, 10)
    assert ("class k-NN accuracy" in quality) == there
    assert 0.5 < quality["trustworthiness"] <= 1.0


def test_clusters_are_not_judged_where_each_held_out_sample_is_a_class_of_its_own(groups):
    x, labels, _ = groups
    single = labels.copy()
    single[:12] = [f"own-{i}" for i in range(12)]
    single[12:24] = single[:12]  # each is taught, too
    training = np.arange(600) >= 12
    table = tl.evaluate(x, {"VAE": noisy(x, 0.1), "PCA": noisy(x, 0.2)}, training, single)["table"]
    assert "probe accuracy" in table
    assert not {"ARI", "NMI"} & set(table)


def test_samples_without_a_label_are_of_no_class_not_even_of_one_without_a_name(groups):
    x, labels, training = groups
    labels = labels.copy()
    labels[::7], labels[1::7] = "", None
    result = tl.evaluate(x, {"noisy": noisy(x, 0.1)}, training, labels)
    assert sum(result["n_by_class"].values()) == result["n_labelled"] == (~training[np.arange(600) % 7 != 1]).sum()
    rows = errors_by_class(x, {"a": noisy(x, 0.1), "b": noisy(x, 0.2)}, training, labels)
    assert rows["samples"].sum() == result["n_labelled"]


@pytest.mark.parametrize("labels", [["one"] * 60, [f"own {i}" for i in range(60)]])
def test_classes_that_tell_nothing_have_no_score_on_a_map(labels):
    x = np.random.default_rng(0).normal(size=(60, 4))
    assert "class k-NN accuracy" not in tl.map_quality(x, x[:, :2], labels=np.array(labels, dtype=object))
    assert "class k-NN accuracy" in tl.map_quality(x, x[:, :2], labels=np.resize(["a", "b"], 60).astype(object))


def test_samples_without_a_group_are_groups_of_their_own_by_class_too():
    x = np.random.default_rng(0).normal(size=(60, 5))
    methods = {"a": noisy(x, 0.1), "b": noisy(x, 0.2)}
    training, labels = np.arange(60) % 2 == 0, np.repeat(["a", "b"], 30)
    for missing in (None, np.nan):
        groups = np.array(["p1"] * 4 + [missing] * 56, dtype=object)
        rows = errors_by_class(x, methods, training, labels, groups).set_index("class")
        assert rows["v b, % low"].notna().all()
