"""``latentome process``: raw files to data that a run starts from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from latentome.cli import options as o
from latentome.errors import InputError


def command(
    files: Annotated[
        list[str],
        typer.Argument(help="Expression files; or a folder of raw TCGA files, or tcga-pancan-2018 to fetch them."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="The file to write, which ends in .h5ad (default: data.h5ad); of TCGA files the folder "
            "(default: latentome-tcga).",
        ),
    ] = None,
    labels: o.Labels = None,
    label_column: o.LabelColumn = None,
    orientation: o.Orientation = "auto",
    duplicates: o.Duplicates = "refuse",
    impute: o.Impute = "none",
    transform: o.Transform = "auto",
    genes: Annotated[
        int | None, typer.Option(min=0, help="Most variable genes to keep; 0 for all (default: all; TCGA: 5,000).")
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="Measure of variability: mean-deviation, median-deviation or variance (default: mean-deviation; not "
            "for TCGA, which has the median deviation, or that of the published tables)."
        ),
    ] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="TCGA: keep the defects of the published tables.")
    ] = False,
    tables: Annotated[bool, typer.Option(help="TCGA: write the tables as text too.")] = True,
    features: Annotated[
        Path | None,
        typer.Option(help="TCGA: latent features, such as latent.tsv of a run, to join to the clinical data."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is there.")] = False,
) -> None:
    """Clean, log, select genes, scale parameters, labels: one .h5ad; of TCGA files all published tables too."""
    from latentome.cli.log import listener
    from latentome.workflow import RAW_SETS, process_table, process_tcga

    folder = len(files) == 1 and (Path(files[0]).is_dir() or files[0] == RAW_SETS[0])
    if not folder:
        _only_for_tcga(as_published, features)
        target = out or Path("data.h5ad")
        adata = process_table(
            files,
            target,
            labels=labels,
            label_column=label_column,
            orientation=orientation,
            duplicates=duplicates,
            impute=impute,
            transform=transform,
            n_genes=genes or None,
            selection=select or "mean-deviation",
            replace=replace,
            reporter=listener(),
        )
        typer.echo(f"{adata.n_obs:,} samples x {adata.n_vars:,} genes: {target}")
    else:
        given = {"--labels": labels, "--label-column": label_column}
        chosen = (orientation, duplicates, impute, transform, select)
        defaults = chosen == ("auto", "refuse", "none", "auto", None)
        _only_for_files([name for name, value in given.items() if value is not None], defaults)
        target = process_tcga(
            files[0],
            out or Path("latentome-tcga"),
            as_published=as_published,
            n_genes=5000 if genes is None else genes or None,
            tables=tables,
            features=features,
            replace=replace,
            reporter=listener(),
        )
        typer.echo(f"Tables: {target.parent}")
    typer.echo(f"Next: latentome run {shlex.quote(str(target))}")


def _only_for_files(given: list[str], defaults: bool) -> None:
    named = given if defaults else [*given, "--orientation, --duplicates, --impute, --transform or --select"]
    if named:
        raise InputError(
            f"{named[0]} is for expression files; the raw files of TCGA are processed as they were published.",
            where=", ".join(named),
            expected="--out, --genes, --as-published, --tables, --features or --replace",
            todo="leave it out, or name expression files",
        )


def _only_for_tcga(as_published: bool, features: Path | None) -> None:
    for option, given in (("--as-published", as_published), ("--features", features is not None)):
        if given:
            raise InputError(
                f"{option} is for the published processing of TCGA files.",
                where=option,
                expected="a folder of raw TCGA files, or tcga-pancan-2018",
                todo=f"leave {option} out, or name the folder",
            )
