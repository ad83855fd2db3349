"""The report of a small run whose every name tries to break the page."""

import base64
import json
from html.parser import HTMLParser

import pytest

import latentome.report
from latentome.errors import RunFolderError

EVIL = "<script>alert(1)</script>"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FIGURES = ("training_curves", "tsne", "latent_heatmap", "activations", "scores", "error_by_class", "signatures")
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects what the laws below speak of, and refuses unbalanced tags."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.headings, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "figures").mkdir(parents=True)
    for name in (*FIGURES, "my_own <b>figure"):
        (folder / "figures" / f"{name}.png").write_bytes(PIXEL)
    manifest = {
        "latentome": "0.1.0",
        "created": "2025-11-23 16:40:02 UTC",
        "command": ["latentome", "run", EVIL],
        "data": {"name": EVIL, "path": f"/data/{EVIL}.tsv", "sha256": "ab" * 32, "n_samples": 1106, "n_genes": 198}
        | {"label_column": EVIL, "notes": [f"Note {EVIL}"]},
        "preprocessing": {"transform": "log2(x + 1)", "scaling": "min-max", "n_genes_used": 197}
        | {"dropped_constant": [EVIL], "notes": []},
        "split": {"train": 995, "test": 111, "stratified_by": EVIL},
        "model": {"name": "NonlinearPCA", "family": "nonlinear-pca", "n_components": 20, "n_parameters": 66214}
        | {"parameters": {"hidden": [128], EVIL: EVIL, "learning_rate": 0.001, "tied": False}},
        "seed": 7,
        "versions": {"keras": "3.15", EVIL: EVIL},
        "platform": EVIL,
        "timings": {"train": 75.2, "tsne": 4.4},
        "status": "complete",
    }
    metrics = {
        "methods": ["NonlinearPCA", "PCA"],
        "table": {
            "held-out MSE": {"NonlinearPCA": 0.00834, "PCA": 0.00928},
            "silhouette": {"NonlinearPCA": 0.1, "PCA": 0.2},
            "same": {"NonlinearPCA": 0.5, "PCA": 0.5},
            EVIL: {"NonlinearPCA": None, "PCA": 1.0},
        },
        "better": {"held-out MSE": "lower", "silhouette": "higher", "same": "higher"},
        "by_class": {EVIL: {"NonlinearPCA": 0.1, "PCA": 0.2}, "BRCA": {"NonlinearPCA": 0.3, "PCA": None}},
        "verdict": [f"NonlinearPCA is better {EVIL}."],
        "n_test": 111,
        "notes": [f"Limit {EVIL}"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (folder / "config.toml").write_text(f'name = "{EVIL}"\n', encoding="utf-8")
    (folder / "history.tsv").write_text("epoch\tloss\tval_loss\n1\t5200\t5300\n2\t2677.4\t2680\n", encoding="utf-8")
    (folder / "latent.tsv").write_text("sample\tf1\tf2\ns1\t1\t2\ns2\t3\t4\ns3\t5\t6\n", encoding="utf-8")
    genes = [f"f{k}\tpositive\t1\t{EVIL}\t0.5\nf{k}\tnegative\t1\tXIST\t-0.4\n" for k in range(1, 16)]
    (folder / "signatures.tsv").write_text("feature\tside\trank\tgene\tloading\n" + "".join(genes), encoding="utf-8")
    return folder


@pytest.fixture
def page(run):
    return Page(latentome.report.write(run).read_text(encoding="utf-8"))


def test_no_name_becomes_markup(run):
    text = latentome.report.write(run).read_text(encoding="utf-8")
    assert "<script" not in text.lower()
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 15
    assert "my own &lt;b&gt;figure" in text


def test_what_was_not_tested_is_not_told_as_without_result(run):
    tables = run / "interpretation"
    tables.mkdir()
    text = latentome.report.write(run).read_text(encoding="utf-8")
    assert "<td>not tested</td><td>not tested</td>" in text
    (tables / "enrichment.tsv").write_text("feature\tside\tset\tq\n", encoding="utf-8")
    (tables / "associations.tsv").write_text("feature\tcolumn\tq\n", encoding="utf-8")
    text = latentome.report.write(run).read_text(encoding="utf-8")
    assert "<td>nothing</td><td>none</td>" in text
    assert "not tested" not in text


def test_the_page_needs_no_network(page):
    addresses = [
        attrs[key] for _, attrs in page.tags for key in ("src", "href", "srcset", "data", "poster") if key in attrs
    ]
    assert addresses
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in addresses)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert "@import" not in page.text
    assert "url(" not in page.text
    policy = [attrs["content"] for attrs in page.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_the_page_can_be_read_by_everyone(page):
    images = page.all("img")
    assert len(images) == len(FIGURES) + 1
    assert all(image["alt"].strip() and image["width"] and image["height"] for image in images)
    assert page.headings[:2] == [1, 2]
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert page.all("html") == [{"lang": "en"}]
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)


def test_the_verdict_comes_first_and_the_limits_last(page):
    places = [
        page.text.index(words)
        for words in ("NonlinearPCA is better", "995 samples served", "config.toml", "How much the scores")
    ]
    assert places == sorted(places)


def test_the_numbers_are_told(page):
    for words in (
        "1,106 samples with 198 genes each",
        "197 genes were used",
        "20 latent features and 66,214 parameters",
        "2 epochs, which took 1 min 15 s",
        "latent.tsv holds 2 features of 3 samples",
        "5,200 \N{RIGHTWARDS ARROW} 2,677",
        "2,680 at epoch 2",
        "ab" * 32,
        "The other 3 features",
        "111 held-out samples",
    ):
        assert words in page.text


def test_the_winner_is_bold(run):
    text = latentome.report.write(run).read_text(encoding="utf-8")
    assert "<strong>0.00834</strong>" in text
    assert "<strong>0.200</strong>" in text
    assert "<strong>0.500</strong>" not in text


def test_the_same_run_gives_the_same_page_and_nothing_else(run):
    before = {path.name for path in run.iterdir()}
    first = latentome.report.write(run).read_bytes()
    assert latentome.report.write(str(run)).read_bytes() == first
    assert {path.name for path in run.iterdir()} - before == {"report.html"}
    assert 5_000 < len(first) < 60_000


def test_an_old_report_stays_when_the_new_one_fails(run):
    (run / "report.html").write_text("old", encoding="utf-8")
    (run / "figures" / "tsne.png").write_bytes(b"not a picture")
    with pytest.raises(RunFolderError, match=r"tsne\.png is damaged[\s\S]*latentome visualize"):
        latentome.report.write(run)
    assert (run / "report.html").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("metrics.json", "latentome evaluate"),
        ("manifest.json", "latentome train"),
        ("config.toml", "latentome train"),
        ("history.tsv", "latentome train"),
        ("latent.tsv", "latentome predict"),
    ],
)
def test_a_missing_file_is_named_with_the_command_that_makes_it(run, name, command):
    (run / name).unlink()
    with pytest.raises(RunFolderError, match=f"{name}[\\s\\S]*{command}"):
        latentome.report.write(run)


