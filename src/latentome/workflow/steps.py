"""The steps of a run. Each reads what the steps before it left in the folder, and adds its own files."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome import io
from latentome.io import RunFolder
from latentome.report.explorer import read_encoded
from latentome.workflow.choose import TITLES, choose_model
from latentome.workflow.config import PATHS, RunConfig, check_same, check_unedited, settings_of
from latentome.workflow.encode_backed import predict_own
from latentome.workflow.judge_own import beside_one_member, judge_maps, use_of_code
from latentome.workflow.manifest import accelerator, describe_data, describe_environment, describe_model
from latentome.workflow.maps import map_side_by_side, without_stale
from latentome.workflow.on_disk import (
    extremes,
    prepare_backed,
    prepare_backed_again,
    streams,
    training_matrix,
)
from latentome.workflow.prepare import Prepared, groups_of_training, prepare, prepare_again
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from latentome.estimators import BaseAutoencoder


def open_run(path: str) -> tuple[RunFolder, RunConfig]:
    """Open the folder of a run and read what it was asked for, which must be what it was made with."""
    run = RunFolder.open(path)
    written = run.read_config()
    config = RunConfig.from_dict(written, str(run.config))
    if run.manifest.exists() and (made_with := run.read_manifest().get("settings")) is not None:
        check_unedited(written, made_with, str(run.config))
    return run, config


@contextlib.contextmanager
def open_to_write(path: str, *parts: str) -> Iterator[tuple[RunFolder, RunConfig]]:
    """Open the folder of a run and hold it until the block ends: no other process can write into it.

    Parameters
    ----------
    path
        The folder.
    *parts
        What has to be there, such as ``"model"``. What is not is refused before anything is touched.
    """
    run, _ = open_run(path)
    run.read_manifest()
    for part in parts:
        run.require(part)
    with run.lock():
        # Read anew: until it was held, another process could replace the run.
        yield open_run(path)


def holding(step: Callable[..., Any]) -> Callable[..., Any]:
    """Let a step hold the folder it writes into, for who calls it alone; commands hold it for longer."""

    @functools.wraps(step)
    def held(run: RunFolder, *arguments: Any, **options: Any) -> Any:
        with run.lock():
            return step(run, *arguments, **options)

    return held


def train_step(
    config: RunConfig,
    path: str,
    reporter: Reporter,
    *,
    command: str,
    replace: bool = False,
    resume: bool = False,
    held: contextlib.ExitStack | None = None,
    dask: bool = False,
) -> tuple[RunFolder, Prepared]:
    """Prepare the data and train the model.

    Nothing is written before the data and the options are known to be right. With `resume` a run that is there goes
    on, and one whose model is trained is left as it is. The folder is held from the moment it is written until `held`
    is closed, for a caller that goes on writing; or else until the step is done. With `dask` a matrix on disk is
    prepared by the client of Dask that is in use.
    """
    with contextlib.ExitStack() as own:
        options = {"command": command, "replace": replace, "resume": resume, "goes_on": held is not None, "dask": dask}
        return _train(config, path, reporter, own if held is None else held, **options)


def _train(
    config: RunConfig,
    path: str,
    reporter: Reporter,
    held: contextlib.ExitStack,
    *,
    command: str,
    replace: bool,
    resume: bool,
    goes_on: bool,
    dask: bool,
) -> tuple[RunFolder, Prepared]:
    from latentome import tl
    from latentome.training import clear_checkpoints

    estimator, scaling = choose_model(config)
    run, going_on, moved = RunFolder(path), False, False
    if resume and (run.manifest.exists() or run.config.exists()):
        # Held before it is decided what to do. But a model that is trained may lie where nothing can be written.
        if goes_on or not _is_trained(run):
            held.enter_context(run.lock())
        check_same(open_run(path)[1], config, str(run.path))
        going_on = not run.is_broken_off()
        moved = any(run.read_config().get(key) != config.to_dict().get(key) for key in PATHS)
        if not going_on:
            reporter.say(f"The run in {run.path} was stopped before its training began; it starts afresh.")
            replace = True
        elif _is_trained(run):
            run.require("model")
            reporter.say(f"The model in {run.path} is trained; going on after it.")
            with reporter.step("read and prepare", "bytes"):
                prepared = _prepare_again(config, run, reporter, goes_on, dask)
            if moved:
                with run.lock():
                    _move(run, config, command)
            if goes_on:  # which a kill may have left after the model was saved
                clear_checkpoints(run.checkpoints)
                run.remove_matrix()
            return run, prepared
    if not going_on:
        RunFolder.check_free(path, replace)
    with reporter.step("read and prepare", "bytes"):
        # What goes on keeps its preprocessing, and refuses data that have changed meanwhile.
        prepared = (
            _prepare_again(config, run, reporter, goes_on, dask)
            if going_on
            else _prepare(config, scaling, path, reporter, goes_on, dask)
        )
        # PCA is what the model will be compared with. Where it cannot be fitted, or no map be drawn, that is said
        # now, not after the training.
        tl.check_pca(int(prepared.training.sum()), prepared.adata.n_vars, estimator.n_components, estimator.members)
        if prepared.matrix is None:
            tl.check_tsne(prepared.adata.n_obs)
            estimator.check(prepared.adata.X[prepared.training])
        else:
            estimator.check_for((int(prepared.training.sum()), prepared.adata.n_vars), extremes(prepared.preprocessing))
    for note in [*prepared.notes, *prepared.preprocessing.notes]:
        reporter.say(note)
    if going_on and moved:
        _move(run, config, command)
    if not going_on:
        held.enter_context(run.lock())
        run = RunFolder.create(path, replace=replace)
        run.write_config(config.to_dict())
        prepared.preprocessing.save(run.preprocessing)
        created = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        asked = {"command": command, "settings": settings_of(config.to_dict()), "created": created}
        run.update_manifest(status="training", **asked, **describe_data(prepared))
    with (
        _training_data(run, prepared, estimator.rows_of_batch(int(prepared.training.sum())), reporter) as data,
        reporter.step("train" if accelerator() is None else f"train on {accelerator()}", "epochs"),
    ):
        estimator.fit(
            data,
            groups=groups_of_training(prepared, reporter),
            progress=reporter.progress,
            checkpoint=run.checkpoints,
            resume=going_on,
            notes=reporter.say,
        )
    with reporter.step("save the model"):
        estimator.save(run.path, prepared.preprocessing)
    described = describe_model(estimator, config, TITLES[estimator.family])
    run.update_manifest(status="trained", **described, **describe_environment())
    clear_checkpoints(run.checkpoints)
    run.remove_matrix()
    return run, prepared


def _move(run: RunFolder, config: RunConfig, command: str) -> None:
    """Note where the files of a run are now, and how it is asked for from there."""
    run.write_config(config.to_dict())
    run.update_manifest(command=command.replace(" --resume", ""))


def _prepare(config: RunConfig, scaling: str, path: str, reporter: Reporter, goes_on: bool, dask: bool) -> Prepared:
    # What goes on after the training needs all samples in memory.
    if not goes_on and streams(config.data, config.on_disk, reporter):
        return prepare_backed(config, scaling, path, dask=dask)
    return prepare(config, scaling, reporter)


def _prepare_again(config: RunConfig, run: RunFolder, reporter: Reporter, goes_on: bool, dask: bool) -> Prepared:
    on_disk = not goes_on and run.trained_from_disk
    return prepare_backed_again(config, run, dask=dask) if on_disk else prepare_again(config, run, reporter)


@contextlib.contextmanager
def _training_data(run: RunFolder, prepared: Prepared, batch_size: int, reporter: Reporter) -> Iterator[Any]:
    """The scaled training samples: a table, or a copy on disk."""
    if prepared.matrix is None:
        yield prepared.adata.to_df()[prepared.training]
        return
    with prepared.matrix, contextlib.ExitStack() as opened:
        with reporter.step("transform, scale, write"):
            matrix = opened.enter_context(training_matrix(run, prepared, batch_size))
        yield matrix


def _is_trained(run: RunFolder) -> bool:
    return run.manifest.exists() and run.read_manifest().get("status") != "training"


def predict_run(
    run: RunFolder,
    config: RunConfig,
    reporter: Reporter,
    *,
    settings: Mapping[str, Any] | None = None,
    umap: bool = False,
) -> None:
    """Encode the samples of a run: as `predict_step`, or in blocks where the model was trained from disk."""
    with reporter.step("read and prepare", "bytes"):
        prepared = _prepare_again(config, run, reporter, goes_on=False, dask=False)
    if prepared.matrix is None:
        predict_step(run, prepared, reporter, settings=settings, umap=umap)
    else:
        predict_own(run, prepared, load_trained(run)[0], reporter)


@holding
def predict_step(
    run: RunFolder,
    prepared: Prepared,
    reporter: Reporter,
    *,
    settings: Mapping[str, Any] | None = None,
    umap: bool = False,
) -> None:
    """Encode all samples with the model and with PCA of equal size, map both, and list the genes of each feature.

    Settings of the map, such as ``perplexity`` and ``preset``, are those of `latentome.tl.tsne`; with `umap` there are
    maps by UMAP beside those by t-SNE.
    """
    from latentome import tl

    if umap:
        tl.check_umap()
    with reporter.step("encode, PCA beside it"):
        model, family = load_trained(run)
        adata = prepared.adata.copy()
        tl.encode(adata, model, key_added=family)
        tl.pca(adata, model.n_components * model.members, prepared.training)
        codes = adata.obsm[f"X_{family}"]
        weights = tl.loadings(model, codes[prepared.training])
        adata.varm[f"{family}_loadings"] = weights
        table = tl.signatures(weights, [str(gene) for gene in adata.var_names])
        adata.obs["error"] = np.square(adata.X - model.inverse_transform(codes), dtype=np.float64).mean(axis=1)
        if model.members > 1:
            found = tl.stability(codes, model.members)["stability"].to_numpy()
            table["stability"] = found[table["feature"] - 1]
    methods, seed = ("tsne", "umap") if umap else ("tsne",), int(run.read_config()["seed"])
    with reporter.step("t-SNE of both", "iterations"):
        map_side_by_side(adata, (family, "pca"), reporter, rng=seed, **(settings or {}))
    if umap:
        with reporter.step("UMAP of both"):
            for representation in (family, "pca"):
                tl.tsne(adata, f"X_{representation}", rng=seed, method="umap")
    with reporter.step("write the features"), without_stale(run, methods, reporter):
        _write_features(run, adata, family, weights, table, prepared.label_column, methods)


def _write_features(
    run: RunFolder,
    adata: AnnData,
    family: str,
    weights: np.ndarray,
    table: pd.DataFrame,
    label_column: str | None,
    methods: Sequence[str],
) -> None:
    import pandas as pd

    from latentome import tl

    frame = adata.obs[[]].rename_axis("sample")
    for method in methods:
        maps = {f"{m}_{axis + 1}": adata.obsm[f"X_{m}"][:, axis] for m in maps_of(family, method) for axis in (0, 1)}
        io.write_table(run.item(method), frame.assign(**maps))
    codes = adata.obsm[f"X_{family}"]
    names = [f"{family}_{i + 1}" for i in range(codes.shape[1])]
    io.write_table(run.latent, pd.DataFrame(codes, index=frame.index, columns=names))
    io.write_table(run.signatures, table.set_index("feature"))
    # What the explorer can colour by: the matrix itself is not kept.
    leading = tl.leading_genes(weights)
    adata.obsm["leading_genes"] = np.asarray(adata.X[:, leading], dtype=np.float32)
    adata.uns["leading_genes"] = adata.var_names[leading].to_numpy(dtype=str)
    adata.uns["model"] = {"family": family, "label_column": label_column or ""}
    adata.X = None  # the scaled matrix can be made again from the data and preprocessing.json; it may be large
    io.write_h5ad(run.h5ad, adata)


def maps_of(family: str, method: str = "tsne") -> tuple[str, str]:
    """Names of the two maps of a method: of the model and of PCA."""
    return f"{method}_{family}", f"{method}_pca"


def load_trained(run: RunFolder) -> tuple[BaseAutoencoder, str]:
    """The model of a run and its family."""
    from latentome.estimators import load_model

    run.require("model")
    model = load_model(run.path)
    return model, model.family


@holding
def evaluate_step(
    run: RunFolder, prepared: Prepared, reporter: Reporter, *, clustering: str = "k-means"
) -> dict[str, Any]:
    """Compare the model with PCA of equal size on the held-out samples, as a whole, by gene and by class."""
    from latentome import tl
    from latentome.estimators import VariationalAutoencoder
    from latentome.tl.evaluate import STAYED_PCA

    with reporter.step("evaluate", "methods"):
        model, family = load_trained(run)
        encoded = read_encoded(run)
        x, training = prepared.adata.X, prepared.training
        codes, pcs = encoded.obsm[f"X_{family}"], encoded.obsm["X_pca"]
        # PCA centres on the training mean; its components are orthonormal, so that the loadings decode.
        linear = pcs @ encoded.varm["pca_loadings"].T + x[training].mean(axis=0)
        title, seed = TITLES[family], int(run.read_config()["seed"])
        methods = {
            title: tl.Representation(codes, model.inverse_transform(codes)),
            "PCA": tl.Representation(pcs, linear),
        }
        how = {"groups": prepared.groups, "clustering": clustering, "progress": reporter.progress}
        result = tl.evaluate(x, methods, training, prepared.labels, seed, **how)
        result["maps"] = judge_maps(encoded, prepared.labels, reporter)
        result["verdict"] = tl.verdict(result, title)
        if model.members > 1:
            k, decoded = model.n_components, methods[title].reconstruction
            smaller = (pcs[:, :k], encoded.varm["pca_loadings"][:, :k])
            result["of_member"], said = beside_one_member(x, decoded, *smaller, training, prepared.groups)
            result["verdict"].insert(1, said)
        if family == "nonlinear-pca" and not np.any(model.best_epoch_) and model.members == 1:
            result["verdict"].insert(0, STAYED_PCA)
        if isinstance(model, VariationalAutoencoder):
            result["code"], said = use_of_code(model, prepared.adata.to_df()[~training])
            result["verdict"].append(said)
        genes = [str(gene) for gene in prepared.adata.var_names]
        tables = {"errors_by_gene": tl.errors_by_gene(x, methods, training, genes)}
        if prepared.labels is not None:
            tables["errors_by_class"] = tl.errors_by_class(x, methods, training, prepared.labels, prepared.groups)
            tables["confusion"] = tl.confusion(codes, prepared.labels, training).rename_axis("true").reset_index()
    for note in result["notes"][1:]:  # the first one tells how many samples were held out
        reporter.say(note)
    for name, table in tables.items():
        if len(table):
            io.write_table(run.item(name), table.set_index(table.columns[0]))
    io.write_json(run.metrics, result)
    return result
