"""How fast the explorer of a report is, and how large the report: 10,000 samples in a headless Chromium.

    python benchmarks/explorer.py [--samples 10459] [--run RUN]

Without --run a folder is made of simulated features, maps and genes, with the five largest figures of a run. Frames
are counted while the mouse drags the large map, every sample in view, as long as the browser delivers them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
FLAGS += ("--disable-background-networking", "--disable-component-update", "--disable-sync")
#: Drags the map a little in every frame; gives the milliseconds between frames, and those spent in drawing.
DRAG = """async (frames) => {
  const canvas = document.querySelector('.large canvas'), box = canvas.getBoundingClientRect();
  const send = (type, k) => canvas.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, bubbles: true, clientX: box.x + 400 + 40 * Math.sin(k / 9), clientY: box.y + 250 }));
  canvas.setPointerCapture = () => {};
  const next = () => new Promise((done) => requestAnimationFrame(done));
  send('pointerdown', 0);
  const times = [await next()];
  for (let k = 1; k <= frames; k++) { send('pointermove', k); times.push(await next()); }
  send('pointerup', frames);
  return times.slice(1).map((t, k) => t - times[k]);
}"""


def make_run(folder: Path, n: int) -> None:
    import anndata
    import pandas as pd

    from latentome import datasets, pl, tl

    rng = np.random.default_rng(0)
    classes = np.array([name for name in datasets.tcga_colors() if name != "NA"])
    label = rng.integers(0, len(classes), n)
    centres = rng.normal(0, 40, (len(classes), 2))
    codes = (rng.normal(0, 1, (len(classes), 100))[label] + rng.normal(0, 0.5, (n, 100))).astype(np.float32)
    obs = pd.DataFrame({"cancer_type": classes[label]}, index=[f"TCGA-{i:06d}-01A-11R-{i:05d}-07" for i in range(n)])
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=[f"GENE{i}" for i in range(5000)]))
    adata.obsm["X_vae"] = codes
    adata.obsm["leading_genes"] = rng.random((n, 500), dtype=np.float32)
    adata.uns["leading_genes"] = adata.var_names[:500].to_numpy(dtype=str)
    for key in ("X_tsne_vae", "X_tsne_pca"):
        adata.obsm[key] = centres[label] + rng.normal(0, 6, (n, 2))
    adata.uns["model"] = {"family": "vae", "label_column": "cancer_type"}
    (folder / "figures").mkdir(parents=True)
    shown = adata[np.linspace(0, n - 1, min(n, 2000)).astype(int)].copy()
    figures = {
        "tsne": pl.embeddings(adata, ["X_tsne_vae", "X_tsne_pca"], "cancer_type"),
        "latent_heatmap": pl.latent_heatmap(shown, "X_vae", "cancer_type", tl.cluster_order(shown.obsm["X_vae"])),
        "activations": pl.activations(adata, "X_vae"),
        "feature_scatter": pl.feature_scatter(adata, 1, 2, "X_vae", "cancer_type"),
        "confusion_matrix": pl.confusion_matrix(tl.confusion(codes[:1000], label[:1000], np.arange(1000) % 2 == 0)),
    }
    for name, figure in figures.items():
        figure.savefig(folder / "figures" / f"{name}.png")
    adata.write_h5ad(folder / "latent.h5ad")
    metrics = {"methods": ["VAE", "PCA"], "table": {}}
    manifest = {"model": {"name": "vae", "family": "vae"}, "data": {"name": "simulated"}}
    for name, content in (("metrics.json", metrics), ("manifest.json", manifest)):
        (folder / name).write_text(json.dumps(content))
    (folder / "config.toml").write_text("seed = 0\n")
    (folder / "history.tsv").write_text("epoch\tloss\n1\t2\n")
    (folder / "latent.tsv").write_text("sample\tvae_1\n" + "s\t1\n" * n)
    weights = rng.normal(size=(500, 100))
    rows = [f"{k + 1}\t{adata.var_names[i]}\t{weights[i, k]}\n" for k in range(100) for i in range(60)]
    (folder / "signatures.tsv").write_text("feature\tgene\tloading\n" + "".join(rows))


def measure(report: Path) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        start = time.perf_counter()
        page.goto(report.as_uri(), wait_until="commit")
        page.wait_for_selector("#verdict", state="visible")
        first = time.perf_counter() - start
        page.wait_for_selector("html[data-explorer=ready]", state="attached")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        ready = time.perf_counter() - start
        page.locator(".large canvas").scroll_into_view_if_needed()
        page.evaluate(DRAG, 20)
        gaps = np.array(page.evaluate(DRAG, 200))
        chosen = time.perf_counter()
        page.click("#explorer-legend button >> nth=0")
        page.wait_for_selector("#explorer-group button.feature")
        chosen = time.perf_counter() - chosen
        browser.close()
    return {
        "report, MB": report.stat().st_size / 1e6,
        "first view, s": first,
        "explorer drawn, s": ready,
        "frames a second": 1000 * len(gaps) / gaps.sum(),
        "slowest of 20 frames, ms": float(np.percentile(gaps, 95)),
        "a group described, s": chosen,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_459)
    parser.add_argument("--run", type=Path)
    options = parser.parse_args()
    from latentome import report

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.run or Path(scratch) / "run"
        if options.run is None:
            make_run(folder, options.samples)
        start = time.perf_counter()
        page = report.write(folder).resolve()
        print(f"report written, s: {time.perf_counter() - start:.2f}")
        for name, value in measure(page).items():
            print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
