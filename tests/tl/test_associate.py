from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat
from scipy.optimize import minimize_scalar

from latentome import datasets, io, tl
from latentome.errors import InputError
from latentome.tl.associate import best_of, strength
from latentome.tl.survival import cox


@pytest.fixture(scope="module")
def known():
    """300 samples; feature 2 is sex, feature 4 follows age, feature 5 the hazard, the other two are noise."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(300, 5))
    male, age = rng.random(300) < 0.4, rng.uniform(20, 80, 300)
    codes[male, 1] += 4.0
    codes[:, 3] -= 0.1 * age
    life = rng.exponential(np.exp(-codes[:, 4]))
    tissue = np.where(male & (rng.random(300) < 0.7), "prostate", rng.choice(["lung", "colon"], 300))
    obs = pd.DataFrame(
        {
            "sex": np.where(male, "male", "female"),
            "age": age,
            "tissue": tissue,
            "tissue of origin": tissue,
            "time": np.minimum(life, 2.0),
            "dead": life < 2.0,
            "site": "one",
            "patient": [f"p{i}" for i in range(300)],
        },
        index=[f"s{i}" for i in range(300)],
    )
    obs.loc[obs.index[:20], "sex"] = None
    return AnnData(np.zeros((300, 1), np.float32), obs=obs, obsm={"X_vae": codes.astype(np.float32)})


def test_one_call_finds_which_feature_is_which(known, tmp_path):
    found = tl.associate(known, "X_vae", survival=[("time", "dead")])
    best = found.columns.set_index(["column", "level"])
    assert best.loc[("sex", "male"), "feature"] == "vae_2"
    assert best.loc[("sex", "male"), "effect"] > 0.98
    assert best.loc[("sex", "male"), "n"] == 280
    assert best.loc[("sex", "male"), "confounder"] == "tissue"
    assert best.loc[("sex", "male"), "effect_within"] > 0.95, "within tissues the sexes still differ"
    assert best.loc[("age", ""), "feature"] == "vae_4"
    assert best.loc[("age", ""), "effect"] < -0.7
    assert best.loc[("time", ""), "feature"] == "vae_5"
    assert best.loc[("time", ""), "effect"] > 0.7
    assert best.loc[("tissue", "prostate"), "feature"] == "vae_2"
    assert best.loc[("tissue", "prostate"), "confounder"] == "sex", "not its other name"
    assert 0.4 < best.loc[("tissue", "prostate"), "effect_within"] < 0.6, "among males the feature knows no prostate"
    assert best.loc[("sex", "male"), "combination"] > 0.98
    assert best.loc[("age", ""), "combination"] > 0.7, "a prediction of age rises with it"
    assert (found.columns["in_common"] < 0.95).all()
    noise = found.features[found.features["feature"].isin(["vae_1", "vae_3"])]
    assert (noise["q"] > 0.05).all()
    assert found.notes == [
        "Column 'site': every value is one.",
        "Column 'patient': 300 of 300 classes have fewer than 5 samples.",
    ]
    known.write_h5ad(tmp_path / "x.h5ad")
    assert known.uns["associate"]["params"]["use_rep"] == "X_vae"


def test_a_class_counts_only_where_its_column_does(known):
    found = tl.associate(known, "X_vae", ["tissue", "age"], combine=False).features
    tissues = found[found["column"] == "tissue"]
    assert set(tissues["level"]) == {"colon", "lung", "prostate"}
    assert (found["q"] >= found["p"]).all()
    # Of the second feature the whole column is beyond doubt, and then the single tissues stand on their own.
    second = tissues[tissues["feature"] == "vae_2"].set_index("level")
    assert second.loc["prostate", "q"] < 1e-10


def test_permuted_labels_give_no_discovery():
    """30 permutations of all columns together. Each has a discovery with probability 0.05 at most, so that more than 4
    of 30 would come with probability 0.016 from a test that is just honest. (Of 200 permutations of tcga-33 with
    sex, age and survival 2 have one: benchmarks/permutations.py.)
    """
    adata = datasets.load("tcga-33")[::5].copy()
    tl.pca(adata, 10, np.ones(adata.n_obs, bool))
    adata.obs = adata.obs[["cancer_type", "sample_type"]].assign(
        number=adata.X[:, 0], half=adata.X[:, 1] > np.median(adata.X[:, 1])
    )
    assert (tl.associate(adata, "X_pca", combine=False).features["q"] < 0.05).any()
    rng, discoveries, p = np.random.default_rng(0), 0, []
    for _ in range(30):
        shuffled = adata.copy()
        shuffled.obs = adata.obs.iloc[rng.permutation(adata.n_obs)].set_index(adata.obs_names)
        features = tl.associate(shuffled, "X_pca", combine=False).features
        discoveries += (features["q"] < 0.05).any()
        p.append(features.loc[features["column"].isin(["number", "half"]), "p"])
    assert discoveries <= 4
    # 600 p-values of large groups: uniform (standard deviation of the share 0.0089 if they were independent).
    assert np.mean(np.concatenate(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_what_cannot_be_associated_is_refused(known):
    for columns, message in [
        (["site"], "every value is one"),
        (["patient"], "300 of 300 classes"),
        (["sxe"], "no column 'sxe'"),
    ]:
        with pytest.raises(InputError, match=message):
            tl.associate(known, "X_vae", columns)
    empty = known.copy()
    empty.obs = pd.DataFrame({"a": [np.nan] * 300, "b": None}, index=known.obs_names)
    with pytest.raises(InputError, match="every value is missing"):
        tl.associate(empty, "X_vae", ["b"])
    with pytest.raises(InputError, match="No column of the samples"):
        tl.associate(empty, "X_vae")
    with pytest.raises(InputError, match="are no survival times"):
        tl.associate(known, "X_vae", [], [("time", "age")])
    with pytest.raises(InputError, match="no representation 'X_veа'"):
        tl.associate(known, "X_veа")
    with pytest.raises(InputError, match="Groups of 1"):
        tl.associate(known, "X_vae", min_samples=1)


def test_survival_times_that_cannot_be_are_refused_and_those_that_lack_are_counted(known):
    def refused(**columns):
        other = known.copy()
        for name, values in columns.items():
            other.obs[name] = values
        with pytest.raises(InputError, match="are no survival times") as refusal:
            tl.associate(other, "X_vae", [], [("time", "dead")], combine=False)
        return str(refusal.value)

    time = known.obs["time"].to_numpy()
    assert "2 times are negative, such as -493 of s1" in refused(time=[time[0], -493.0, -1.0, *time[3:]])
    assert "every time is 7" in refused(time=7.0)
    assert "'30,5' in 'time' is no number" in refused(time=["30,5"] * 300)
    assert "'Dead' in 'dead' is no number" in refused(dead=np.where(known.obs["dead"], "Dead", "Alive"))

    lacking = known.copy()
    lacking.obs["time"] = lacking.obs["time"].astype(object)
    lacking.obs.iloc[:3, lacking.obs.columns.get_loc("time")] = ["[Not Applicable]", None, None]
    notes = tl.associate(lacking, "X_vae", [], [("time", "dead")], combine=False).notes
    expected = "Column 'time': 3 of 300 samples have no value (1 of them something else, such as '[Not Applicable]')."
    assert notes == [expected]


def test_where_there_is_no_column_that_is_said(known):
    bare = AnnData(known.X, obs=known.obs[[]], obsm=dict(known.obsm))
    with pytest.raises(InputError, match="There are none.*\n.*add labels"):
        tl.associate(bare, "X_vae", ["sex"])


def test_known_groups_of_the_bundled_data_are_found():
    """Values of the 198 genes alone; all from this call on the bundled data."""
    adata = datasets.load("tcga-33")
    tl.pca(adata, 20, np.ones(adata.n_obs, bool))
    best = tl.associate(adata, "X_pca", ["cancer_type", "sample_type"], combine=False).columns
    best = best.set_index(["column", "level"])
    for level in ("LAML", "LGG", "LIHC", "PRAD", "TGCT", "THCA"):
        assert abs(best.loc[("cancer_type", level), "effect"] - 0.5) > 0.45
    normal = best.loc[("sample_type", "Solid Tissue Normal")]
    assert normal["effect"] < 0.25
    assert normal["effect_within"] < 0.25, "also within the cancer types"
    metastatic = best.loc[("sample_type", "Metastatic")]
    assert metastatic["effect"] < 0.2
    assert abs(metastatic["effect_within"] - 0.5) < 0.1, (
        "metastases are melanomas: a feature of melanoma, not of spread"
    )


def test_sex_is_found_among_a_thousand_genes(shared):
    table = pd.read_csv(
        shared / "tcga-cognoma" / "expression_148x16261_log2.tsv.gz",
        sep="\t",
        index_col=0,
        usecols=lambda name: name in ("sample_id", "7503", "22829") or name.endswith("07"),
    )
    adata = AnnData(np.zeros((148, 1), np.float32), obs=pd.DataFrame(index=table.index))
    io.add_labels(adata, io.read_labels(shared / "tcga-cognoma" / "sample_labels.tsv"), "gender")
    adata.obsm["X_gene"] = table.to_numpy(np.float32)
    found = tl.associate(adata, "X_gene", ["gender"], combine=False)
    first = found.features.sort_values("p")["feature"].iloc[:2]
    named = {table.columns[int(name.removeprefix("gene_")) - 1] for name in first}
    assert named == {"7503", "22829"}, "XIST and NLGN4Y"
    best = found.columns.iloc[0]
    assert abs(best["effect"] - 0.5) > 0.45


@pytest.mark.parametrize("seed", [39, 1005, *range(6)])
def test_the_hazard_of_a_feature_that_is_mostly_zero_is_the_most_likely_one(seed):
    """Units behind a ReLU: steps of Newton's method alone went to and fro."""
    rng = np.random.default_rng(seed)
    v = np.maximum(rng.exponential(size=150) - 1.5, 0)
    z = (v - v.mean()) / v.std()
    time = rng.exponential(size=150) * np.exp(-np.clip(z, -3, 3) * rng.choice([0, 0.5, 1.0, 2]))
    event = rng.random(150) < 0.5

    def opposed(beta):
        at_risk = [np.log(np.exp(z[time >= t] * beta).sum()) for t in time[event]]
        return np.sum(at_risk) - beta * z[event].sum()

    best = minimize_scalar(opposed, bounds=(-20, 20), method="bounded", options={"xatol": 1e-9}).x
    assert cox(v[:, None], time, event)[0][0] == pytest.approx(best, abs=1e-5)


