"""The whole way: a matrix in, a folder with a trained model, features, figures and a report out."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from latentome import report
from latentome.io import RunFolder
from latentome.workflow.config import RunConfig
from latentome.workflow.figures import visualize_step
from latentome.workflow.reporter import Reporter
from latentome.workflow.steps import evaluate_step, predict_step, train_step


def default_folder(config: RunConfig) -> str:
    """The folder of a run for which none was named: after the data and the model.

    Parameters
    ----------
    config
        What is asked for.
    """
    from pathlib import Path

    stem = Path(config.data).name.split(".")[0]
    return f"latentome-{stem}-{config.model}"


def run(
    data: str | os.PathLike[str] = "tcga-33",
    model: str = "nonlinear-pca",
    out: str | os.PathLike[str] | None = None,
    *,
    replace: bool = False,
    resume: bool = False,
    reporter: Reporter | None = None,
    command: str = "",
    **options: Any,
) -> RunFolder:
    """Train a model on a matrix and say what it found: features, maps, figures, metrics beside PCA, a report.

    Parameters
    ----------
    data
        Name of a data set, or path of an expression file.
    model
        ``nonlinear-pca``, ``vae``, ``adage``, ``deep``, ``linear``, or the name of a preset.
    out
        The folder of the run; by default named after data and model.
    replace
        Whether a run that is there is replaced.
    resume
        Whether a run that was interrupted goes on.
    reporter
        Takes note of the steps; silent by default.
    command
        What the user typed, for the report.
    **options
        The other settings of a `RunConfig`, such as ``label_column="type"`` or ``parameters={"n_components": 50}``.

    Returns
    -------
    The folder.

    Raises
    ------
    LatentomeError
        If the input or an option is wrong; nothing is then written.
    """
    config = RunConfig.from_call(data, model, options, "latentome.run")
    out = os.fspath(out or default_folder(config))
    return run_config(
        config, out, replace=replace, resume=resume, reporter=reporter, command=command or _as_call(config, out)
    )


def run_config(
    config: RunConfig,
    out: str,
    *,
    replace: bool = False,
    resume: bool = False,
    reporter: Reporter | None = None,
    command: str = "",
) -> RunFolder:
    """Do what `run` does for a request that is made already.

    Parameters
    ----------
    config
        What is asked for.
    out
        The folder of the run.
    replace, resume, reporter, command
        As in `run`.
    """
    reporter = reporter or Reporter()
    earlier = RunFolder(out)  # a state or a model shows that some of the training was done by then
    resumed = resume and (earlier.model.exists() or any(earlier.checkpoints.rglob("*.state")))
    with contextlib.ExitStack() as held:  # the folder, from its first file to its last
        folder, prepared = train_step(config, out, reporter, command=command, replace=replace, resume=resume, held=held)
        predict_step(folder, prepared, reporter)
        evaluate_step(folder, prepared, reporter)
        visualize_step(folder, prepared, reporter)
        folder.update_manifest(status="done", timings=reporter.timings, resumed=resumed)
        with reporter.step("report", "figures"):
            report.write(folder.path, reporter.progress)
    return folder


def _as_call(config: RunConfig, out: str) -> str:
    """The call that repeats a run made from Python."""
    arguments = ", ".join(f"{key}={value!r}" for key, value in config.to_dict().items())
    return f"latentome.run(out={out!r}, {arguments})"
