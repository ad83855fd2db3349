"""What the explorer of a report shows, packed so that thousands of samples fit into one file.

Every column of numbers is stored as whole steps between its lowest and its highest value, all columns one after the
other, the low bytes of all numbers before their high bytes, and compressed: columns of few steps then cost little more
than their low bytes.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from latentome.errors import RunFolderError
from latentome.io import RunFolder
from latentome.report.meaning import read_meaning

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData

#: Steps of a column by what it holds. A map may be enlarged; nobody tells more than 127 shades apart.
STEPS = {"map": 65534, "feature": 1023, "number": 1023, "gene": 127}
#: The step of a missing value, and the class of a sample that has none.
MISSING = 65535
#: How many values of features and of genes are stored at most, so that a report of 10,000 samples stays below 6 MB.
MOST_FEATURE_VALUES, MOST_GENE_VALUES = 1_100_000, 1_000_000
#: A column of names with more classes than this is no column to colour by.
MOST_CLASSES = 200


@dataclass
class Columns:
    """The columns of numbers, and what is to be known of each."""

    kinds: list[dict[str, Any]] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, kind: str, name: str, values: np.ndarray) -> int:
        """Add a column of numbers; return its position."""
        import numpy as np

        values = np.asarray(values, dtype=np.float64)
        known = np.isfinite(values)
        low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 0.0)
        share = (values - low) / ((high - low) or 1.0)
        steps = np.where(known, np.round(share * STEPS[kind]), MISSING)
        return self._append(steps, kind=kind, name=name, low=low, high=high, steps=STEPS[kind])

    def add_classes(self, name: str, column: pd.Series) -> int:
        """Add a column of classes with their colours; return its position."""
        import numpy as np

        from latentome.pl.inputs import categories_of
        from latentome.pl.style import label_colors

        classes = categories_of(column)
        colors, place = label_colors(classes), {c: i for i, c in enumerate(classes)}
        steps = np.array([place.get(value, MISSING) for value in column.astype(object)])
        described = {"classes": [str(c) for c in classes], "colors": [colors[c] for c in classes]}
        return self._append(steps, kind="class", name=name, **described)

    def _append(self, whole: np.ndarray, **described: Any) -> int:
        import numpy as np

        self.values.append(np.asarray(whole, dtype=np.uint16))
        self.kinds.append(described)
        return len(self.kinds) - 1

    def pack(self) -> bytes:
        """All low bytes, then all high bytes."""
        import numpy as np

        whole = np.concatenate(self.values)
        return (whole & 0xFF).astype(np.uint8).tobytes() + (whole >> 8).astype(np.uint8).tobytes()


def read_explorer(run: RunFolder, remote: Sequence[tuple[str, str]] = ()) -> dict[str, Any] | None:
    """Gather what the explorer of a run shows; None if the run has no ``latent.h5ad`` with features and a map.

    `remote` names kind and name of further columns, which the page can ask its server for. Gives ``data`` (base64 of
    the compressed payload, for the page's program), ``views`` (headings of its maps), ``n_samples``, ``n_features``,
    ``n_genes``, and ``left_out``, sentences about what did not fit.
    """
    if not run.h5ad.exists():
        return None
    adata = read_encoded(run)
    maps = [key for key in adata.obsm if key.startswith("X_tsne") and adata.obsm[key].shape[1] >= 2]
    model = dict(adata.uns.get("model", {}))
    family = str(model.get("family", ""))
    if not maps or f"X_{family}" not in adata.obsm:
        return None
    left_out: list[str] = []
    columns = Columns()
    views = [_map(columns, adata, key, family) for key in sorted(maps, key=lambda key: key == "X_tsne_pca")]
    color = _labels(columns, adata, str(model.get("label_column", "")), left_out)
    features = _features(columns, adata, family, left_out)
    n_genes = _genes(columns, adata, left_out)
    if remote:
        left_out = [f"The other {len(remote):,} genes and features come when they are searched for."]
    head = {
        "samples": [str(name) for name in adata.obs_names],
        "columns": columns.kinds,
        "maps": views,
        "color": color if color is not None else features[0],
        "features": features,
        "meaning": read_meaning(run, [columns.kinds[i]["name"] for i in features]),
        "interpreted": run.interpretation.is_dir(),
        "scale": _scale(),
        "remote": [{"kind": kind, "name": name, "steps": STEPS[kind]} for kind, name in remote],
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    payload = len(text).to_bytes(4, "little") + text + columns.pack()
    return {
        # The same run gives the same page: no time of day in the compressed data.
        "data": base64.b64encode(gzip.compress(payload, compresslevel=6, mtime=0)).decode("ascii"),
        "views": [view["title"] for view in views[:2]] + ["Two features"],
        "n_samples": adata.n_obs,
        "n_features": len(features),
        "n_genes": n_genes,
        "left_out": left_out,
    }


def read_encoded(run: RunFolder) -> AnnData:
    """Read latent.h5ad; refuse one that is damaged."""
    import anndata

    try:
        return anndata.read_h5ad(run.require("h5ad"))
    except (OSError, KeyError, ValueError) as failure:
        raise RunFolderError(
            f"{run.h5ad.name} of the run {run.path.name} cannot be read",
            where=f"{run.h5ad}: {failure}",
            expected="latent.h5ad as 'latentome predict' writes it",
            todo=f"Make it again: latentome predict {run.typed}",
        ) from failure


def _map(columns: Columns, adata: AnnData, key: str, family: str) -> dict[str, Any]:
    """Add a map of the samples; give its name and its two columns."""
    of = key.removeprefix("X_tsne_")
    title = "t-SNE of the model's features" if of == family else f"t-SNE of {of.upper() if of == 'pca' else of}"
    points = adata.obsm[key]
    return {
        "title": title,
        "x": columns.add("map", f"{title} 1", points[:, 0]),
        "y": columns.add("map", f"{title} 2", points[:, 1]),
    }


def _labels(columns: Columns, adata: AnnData, first: str, left_out: list[str]) -> int | None:
    """Add the columns of ``obs``, that of the labels first; give its position, or that of the first one."""
    from latentome.pl.inputs import is_numeric

    names = sorted(adata.obs.columns, key=lambda name: name != first)
    position = None
    for name in names:
        column = adata.obs[name]
        if is_numeric(column):
            added = columns.add("number", str(name), column.to_numpy(dtype=float, na_value=float("nan")))
        elif 0 < column.nunique() <= MOST_CLASSES:
            added = columns.add_classes(str(name), column)
        else:
            left_out.append(
                f"The column {name} has {column.nunique():,} different texts and is not offered as a colour."
            )
            continue
        position = added if position is None else position
    return position


def _features(columns: Columns, adata: AnnData, family: str, left_out: list[str]) -> list[int]:
    """Add the latent features; give their positions."""
    codes = adata.obsm[f"X_{family}"]
    n = _n_features(adata, family)
    if n < codes.shape[1]:
        left_out.append(f"The explorer holds the first {n} of {codes.shape[1]} features; latent.tsv holds all.")
    return [columns.add("feature", f"{family}_{i + 1}", codes[:, i]) for i in range(n)]


def _genes(columns: Columns, adata: AnnData, left_out: list[str]) -> int:
    """Add the genes that the run has kept, the strongest first; give their number."""
    if "leading_genes" not in adata.obsm:
        left_out.append(
            "This run was made before genes were kept for the explorer; 'latentome predict' on the run adds them."
        )
        return 0
    values, names = adata.obsm["leading_genes"], adata.uns["leading_genes"]
    n = _n_genes(adata)
    if n < adata.n_vars:
        left_out.append(f"The explorer holds the {n} genes with the strongest loadings of {adata.n_vars:,}.")
    for i in range(n):
        columns.add("gene", str(names[i]), values[:, i])
    return n


def _n_features(adata: AnnData, family: str) -> int:
    return min(adata.obsm[f"X_{family}"].shape[1], max(2, MOST_FEATURE_VALUES // adata.n_obs))


def _n_genes(adata: AnnData) -> int:
    return min(len(adata.uns.get("leading_genes", ())), max(1, MOST_GENE_VALUES // adata.n_obs))


def remote_columns(run: RunFolder, x: np.ndarray, genes: Sequence[str]) -> list[tuple[str, str, np.ndarray]]:
    """Gather the columns that the page of a run leaves out: kind, name and values of each.

    `x` are samples x `genes`, in the order of the run's samples.
    """
    adata = read_encoded(run)
    family = str(adata.uns["model"]["family"])
    codes, n = adata.obsm[f"X_{family}"], _n_features(adata, family)
    further = [("feature", f"{family}_{i + 1}", codes[:, i]) for i in range(n, codes.shape[1])]
    held = set(map(str, adata.uns.get("leading_genes", ())[: _n_genes(adata)]))
    return further + [("gene", gene, x[:, i]) for i, gene in enumerate(genes) if gene not in held]


def _scale() -> list[str]:
    """The colours of quantities, from low to high."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    from latentome.pl.style import SEQUENTIAL

    return [to_hex(colormaps[SEQUENTIAL](i / 32)) for i in range(33)]


def read_program(served: bool = False) -> str:
    """The page's program: its parts in the order in which they build on one another.

    The program of a page that is served can ask for more columns; that of a file holds nothing that could ask anybody.
    """
    from importlib.resources import files

    folder = files("latentome.report").joinpath("explorer_js")
    names = ("data", *(["remote"] if served else []), "map", "export", "page")
    parts = [folder.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in names]
    program = '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"
    # Nothing in it may end the element that holds it.
    if re.search(r"</script|<!--", program, re.IGNORECASE):
        raise AssertionError("the explorer's program would end its own element")
    return program