def test_the_hazard_stays_finite_where_weights_vanish():
    z = np.exp(np.linspace(0, 9, 2000))
    ratio, p = cox(z[:, None], np.arange(2000)[::-1] + 1.0, np.ones(2000, bool))
    assert np.isfinite([ratio[0], p[0]]).all()
    assert 0 < ratio[0] <= 20


def test_two_events_of_one_time_are_two_columns():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 2))
    adata = AnnData(np.zeros((200, 1), np.float32), obsm={"X_v": z})
    adata.obs["time"] = rng.exponential(size=200) * np.exp(-z[:, 0])
    adata.obs["death"], adata.obs["relapse"] = 1, (z[:, 1] > 0).astype(int)
    found = tl.associate(adata, "X_v", ["time"], [("time", "death"), ("time", "relapse")], combine=False)
    assert list(found.columns["column"]) == ["time", "time (death)", "time (relapse)"]
    alone = tl.associate(adata, "X_v", [], [("time", "relapse")], combine=False)
    assert found.columns["effect"].iloc[2] == alone.columns["effect"].iloc[0] != found.columns["effect"].iloc[1]


def test_classes_that_are_numbers_of_many_digits_stay_apart():
    rng = np.random.default_rng(0)
    day = np.repeat([20100101, 20100102], 50)
    adata = AnnData(
        np.zeros((100, 1), np.float32), obsm={"X_v": rng.normal(size=(100, 1)) + (day == 20100102)[:, None]}
    )
    adata.obs["day"], adata.obs["site"] = day, rng.permutation(np.where(day == 20100102, "b", "a"))
    adata.obs.loc[adata.obs_names[:40], "site"] = "a"
    found = tl.associate(adata, "X_v", combine=False).columns.set_index("column").loc["day"]
    assert found["level"] == "20100102"
    assert found["effect"] > 0.6
    assert np.isnan(found["effect_within"]) or found["effect_within"] > 0.5


