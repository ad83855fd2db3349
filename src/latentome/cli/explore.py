"""``latentome explore``: the report of a run in a browser, with every gene."""

from __future__ import annotations

from typing import Annotated

import typer

from latentome.cli import options as o


def command(
    run: o.Run,
    host: Annotated[str, typer.Option(help="The address to listen on; by default only this machine can ask.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
) -> None:
    """Serve the report of a run on this machine, with all genes and features, until it is interrupted."""
    from latentome.cli.log import listener
    from latentome.report import ExplorerServer
    from latentome.workflow import open_run, prepare_again

    folder, config = open_run(str(run))
    reporter = listener()
    with reporter.step("read and prepare", "bytes"):
        adata = prepare_again(config, folder, reporter).adata
    with reporter.step("page"):
        server = ExplorerServer(folder.path, adata.X, [str(gene) for gene in adata.var_names], host, port)
    with server:
        typer.echo(f"Open {server.address}\nStop with Ctrl-C.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("Stopped.")
