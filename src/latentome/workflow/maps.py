"""The maps of a run's samples: of the model's features and of PCA's, made side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome import io
from latentome.io import RunFolder
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    from anndata import AnnData


def map_side_by_side(adata: AnnData, representations: Sequence[str], reporter: Reporter, **how: Any) -> None:
    """Map representations of the same samples with t-SNE, each in a thread: it works outside of Python, on one core.

    For each name `adata` has ``obsm["X_<name>"]`` and gains what `latentome.tl.tsne` adds, which is given `how`. The
    reporter is told how many iterations of all maps are done.
    """
    import scipy.stats
    from anndata import AnnData

    from latentome import tl

    vars(scipy.stats)  # where it is loaded at its first use: that may not be both threads' at once
    seen, lock, stop = dict.fromkeys(representations, 0), Lock(), Event()

    def mapped(name: str) -> AnnData:
        def progress(done: int, total: int) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            with lock:
                seen[name] = done
                reporter.progress(sum(seen.values()), len(seen) * total)

        alone = AnnData(obs=adata.obs[[]], obsm={f"X_{name}": adata.obsm[f"X_{name}"]})
        tl.tsne(alone, f"X_{name}", progress=progress, **how)
        return alone

    with ThreadPoolExecutor(len(seen)) as pool:
        try:
            maps = list(pool.map(mapped, seen))
        except BaseException:
            stop.set()  # an interruption reaches this thread alone, and ends the others here
            raise
    asked, used = how.get("perplexity"), next(iter(maps[0].uns.values()))["params"]["perplexity"]
    if asked is not None and np.max(asked) > np.max(used):
        most = f"{np.max(used):.4g}"
        reporter.say(f"A perplexity is at most a third of the samples: {most} was used, not {np.max(asked):g}.")
    for alone in maps:  # in their order, whichever was done first
        for key, made in alone.uns.items():
            adata.obsm[f"X_{key}"], adata.uns[key] = alone.obsm[f"X_{key}"], made


@contextmanager
def without_stale(run: RunFolder, methods: Sequence[str], reporter: Reporter) -> Iterator[None]:
    """Remove the figures and the scores of maps that the block replaces: they would pass for those of the new ones."""
    before = {name: run.item(name).read_bytes() for name in methods if run.item(name).exists()}
    yield
    changed = [name for name, content in before.items() if run.item(name).read_bytes() != content]
    figures = [path for name in changed for path in run.figures.glob(f"{name}.*")]
    for path in figures:
        path.unlink()
    scored = changed and run.metrics.exists() and "maps" in run.read_metrics()
    if scored:
        io.write_json(run.metrics, {key: value for key, value in run.read_metrics().items() if key != "maps"})
    if figures or scored:
        reporter.say(
            f"The map is another one: the figure and the scores of the earlier one were removed. latentome evaluate "
            f"{run.typed}, visualize and report make them anew."
        )