def test_of_p_values_that_underflow_the_largest_effect_counts():
    rows = pd.DataFrame(
        {"feature": 1, "column": ["weak", "strong"], "measure": "Spearman", "effect": [0.9, -1.0], "p": 0.0, "q": 0.0}
    )
    assert list(best_of(rows, ["feature"])["column"]) == ["strong"]


def test_a_feature_is_named_after_its_strongest_class_beyond_chance_and_not_after_the_largest():
    rows = pd.DataFrame(
        {
            "feature": [1, 1, 1, 2, 2],
            "column": ["large", "rare", "chance", "a", "b"],
            "measure": ["AUROC", "AUROC", "AUROC", "Spearman", "log hazard ratio"],
            "effect": [0.3, 0.01, 0.0, 0.2, -1.5],
            "p": [1e-30, 1e-5, 0.2, 0.3, 0.1],
            "q": [1e-28, 1e-4, 0.3, 0.4, 0.2],
        }
    )
    assert list(best_of(rows, ["feature"])["column"]) == ["rare", "b"]
    assert strength(rows["effect"], rows["measure"]).round(3).tolist() == [0.4, 0.98, 1.0, 0.2, 0.846]


def test_the_strength_of_a_hazard_is_that_of_the_order_of_two_samples():
    """Of exponential times the sample with the larger hazard is first with a probability of 1/2 + b / (2 pi^(1/2))."""
    rng = np.random.default_rng(0)
    slope, x = 0.2, rng.normal(size=(200_000, 2))
    times = rng.exponential(np.exp(-slope * x))
    first = ((times[:, 0] < times[:, 1]) == (x[:, 0] > x[:, 1])).mean()
    assert strength(slope, "log hazard ratio") == pytest.approx(2 * first - 1, abs=0.007)


