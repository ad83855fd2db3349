"""The explorer of a report: what is packed into the page, and what a person does with it in a real browser."""

import base64
import gzip
import http.client
import json
import shutil
import threading
import xml.etree.ElementTree as ET

import anndata
import numpy as np
import pandas as pd
import pytest

import latentome.report
from latentome.errors import InputError, RunFolderError
from latentome.io import RunFolder
from latentome.report import explorer
from latentome.report.meaning import read_meaning
from latentome.report.sources import read_sources
from latentome.report.summary import summarise

EVIL = "<script>window.broken = 1</script>"
FORMULA = '=cmd|"/c calc"!A1'
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SAMPLES, FEATURES, GENES = 120, 4, 30
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
FLAGS += ("--disable-background-networking", "--disable-component-update", "--disable-sync")


def encoded():
    """Three groups of samples far apart; the first feature and the first gene tell the first group from the rest."""
    generator = np.random.default_rng(0)
    group = np.arange(SAMPLES) % 3
    corners = np.array([[-10.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    maps = corners[group] + generator.normal(0, 0.5, (SAMPLES, 2))
    codes = generator.normal(0, 1, (SAMPLES, FEATURES))
    codes[group == 0, 0] += 8
    genes = generator.random((SAMPLES, GENES)).astype(np.float32)
    genes[group == 0, 0] += 5
    names = [EVIL, FORMULA, *(f"sample {i}" for i in range(2, SAMPLES))]
    labels = np.array([EVIL, FORMULA, "BRCA"], dtype=object)[group]
    age = generator.uniform(20, 90, SAMPLES)
    age[5], labels[5] = np.nan, None
    obs = pd.DataFrame({"age": age, "type": labels, "patient": [f"p{i}" for i in range(SAMPLES)]}, index=names)
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=[f"all{i}" for i in range(GENES)]))
    adata.obsm.update({"X_vae": codes, "X_tsne_pca": -maps, "X_tsne_vae": maps, "leading_genes": genes})
    adata.uns["leading_genes"] = np.array([EVIL, FORMULA, *(f"GENE{i}" for i in range(2, GENES))])
    adata.uns["model"] = {"family": "vae", "label_column": "type"}
    return adata


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explorer") / "run"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "tsne.png").write_bytes(PIXEL)
    (folder / "interpretation").mkdir()
    model = {"name": "vae", "family": "vae", "title": "VAE", "n_components": FEATURES}
    manifest = {"model": model, "data": {"name": EVIL, "n_samples": SAMPLES, "n_genes": GENES, "label_column": "type"}}
    metrics = {
        "methods": ["VAE", "PCA"],
        "table": {"probe accuracy": {"VAE": 0.9, "PCA": 0.8}, "variance explained": {"VAE": 0.5, "PCA": 0.4}},
        "difference": {"PCA": {"mean": -1.0, "low": -2.0, "high": -0.5, "percent": -12.34}},
    }
    metrics["difference"]["PCA"] |= {"percent_low": -20.0, "percent_high": -5.0}
    for name, content in (("manifest", manifest), ("metrics", metrics)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "config.toml").write_text("seed = 0\n", encoding="utf-8")
    (folder / "history.tsv").write_text("epoch\tloss\n1\t2\n", encoding="utf-8")
    (folder / "latent.tsv").write_text("sample\tvae_1\n" + "s\t1\n" * SAMPLES, encoding="utf-8")
    rows = [("1", "positive", EVIL, "0.9"), ("1", "negative", "GENE2", "-0.4"), ("2", "positive", "elsewhere", "0.1")]
    table = "\n".join("\t".join(row) for row in [("feature", "side", "gene", "loading"), *rows])
    (folder / "signatures.tsv").write_text(table + "\n", encoding="utf-8")
    enriched = [("feature", "side", "set", "q"), ("vae_1", "positive", f"SET {EVIL}", "0.001")]
    enriched += [("vae_1", "negative", "NOT SURE", "0.2")]
    text = "\n".join("\t".join(row) for row in enriched)
    (folder / "interpretation" / "enrichment.tsv").write_text(text + "\n", encoding="utf-8")
    encoded().write_h5ad(folder / "latent.h5ad")
    latentome.report.write(folder)
    return folder


def unpacked(data):
    payload = gzip.decompress(base64.b64decode(data))
    length = int.from_bytes(payload[:4], "little")
    head = json.loads(payload[4 : 4 + length])
    planes = np.frombuffer(payload[4 + length :], dtype=np.uint8).reshape(2, len(head["columns"]), -1).astype(int)
    return head, planes[0] + 256 * planes[1]


def test_what_is_packed_is_what_was_there(run):
    adata = anndata.read_h5ad(run / "latent.h5ad")
    packed = explorer.read_explorer(RunFolder(run))
    head, steps = unpacked(packed["data"])
    assert head["samples"] == list(adata.obs_names)
    kinds = [column["kind"] for column in head["columns"]]
    assert [kinds.count(k) for k in ("map", "class", "number", "feature", "gene")] == [4, 2, 1, FEATURES, GENES]

    def back(index):
        column = head["columns"][index]
        values = column["low"] + steps[index] / column["steps"] * (column["high"] - column["low"])
        return np.where(steps[index] == explorer.MISSING, np.nan, values), column

    for index, truth in zip(head["features"], adata.obsm["X_vae"].T, strict=True):
        values, _ = back(index)
        assert np.abs(values - truth).max() <= np.ptp(truth) / 1023 / 2 * 1.001
    values, column = back(head["maps"][0]["x"])
    assert head["maps"][0]["title"] == "t-SNE of the model's features"
    assert np.abs(values - adata.obsm["X_tsne_vae"][:, 0]).max() <= np.ptp(values) / 65534
    age, _ = back(kinds.index("number"))
    assert np.flatnonzero(np.isnan(age)).tolist() == [5]
    label = head["columns"][head["color"]]
    unpacked_labels = [label["classes"][step] if step < 3 else None for step in steps[head["color"]]]
    assert unpacked_labels == [None if pd.isna(name) else name for name in adata.obs["type"]]
    assert steps[head["color"], 5] == explorer.MISSING
    assert len(set(label["colors"])) == 3


def test_a_column_of_names_is_left_out_and_that_is_said(run, monkeypatch):
    assert explorer.read_explorer(RunFolder(run))["left_out"] == []
    monkeypatch.setattr(explorer, "MOST_CLASSES", 100)
    assert explorer.read_explorer(RunFolder(run))["left_out"] == [
        f"The column patient has {SAMPLES} different texts and is not offered as a colour."
    ]


def test_ten_thousand_samples_of_noise_fit(monkeypatch, tmp_path):
    """Noise is the worst case: nothing in it can be compressed."""
    n, generator = 10_459, np.random.default_rng(0)
    obs = pd.DataFrame(index=[f"TCGA-{i:06d}-01A-11R-{i:05d}-07" for i in range(n)])
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(500)]))
    adata.obsm["X_vae"] = generator.normal(size=(n, 150)).astype(np.float32)
    adata.obsm["leading_genes"] = generator.random((n, 500), dtype=np.float32)
    adata.uns["leading_genes"] = np.array([f"g{i}" for i in range(500)])
    for key in ("X_tsne_vae", "X_tsne_pca"):
        adata.obsm[key] = generator.normal(size=(n, 2))
    adata.uns["model"] = {"family": "vae", "label_column": ""}
    monkeypatch.setattr(anndata, "read_h5ad", lambda path: adata)
    (tmp_path / "latent.h5ad").touch()
    packed = explorer.read_explorer(RunFolder(tmp_path))
    assert len(packed["data"]) < 3_700_000
    assert (packed["n_features"], packed["n_genes"]) == (105, 95)
    assert [sentence.split(";")[0] for sentence in packed["left_out"]] == [
        "The explorer holds the first 105 of 150 features",
        "The explorer holds the 95 genes with the strongest loadings of 500.",
    ]