def test_missing_figures_are_named_with_the_command_that_makes_them(run):
    for path in (run / "figures").iterdir():
        path.unlink()
    with pytest.raises(RunFolderError, match="latentome visualize"):
        latentome.report.write(run)


@pytest.mark.parametrize(("name", "content"), [("metrics.json", "{"), ("metrics.json", "[]"), ("metrics.json", "{}")])
def test_a_damaged_file_is_refused(run, name, content):
    (run / name).write_text(content, encoding="utf-8")
    with pytest.raises(RunFolderError, match="cannot be used for the report"):
        latentome.report.write(run)


def test_a_spare_run_gives_a_report_too(run):
    (run / "manifest.json").write_text("{}", encoding="utf-8")
    (run / "metrics.json").write_text('{"methods": ["VAE", "PCA"], "table": {}}', encoding="utf-8")
    (run / "signatures.tsv").unlink()
    page = Page(latentome.report.write(run).read_text(encoding="utf-8"))
    assert "No verdict is recorded" in page.text
    assert page.headings.count(1) == 1


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="not a run folder"):
        latentome.report.write(tmp_path)


def test_features_of_an_ensemble_are_shown_with_their_stability(run):
    table = "feature\tside\trank\tgene\tloading\tstability\n1\tpositive\t1\tXIST\t0.5\t0.8125\n"
    (run / "signatures.tsv").write_text(table, encoding="utf-8")
    assert "(stability 0.812" in latentome.report.write(run).read_text(encoding="utf-8")


def test_an_activation_is_told_where_a_layer_has_it(run):
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    told = []
    for hidden in ([128], []):
        manifest["model"]["parameters"] = {"hidden": hidden, "activation": "gelu"}
        (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        told.append("gelu" in Page(latentome.report.write(run).read_text(encoding="utf-8")).text)
    assert told == [True, False]


def test_an_ensemble_is_told_beside_pca_of_one_member(run):
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    worse = {"mean": 0.002, "low": 0.001, "high": 0.003, "percent": 20.0, "percent_low": 10.0, "percent_high": 30.0}
    metrics["difference"] = {"PCA": worse}
    metrics["of_member"] = {
        "n_components": 7,
        "mse": 0.5,
        "difference": {"percent": -12.3, "percent_low": -15.0, "percent_high": -9.0},
    }
    (run / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    text = Page(latentome.report.write(run).read_text(encoding="utf-8")).text
    assert "Its error is 20.0\N{NO-BREAK SPACE}% higher than that of PCA" in text
    assert "PCA with as many numbers as one member has, 7, its error is 12.3\N{NO-BREAK SPACE}% lower" in text
    assert "PCA with as many components as all members have features does better" in text