def cohort(rng, patients=24, each=6, features=8):
    """Samples of patients, who differ in every feature, with a class and an age of the patient by chance alone."""
    patient = np.repeat(np.arange(patients), each)
    codes = rng.normal(size=(patients, features))[patient] + 0.3 * rng.normal(size=(patients * each, features))
    obs = pd.DataFrame(
        {
            "sex": rng.permutation(np.arange(patients) % 2 == 0)[patient],
            "age": rng.uniform(20, 80, patients)[patient],
            "tumour": np.arange(len(patient)) % 2 == 0,
        },
        index=[f"s{i}" for i in range(len(patient))],
    )
    return AnnData(np.zeros((len(patient), 1)), obs=obs, obsm={"X_m": codes}), np.array([f"p{i}" for i in patient])


def test_samples_of_a_patient_are_no_evidence_of_their_own():
    """Of 40 cohorts without any association 2 should have a discovery; counting samples nearly all have one."""
    rng, alone, together = np.random.default_rng(0), 0, 0
    for _ in range(40):
        adata, patients = cohort(rng)
        how = {"columns": ["sex", "age"], "combine": False}
        alone += (tl.associate(adata, "X_m", **how).features["q"] <= 0.05).any()
        together += (tl.associate(adata, "X_m", **how, groups=patients).features["q"] <= 0.05).any()
    assert alone > 25
    assert together <= 6