def test_a_damaged_file_is_refused(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "latent.h5ad").write_bytes((run / "latent.h5ad").read_bytes()[:3000])
    with pytest.raises(RunFolderError, match=r"latent\.h5ad[\s\S]*latentome predict"):
        latentome.report.write(folder)


def test_the_same_run_gives_the_same_page(run):
    first = (run / "report.html").read_bytes()
    assert latentome.report.write(run).read_bytes() == first


def test_only_its_own_program_may_run(run):
    text = (run / "report.html").read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert "script-src 'sha256-" in text
    assert "default-src 'none'" in text
    assert all(word not in text for word in ("innerHTML", "eval(", 'http-equiv="refresh', "https://", "fetch("))


def test_findings_beyond_the_false_discovery_rate_are_not_shown(run):
    meaning = read_meaning(RunFolder(run), ["vae_1", "vae_2"])
    assert meaning["vae_1"]["sets"] == [f"SET {EVIL} (genes with positive loading, q = 0.001)"]
    assert meaning["vae_1"]["up"] == [[EVIL, 0.9]]
    assert meaning["vae_1"]["down"] == [["GENE2", -0.4]]
    assert meaning["vae_2"]["sets"] == []


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [(-2.0, -0.5, "Yes"), (0.5, 2.0, "No"), (-0.5, 0.5, "Undecided"), (None, None, "Not compared")],
)
def test_the_first_screen_answers_with_the_interval(run, tmp_path, low, high, answer):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    metrics["difference"]["PCA"] |= {"low": low, "high": high}
    if low is not None:
        metrics["difference"]["PCA"] |= {"percent_low": 10 * low, "percent_high": 10 * high}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    summary = summarise(read_sources(RunFolder(folder)))
    assert summary["answer"] == answer
    said = " ".join(summary["beats"])
    assert ("% to" in said) == (low is not None)
    assert "50.0\N{NO-BREAK SPACE}% of the variation" in " ".join(summary["learned"])
    assert all(sentence for sentence, _ in summary["next"])


