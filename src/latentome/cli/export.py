"""``latentome export``: encoder and decoder of a run as ONNX graphs."""

from __future__ import annotations

import contextlib

import typer

from latentome.cli import options as o


def command(run: o.Run, out: o.Out = None) -> None:
    """Write encoder and decoder of a run as ONNX graphs, checked with onnxruntime, and what new samples need."""
    from latentome.cli.log import listener
    from latentome.estimators import load_model
    from latentome.workflow import open_run

    folder, _ = open_run(str(run))
    folder.require("model")
    target = out or folder.item("onnx")
    inside = target.resolve().is_relative_to(folder.path.resolve())
    with folder.lock() if inside else contextlib.nullcontext(), listener().step("write and check the graphs"):
        written = load_model(folder.path).export_onnx(target)
    typer.echo("\n".join(str(path) for path in written))
