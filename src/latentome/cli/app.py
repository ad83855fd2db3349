"""The commands, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

from latentome._version import __version__
from latentome.cli import (
    datasets,
    dimensions,
    download,
    evaluate,
    explore,
    export,
    generate,
    interpret,
    predict,
    process,
    replicate,
    report,
    reproduce,
    run,
    sweep,
    train,
    visualize,
)
from latentome.cli.options import takes_log

app = typer.Typer(
    help="Latent features of gene expression that people can trust: autoencoders, honestly compared with PCA.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    suggest_commands=True,
)
COMMANDS = (
    run,
    train,
    predict,
    evaluate,
    interpret,
    dimensions,
    replicate,
    generate,
    visualize,
    report,
    explore,
    export,
    datasets,
    download,
    process,
    reproduce,
    sweep,
)
for module in COMMANDS:
    # All but one can take longer than a moment.
    command = module.command if module is datasets else takes_log(module.command)
    app.command(name=module.__name__.rpartition(".")[2])(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"latentome {__version__}")
        raise typer.Exit


@app.callback()
def _latentome(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Latent features of gene expression that people can trust: autoencoders, honestly compared with PCA."""