# ---- in a browser


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="module")
def opened(browser, run):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.heard, page.asked = [], []
    page.on("console", lambda message: page.heard.append(message.text))
    page.on("pageerror", lambda failure: page.heard.append(str(failure)))
    page.on("dialog", lambda dialog: (page.heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto((run / "report.html").as_uri())
    page.wait_for_selector("html[data-explorer=ready]", state="attached")
    page.locator(".large canvas").scroll_into_view_if_needed()
    yield page
    page.close()


@pytest.fixture
def page(opened):
    """The page as it was when it opened."""
    if opened.locator("#explorer-clear").is_enabled():
        opened.click("#explorer-clear")
    opened.check("input[value=move]")
    opened.click("#explorer-fit")
    opened.select_option("#explorer-color", label="type")
    settle(opened)
    return opened


def settle(page):
    """Wait until what was asked for is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pictures(page):
    settle(page)
    return page.evaluate("() => [...document.querySelectorAll('#explorer-main canvas')].map((c) => c.toDataURL())")


def status(page):
    return page.inner_text("#explorer-status")


def draw_around(page, left, right, top, bottom):
    """Draw a loop on the large map, given in shares of its width and height."""
    box = page.locator(".large canvas").bounding_box()
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=3)
    page.mouse.up()


def saved(page, button, folder):
    with page.expect_download() as download:
        page.click(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_the_report_opens_in_silence_and_draws_every_sample(page, run):
    dots = page.evaluate(
        """() => [...document.querySelectorAll('#explorer-main canvas')].map((canvas) => {
             const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
             let count = 0;
             for (let k = 0; k < bytes.length; k += 4) if (bytes[k] + bytes[k + 1] + bytes[k + 2] < 700) count++;
             return count;
           })"""
    )
    assert len(dots) == 3
    assert min(dots) > 10 * SAMPLES
    assert page.heard == []
    assert page.asked == [(run / "report.html").as_uri()]
    assert page.evaluate("() => window.broken") is None


def test_names_that_are_code_are_shown_as_text(page):
    names = page.locator("#explorer-legend button span:nth-child(2)").all_inner_texts()
    assert sorted(names) == sorted([EVIL, FORMULA, "BRCA", "not known"])
    assert page.evaluate("() => document.querySelectorAll('#explorer-main script').length") == 0


def test_the_maps_take_the_colours_of_any_column(page):
    seen = {tuple(pictures(page))}
    for name in ("age", "vae_2", "GENE7"):
        page.select_option("#explorer-color", label=name)
        assert page.locator("#explorer-legend .ramp").count() == 1
        seen.add(tuple(pictures(page)))
    assert len(seen) == 4


def test_a_loop_around_a_group_tells_what_sets_it_apart(page):
    before = pictures(page)
    page.check("input[value=lasso]")
    draw_around(page, 0.01, 0.35, 0.4, 0.99)
    assert status(page) == f"{SAMPLES // 3} of {SAMPLES} samples are chosen."
    after = pictures(page)
    assert all(a != b for a, b in zip(before, after, strict=True))  # on every map
    told = page.inner_text("#explorer-group")
    assert f"{EVIL}: 40 of 40" in told
    assert page.locator("#explorer-group button.feature").first.inner_text() == "vae_1"
    assert page.locator("#explorer-group button.gene").first.inner_text() == EVIL
    assert "higher by 2.0" in told
    page.click("#explorer-group button.feature >> nth=0")
    assert page.locator("#explorer-feature option:checked").inner_text() == "vae_1"


def test_a_class_of_the_legend_is_chosen_without_a_mouse(page):
    button = page.locator("#explorer-legend button").first
    button.focus()
    page.keyboard.press("Enter")
    assert status(page) == f"40 of {SAMPLES} samples are chosen."
    page.locator(".large canvas").focus()
    page.keyboard.press("Escape")
    assert status(page) == "No samples are chosen."


def test_a_feature_shows_its_genes_and_gene_sets(page):
    page.select_option("#explorer-feature", label="vae_1")
    told = page.inner_text("#explorer-meaning")
    assert f"SET {EVIL} (genes with positive loading, q = 0.001)" in told
    assert "GENE2" in told
    assert "No covariate goes with it beyond chance." in told
    page.click("#explorer-meaning button.gene >> nth=1")
    assert page.locator("#explorer-color option:checked").inner_text() == "GENE2"


@pytest.mark.parametrize("name", [EVIL, FORMULA, "sample 77", "GENE9", "vae_3"])
def test_samples_genes_and_features_are_found_by_name(page, name):
    page.fill("#explorer-query", name)
    assert page.evaluate("() => document.querySelector('#explorer-names option').value") == name
    page.press("#explorer-query", "Enter")
    if name.startswith("sample"):
        assert status(page).startswith(f"{name}: ")
    else:
        assert page.locator("#explorer-color option:checked").inner_text() == name


def test_what_is_not_there_is_said(page):
    page.fill("#explorer-query", "NOWHERE")
    page.press("#explorer-query", "Enter")
    assert status(page) == "Nothing here is named NOWHERE."


def test_mouse_and_keys_move_and_enlarge_the_map(page):
    start = pictures(page)[0]
    canvas = page.locator(".large canvas")
    canvas.click(position={"x": 5, "y": 5})
    seen = {start}
    for key in ("ArrowLeft", "ArrowUp", "+", "-"):
        page.keyboard.press(key)
        seen.add(pictures(page)[0])
    page.mouse.wheel(0, -300)
    seen.add(pictures(page)[0])
    draw_around(page, 0.5, 0.6, 0.5, 0.6)
    seen.add(pictures(page)[0])
    assert len(seen) == 6  # minus undoes plus
    page.keyboard.press("0")
    page.mouse.move(0, 0)
    assert pictures(page)[0] == start


def test_hovering_names_the_sample(page):
    page.fill("#explorer-query", "sample 77")
    page.press("#explorer-query", "Enter")  # brings it to the middle
    box = page.locator(".large canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "sample 77" in page.inner_text("#explorer-tip")
    assert "type: BRCA" in page.inner_text("#explorer-tip")


def test_the_choice_is_saved_as_a_table_without_formulas(page, tmp_path):
    page.check("input[value=lasso]")
    draw_around(page, 0.005, 0.995, 0.005, 0.995)
    path = saved(page, "#explorer-tsv", tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    table = [line.split("\t") for line in lines]
    assert len(table) == SAMPLES + 1
    assert {len(row) for row in table} == {len(table[0])}
    assert table[0][:3] == ["sample", "type", "age"]
    assert [row[0] for row in table[1:4]] == [EVIL, "'" + FORMULA, "sample 2"]
    assert not any(cell.startswith(("=", "+", "@")) for row in table for cell in row)
    codes = np.array([float(row[table[0].index("vae_1")]) for row in table[1:]])
    assert np.abs(codes - encoded().obsm["X_vae"][:, 0]).max() < np.ptp(codes) / 1000


def test_the_map_is_saved_as_a_picture_and_as_a_drawing(page, tmp_path):
    picture = saved(page, "#explorer-png", tmp_path).read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(picture[16:20], "big") > 2000
    drawing = ET.parse(saved(page, "#explorer-svg", tmp_path)).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert len(drawing.findall(f".//{space}circle")) == SAMPLES + 3
    assert {EVIL, FORMULA, "BRCA"} <= {text.text for text in drawing.iter(f"{space}text")}
    assert list(drawing.iter(f"{space}script")) == []


def test_another_map_can_be_the_large_one(page):
    page.click("button.enlarge >> nth=2")
    assert page.locator(".large h3").inner_text() == "Two features"
    page.select_option("#explorer-x", label="GENE4")
    assert len(set(pictures(page))) == 3
    page.click("button.enlarge >> nth=0")
    assert page.locator(".large h3").inner_text() == "t-SNE of the model's features"


def test_dark_pages_get_dark_maps(page):
    light = pictures(page)
    page.emulate_media(color_scheme="dark")
    dark = pictures(page)
    page.emulate_media(color_scheme="light")
    assert all(a != b for a, b in zip(light, dark, strict=True))
    assert pictures(page) == light


def test_everything_can_be_named_by_a_screen_reader(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#explorer-main button, #explorer-main select, #explorer-main input')]
             .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || (one.labels || []).length))
             .map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    assert all(
        "Map of the samples" in label
        for label in page.locator("canvas").evaluate_all("(all) => all.map((c) => c.ariaLabel)")
    )


def test_nothing_was_said_or_asked_for_meanwhile(opened):
    assert opened.heard == []
    assert [url for url in opened.asked if not url.startswith(("file:", "blob:file:", "blob:null"))] == []
    assert len([url for url in opened.asked if url.startswith("file:")]) == 1


# ---- served


@pytest.fixture(scope="module")
def server(run):
    genes = [*anndata.read_h5ad(run / "latent.h5ad").uns["leading_genes"], EVIL + "2", "FAR"]
    x = np.random.default_rng(5).random((SAMPLES, len(genes))).astype(np.float32)
    with latentome.report.ExplorerServer(run, x, genes) as serving:
        serving.x = x
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def ask(server, path, host=None):
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{server.server_address[1]}"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_only_who_knows_the_token_is_served(server):
    assert server.server_address[0] == "127.0.0.1"
    status, page = ask(server, f"/{server.token}/")
    assert status == 200
    assert b"connect-src &#39;self&#39;" in page or b"connect-src 'self'" in page
    for path in ("/", "/wrong/", f"/{server.token[:-1]}/", "/../../etc/passwd", f"/{server.token}/../manifest.json"):
        assert ask(server, path)[0] == 404
    assert ask(server, f"/{server.token}/", host="elsewhere.example")[0] == 404  # a name that someone pointed here


def test_columns_that_the_page_lacks_are_given(server):
    assert [name for _, name, _ in server.columns] == [EVIL + "2", "FAR"]
    status, content = ask(server, f"/{server.token}/column/1")
    assert status == 200
    low, high = np.frombuffer(content[:16], dtype="<f8")
    values = low + np.frombuffer(content[16:], dtype="<u2") / 127 * (high - low)
    assert np.abs(values - server.x[:, -1]).max() <= (high - low) / 127 / 2 * 1.001
    assert [ask(server, f"/{server.token}/column/{k}")[0] for k in ("2", "-1", "x", "")] == [404] * 4


def test_a_port_in_use_is_refused(server, run):
    with pytest.raises(InputError, match="cannot be served"):
        latentome.report.ExplorerServer(run, server.x, ["a"] * server.x.shape[1], port=server.server_address[1])


def test_genes_come_when_they_are_searched_for(browser, server):
    page = browser.new_page()
    heard = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda failure: heard.append(str(failure)))
    page.goto(server.address)
    page.wait_for_selector("html[data-explorer=ready]", state="attached")
    for name in ("FAR", EVIL + "2"):
        page.fill("#explorer-query", name)
        page.press("#explorer-query", "Enter")
        page.wait_for_function("(name) => document.querySelector('#explorer-legend h4').textContent === name", arg=name)
        assert page.locator("#explorer-color option:checked").inner_text() == name
    page.close()
    assert heard == []
