"""``latentome predict``: encode the samples of a run, or new ones."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from latentome.cli import options as o
from latentome.errors import InputError

_Duplicates = Annotated[
    str | None,
    typer.Option(help="New samples' genes of the same name: refuse, drop or sum (default: as the run was asked)."),
]
_Impute = Annotated[
    str | None,
    typer.Option(help="Missing values of new samples: none or mean (default: as the run was asked)."),
]

#: The default of --max-missing.
MAX_MISSING = 0.2


def command(
    run: o.Run,
    data: Annotated[str | None, typer.Argument(help="New samples: an expression file or a data set's name.")] = None,
    out: o.Out = None,
    orientation: o.Orientation = "auto",
    duplicates: _Duplicates = None,
    impute: _Impute = None,
    max_missing: Annotated[
        float, typer.Option(help="Largest share of the model's genes that may be missing.")
    ] = MAX_MISSING,
    any_range: Annotated[
        bool, typer.Option("--any-range", help="Take new samples that seem to be on another scale than in training.")
    ] = False,
    on_disk: o.OnDisk = None,
    replace: o.Replace = False,
    perplexity: Annotated[
        str | None,
        typer.Option(help="Of the run's map: neighbours (default 30); several, such as 30,300, make it multi-scale."),
    ] = None,
    map_preset: Annotated[
        str | None, typer.Option(help="Settings of the run's map: tybalt-2018, or multi-scale.")
    ] = None,
    map_init: Annotated[str, typer.Option(help="Where the samples of the run's map start: pca or random.")] = "pca",
    umap: Annotated[bool, typer.Option("--umap", help="Make maps by UMAP, too (extra 'umap').")] = False,
) -> None:
    """Encode, reconstruct and map samples: those of the run, or new ones, which are aligned gene by gene."""
    from latentome.cli.log import listener
    from latentome.workflow import open_run, open_to_write, predict_new, predict_run

    folder, _ = open_run(str(run))
    if data is None and out is not None:
        raise InputError(
            "The samples of a run are encoded into the folder of the run.",
            where=f"--out {out}",
            expected="no --out, or new samples: latentome predict RUN DATA --out FOLDER",
            todo="leave --out out, or name the new samples",
        )
    of_new = {
        "--orientation": orientation != "auto",
        "--duplicates": duplicates is not None,
        "--impute": impute is not None,
        "--max-missing": max_missing != MAX_MISSING,
        "--any-range": any_range,
        "--on-disk": on_disk is not None,
        "--replace": replace,
    }
    if data is None and any(of_new.values()):
        raise InputError(
            "These options are for new samples, and none are named.",
            where=", ".join(name for name, given in of_new.items() if given),
            expected="latentome predict RUN DATA with them, or latentome predict RUN without",
            todo="name the new samples, or leave the options out",
        )
    settings: dict[str, Any] = {"initialization": map_init}
    settings |= {} if perplexity is None else {"perplexity": _numbers(perplexity)}
    settings |= {} if map_preset is None else {"preset": map_preset}
    if data is None:
        with open_to_write(str(run), "model") as (folder, config):
            predict_run(folder, config, listener(), settings=settings, umap=umap)
        following = "" if folder.trained_from_disk else f"\nNext: latentome evaluate {folder.typed}"
        typer.echo(f"Features: {folder.latent}{following}")
        return
    if umap or settings != {"initialization": "pca"}:
        raise InputError(
            "New samples are placed on the map that the run has.",
            where=f"options of a map beside the new samples {data}",
            expected="latentome predict RUN with these options, then latentome predict RUN DATA without",
            todo="make the map first",
        )
    written = predict_new(
        folder,
        data,
        out,
        orientation=orientation,
        duplicates=duplicates,
        impute=impute,
        max_missing=max_missing,
        check_range=not any_range,
        on_disk=on_disk,
        replace=replace,
        reporter=listener(),
    )
    typer.echo(f"Features: {written / 'latent.tsv'}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"'{text}' is no perplexity.",
            where=f"--perplexity {text}",
            expected="a number, or several with commas between, such as 30,300",
            todo="correct the option",
        ) from None
