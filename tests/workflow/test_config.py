from __future__ import annotations

import tomllib

import pytest

from latentome import io
from latentome.errors import InputError, RunFolderError
from latentome.workflow import RunConfig, default_folder
from latentome.workflow.choose import choose_model
from latentome.workflow.config import check_same

CONFIGS = [
    RunConfig(),
    RunConfig(data="a b.tsv", model="adage", labels="l.tsv", label_column="typé", genes=500, seed=7),
    RunConfig(test_size=0.1, scaling="none", transform="log2p1", orientation="genes-by-samples"),
    RunConfig(parameters={"n_components": 100, "hidden": (300, 100), "learning_rate": 5e-4, "nesterov": True}),
    RunConfig(parameters={"hidden": (), "warmup": 3, "beta": 0.0}),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_what_is_written_reads_back_as_the_same_request(config, tmp_path):
    io.write_toml(tmp_path / "config.toml", config.to_dict())
    back = RunConfig.from_dict(tomllib.loads((tmp_path / "config.toml").read_text(encoding="utf-8")), "config.toml")
    check_same(back, config, "folder")
    check_same(config, back, "folder")
    assert back.to_dict() == config.to_dict()
    assert choose_model(RunConfig(model="vae", parameters={"max_epochs": 3}))[0].max_epochs == 3


def test_numbers_keep_their_kind(tmp_path):
    """A warm-up of 1 is one epoch, one of 1.0 would be a fraction: the file must tell them apart."""
    for warmup in (1, 0.5):
        io.write_toml(tmp_path / "config.toml", RunConfig(parameters={"warmup": warmup}).to_dict())
        back = tomllib.loads((tmp_path / "config.toml").read_text())["parameters"]["warmup"]
        assert type(back) is type(warmup)
        assert back == warmup


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 2}, "seed: 0 in the folder, 2 now"),
        ({"data": "other.tsv"}, "data: 'tcga-33' in the folder, 'other.tsv' now"),
        ({"parameters": {"n_components": 3}}, "parameters: {} in the folder, {'n_components': 3} now"),
        ({"genes": 50}, "genes: None in the folder, 50 now"),
    ],
)
def test_a_difference_is_named(changed, named):
    with pytest.raises(RunFolderError, match="asked for something else") as refused:
        check_same(RunConfig(), RunConfig(**changed), "the-folder")
    assert refused.value.where == f"the-folder; {named}"


def test_a_setting_that_no_run_has_is_refused():
    with pytest.raises(InputError, match="Did you mean 'test_size'") as refused:
        RunConfig.from_dict({"test_siz": 0.2}, "the/config.toml")
    assert refused.value.where == "the/config.toml"


def test_every_model_of_the_contract_is_made_with_the_seed_of_the_run():
    for name, family in (
        ("nonlinear-pca", "nonlinear-pca"),
        ("vae", "vae"),
        ("adage", "adage"),
        ("deep", "deep"),
        ("linear", "linear"),
        ("class3-model1", "linear"),
        ("class3-model2", "deep"),
        ("tybalt-2018-as-published", "vae"),
        ("tybalt-2018-as-described", "vae"),
    ):
        estimator, _ = choose_model(RunConfig(model=name, seed=11, parameters={"n_components": 7}))
        assert (estimator.family, estimator.random_state, estimator.n_components) == (family, 11, 7)


def test_the_scaling_is_the_users_then_the_presets_then_that_of_the_data():
    def scaling(**settings):
        return choose_model(RunConfig(**settings))[1]

    assert scaling(model="vae", data="tcga-6") == "zero-one"
    assert scaling(model="vae", data="blobs") == "none"
    assert scaling(model="vae", data="blobs.tsv") == "zero-one", "a file of the user's, whatever it is called"
    assert scaling(model="class3-model1", data="x.tsv") == "none"
    assert scaling(model="tybalt-2018-as-described", data="blobs") == "zero-one"
    assert scaling(model="class3-model1", data="x.tsv", scaling="zero-one") == "zero-one"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vea"}, "Did you mean 'vae'"),
        ({"model": "tybalt-2018-as-describd"}, "Did you mean 'tybalt-2018-as-described'"),
        ({"model": "linear", "parameters": {"hidden": [3]}}, "'linear' has no parameter 'hidden'"),
        ({"model": "vae", "parameters": {"warm_up": 1}}, "Did you mean 'warmup'"),
        ({"model": "adage", "parameters": {"random_state": 1}}, "no parameter 'random_state'"),
    ],
)
def test_unknown_models_and_parameters_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        choose_model(RunConfig(**settings))


def test_the_default_folder_is_named_after_data_and_model():
    assert default_folder(RunConfig()) == "latentome-tcga-33-nonlinear-pca"
    assert default_folder(RunConfig(data="/somewhere/my.counts.tsv.gz", model="adage")) == "latentome-my-adage"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('seed = "0"', "a whole number"),
        ("seed = true", "a whole number"),
        ("clip = 1", "true or false"),
        ("genes = 1.5", "a whole number or a text in quotes"),
        ('stratify = "cancer_type"', "a list"),
        ("parameters = 3", "a table"),
    ],
)
def test_a_value_of_another_kind_is_refused(line, expected):
    with pytest.raises(InputError, match=f"no value of the setting '{line.split()[0]}' of a run") as refused:
        RunConfig.from_dict(tomllib.loads(line), "the/config.toml")
    assert refused.value.expected == expected
    assert RunConfig.from_dict({"test_size": 1}, "a whole number is a number, too").test_size == 1