def test_nor_are_they_where_a_column_varies_within_patients():
    """Five of the six samples of each patient have one state, the sixth the other, by chance alone."""
    rng, alone, together = np.random.default_rng(0), 0, 0
    for _ in range(40):
        adata, patients = cohort(rng)
        mostly = np.repeat(rng.permutation(np.arange(adata.n_obs // 6) % 2 == 0), 6)
        adata.obs["state"] = mostly ^ (np.arange(adata.n_obs) % 6 == 0)
        how = {"columns": ["state"], "combine": False}
        alone += (tl.associate(adata, "X_m", **how).features["q"] <= 0.05).any()
        together += (tl.associate(adata, "X_m", **how, groups=patients).features["q"] <= 0.05).any()
    assert alone > 20
    assert together <= 6


def test_what_varies_within_patients_is_the_test_of_means_of_each_value():
    adata, patients = cohort(np.random.default_rng(2))
    adata.obs["tumour"] = adata.obs["tumour"].astype(object)
    adata.obs.loc[adata.obs_names[:3], "tumour"] = None
    found = tl.associate(adata, "X_m", ["tumour"], combine=False, groups=patients).features
    by = pd.DataFrame(adata.obsm["X_m"]).groupby([patients, adata.obs["tumour"].to_numpy()]).mean()
    one = AnnData(np.zeros((len(by), 1)), obsm={"X_m": by.to_numpy()})
    one.obs["tumour"] = by.index.get_level_values(1).to_numpy(dtype=object)
    expected = tl.associate(one, "X_m", ["tumour"], combine=False).features
    pd.testing.assert_frame_equal(found[["n", "effect", "p"]], expected[["n", "effect", "p"]])


def test_words_among_numbers_are_missing_and_said(known):
    adata = known.copy()
    number = adata.obs["age"].round().astype(int)
    assert number.nunique() >= 30
    words = number.astype(object)
    words.iloc[[3, 5]] = [">89", "Unknown"]
    adata.obs["age_at"] = words.astype(str).astype("category")
    adata.obs["cluster"] = [str(i % 15) if i % 10 else "unknown" for i in range(300)]
    found = tl.associate(adata, "X_vae", ["age_at", "cluster"], combine=False)
    row = found.features[found.features["column"] == "age_at"]
    assert set(row["measure"]) == {"Spearman"}
    assert set(row["n"]) == {298}
    assert (
        "Column 'age_at': 2 values among its numbers are words ('>89', 'Unknown') and count as missing." in found.notes
    )
    assert {"14", "unknown"} <= set(found.features["level"]), "numbers of clusters are names"


def test_what_could_explain_a_column_is_known_of_its_samples_and_need_not_be_asked_for(known):
    rng, adata = np.random.default_rng(0), known.copy()
    for number in range(8):  # known of nine samples, which chance divides as it likes
        adata.obs[f"lab {number}"] = np.where(np.isin(np.arange(300), rng.permutation(300)[:9]), "x", None)
        seen = adata.obs[f"lab {number}"].notna()
        adata.obs.loc[seen, f"lab {number}"] = rng.permutation(["a"] * 4 + ["b"] * 5)
    for columns in (None, ["sex"]):
        table = tl.associate(adata, "X_vae", columns, min_samples=5, combine=False).columns
        row = table.set_index("column").loc["sex"]
        assert row["confounder"] == "tissue"
        assert row["effect_within"] > 0.95
    table = tl.associate(adata, "X_vae", ["sex", "age"], combine=False).columns.set_index("column")
    assert table.loc["sex", "confounder"] == "tissue"


def test_a_column_of_patients_can_explain_one_that_varies_within_them():
    """All samples of most patients of a site have one state; the others' second sample tells the two apart."""
    adata, patients = cohort(np.random.default_rng(3))
    patient, first = np.repeat(np.arange(24), 6), np.arange(144) % 6 == 0
    adata.obs["site"] = np.where(patient < 12, "A", "B")
    adata.obs["state"] = (patient < 12) ^ ((patient % 12 < 6) & ~first)
    table = tl.associate(adata, "X_m", ["site", "state"], combine=False, groups=patients).columns
    row = table.set_index("column").loc["state"]
    assert row["confounder"] == "site"
    assert 0 < row["p_within"] < 1, "within a site only second samples differ from the rest"


def test_a_column_of_patients_is_tested_once_for_each_and_others_are_named():
    adata, patients = cohort(np.random.default_rng(1))
    adata.obs["days"], adata.obs["dead"] = np.repeat(np.arange(24.0) + 1, 6), np.repeat(np.arange(24) % 3 > 0, 6)
    adata.obs.loc[adata.obs_names[::6], "age"] = np.nan  # of the first sample of each, which the others tell
    found = tl.associate(adata, "X_m", ["sex", "age", "tumour"], [("days", "dead")], groups=patients)
    of = found.features.drop_duplicates("column").set_index("column")["n"]
    assert of.to_dict() == {"sex": 24, "age": 24, "tumour": 48, "days": 24}
    assert [note for note in found.notes if "each group" in note] == [
        "Not the same within each group: 'tumour'. There each group counts once for each of its values, and these as "
        "if they were independent."
    ]
    means = pd.DataFrame(adata.obsm["X_m"]).groupby(patients).mean()
    one = AnnData(np.zeros((24, 1)), obsm={"X_m": means.to_numpy()})
    one.obs["age"] = adata.obs["age"].groupby(patients).first().reindex(means.index).to_numpy()
    expected = tl.associate(one, "X_m", ["age"], combine=False).features
    pd.testing.assert_series_equal(
        found.features.query("column == 'age'")["p"].reset_index(drop=True), expected["p"], check_exact=False
    )


def test_the_combination_for_a_number_is_not_below_zero_by_its_folds():
    """Features that have nothing to do with a number: the mean of 30 correlations has a standard deviation of 0.034."""
    rng, reached = np.random.default_rng(0), []
    for _ in range(30):
        adata = AnnData(np.zeros((30, 1)), obsm={"X_m": rng.normal(size=(30, 5))})
        adata.obs["age"] = rng.normal(size=30)
        reached.append(tl.associate(adata, "X_m", ["age"]).columns["combination"].item())
    assert abs(np.mean(reached)) < 0.1


def test_a_sample_without_a_group_stands_alone(known):
    adata = known.copy()
    adata.obs["feature"] = np.asarray(adata.obsm["X_vae"][:, 0], float)  # varies within groups
    groups = pd.Series([f"p{i // 2}" for i in range(300)], dtype=object)
    whole = tl.associate(adata, "X_vae", ["age", "feature", "sex"], groups=groups, combine=False).features
    groups[5] = None
    found = tl.associate(adata, "X_vae", ["age", "feature", "sex"], groups=groups, combine=False).features
    rows = [table[(table["column"] == "feature") & (table["feature"] == "vae_1")].iloc[0] for table in (whole, found)]
    assert [row["effect"] for row in rows] == pytest.approx([1.0, 1.0])
    assert rows[1]["n"] == 300
    categories = groups.astype("category")  # as groups are after .h5ad; a warning would be an error here
    again = tl.associate(adata, "X_vae", ["age", "feature", "sex"], groups=categories, combine=False).features
    pd.testing.assert_frame_equal(again, found)


def test_two_events_of_one_time_count_patients_as_one_does(known):
    adata = known.copy()
    groups = np.array([f"p{i // 3}" for i in range(300)])
    first = pd.Series(groups).groupby(groups).transform(lambda v: v.index[0]).to_numpy()
    for name in ("time", "dead"):
        adata.obs[name] = adata.obs[name].to_numpy()[first]
    adata.obs["gone"] = adata.obs["dead"]
    one = tl.associate(adata, "X_vae", [], survival=("time", "dead"), groups=groups).features
    two = tl.associate(adata, "X_vae", [], survival=[("time", "dead"), ("time", "gone")], groups=groups).features
    for event in ("dead", "gone"):
        same = two[two["column"] == f"time ({event})"]
        assert same["p"].to_numpy() == pytest.approx(one["p"].to_numpy())


def test_survival_of_patients_with_several_samples_counts_patients(known):
    n = 100
    rng = np.random.default_rng(3)
    patients = AnnData(np.zeros((n, 1), np.float32))
    patients.obsm["X_vae"] = rng.normal(size=(n, 4)).astype(np.float32)
    patients.obs["time"], patients.obs["dead"] = rng.integers(1, 30, n).astype(float), rng.integers(0, 2, n)
    patients.obs.loc[patients.obs.index[:7], "time"] = np.nan
    one = tl.associate(patients, "X_vae", [], survival=("time", "dead"))
    several = concat([patients] * 3, keys=list("abc"), index_unique="-")
    groups = np.tile(np.arange(n), 3)
    # The time is told by the first samples alone, whether the event was seen by the others.
    several.obs.loc[groups != np.arange(3 * n), "time"] = np.nan
    several.obs.loc[groups == np.arange(3 * n), "dead"] = np.nan
    found = tl.associate(several, "X_vae", [], survival=("time", "dead"), groups=groups)
    assert found.features["n"].unique().tolist() == [93]
    np.testing.assert_allclose(found.features["p"], one.features["p"], rtol=1e-6)
    # What a patient repeats is not missing: of the 7 patients without a time three samples each lack it.
    assert found.notes == ["Column 'time': 21 of 300 samples have no value."]


def test_survival_that_varies_within_patients_keeps_times_with_their_events():
    n = 60
    rng = np.random.default_rng(4)
    adata = AnnData(np.zeros((2 * n, 1), np.float32))
    adata.obsm["X_vae"] = rng.normal(size=(2 * n, 3)).astype(np.float32)
    # All patients live at their first sample and die after another time; some times are the same for both.
    adata.obs["dead"] = np.repeat([0, 1], n)
    adata.obs["time"] = np.tile(rng.integers(1, 40, n), 2) + np.repeat([0, 1], n) * rng.integers(0, 2, 2 * n)
    groups = np.tile(np.arange(n), 2)
    grouped = tl.associate(adata, "X_vae", [], survival=("time", "dead"), groups=groups)
    alone = tl.associate(adata, "X_vae", [], survival=("time", "dead"))
    assert grouped.features["n"].unique().tolist() == [2 * n]  # each pair of a time and an event is another one
    np.testing.assert_allclose(grouped.features["p"], alone.features["p"], rtol=1e-6)
    assert "as if they were independent" in grouped.notes[0]


def test_what_is_no_finite_number_is_named(known):
    adata = known.copy()
    adata.obsm["X_vae"][3, 0] = np.nan
    with pytest.raises(InputError, match="'X_vae' has values that are not finite") as refused:
        tl.associate(adata, "X_vae", ["age"])
    assert "nan of s3, column 1" in refused.value.where


def test_numbers_in_a_column_of_objects_are_numbers(known):
    adata = known.copy()
    adata.obs["age"] = [None, *adata.obs["age"].tolist()[1:]]
    adata.obs["age"] = adata.obs["age"].astype(object)
    found = tl.associate(adata, "X_vae", "age", combine=False).features  # one name alone is a name, too
    assert set(found["kind"]) == {"number"}
    assert found["n"].iloc[0] == 299


def test_survival_explains_a_column_by_all_samples_of_a_patient(known):
    known = known[:200].copy()
    several = concat([known] * 3, keys=list("abc"), index_unique="-")
    late = several.obs["time"] > known.obs["time"].median()
    # The first sample of each patient says nothing of the time, the other two do.
    several.obs["stage"] = np.where(np.arange(600) < 200, np.arange(600) % 2, late).astype(str)
    groups = np.tile(np.arange(200), 3)
    found = tl.associate(several, "X_vae", ["stage"], survival=("time", "dead"), groups=groups).columns
    assert found.set_index("column").loc["stage", "confounder"] == "time"


@pytest.mark.parametrize("kind", [str, "category", "datetime64[ns]", "datetime64[ns, UTC]"])
def test_dates_are_numbers(known, kind):
    adata = known.copy()
    days = np.round(100.0 * adata.obsm["X_vae"][:, 0]).astype(int)
    dates = pd.Timestamp("2010-05-01") + pd.to_timedelta(days, unit="D")
    if kind == "datetime64[ns, UTC]":
        column = pd.Series(dates).dt.tz_localize("UTC")
    else:
        column = pd.Series(dates.strftime("%Y-%m-%d"), dtype=object).astype(kind)
    column = column.where(np.arange(300) != 7)
    adata.obs["surgery"] = column.to_numpy() if kind is str else column.array
    adata.obs["day"] = np.where(np.arange(300) == 7, np.nan, days)
    found = tl.associate(adata, "X_vae", ["surgery", "day"], combine=False).features
    surgery, day = (found[found["column"] == name].reset_index(drop=True) for name in ("surgery", "day"))
    assert set(surgery["kind"]) == {"number"}
    pd.testing.assert_frame_equal(surgery.drop(columns="column"), day.drop(columns="column"))


def test_text_like_dates_that_is_none_stays_text(known):
    adata = known.copy()
    adata.obs["code"] = np.where(np.arange(300) % 2, "2010-99-99", "2010-01-01")
    found = tl.associate(adata, "X_vae", ["code"], combine=False).features
    assert set(found["kind"]) == {"classes"}
