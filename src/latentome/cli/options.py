"""The options that several commands share, and how they become a request."""

from __future__ import annotations

import csv
import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from latentome.errors import InputError

if TYPE_CHECKING:
    from latentome.workflow import RunConfig

Data = Annotated[str, typer.Argument(help="An expression file, or the name of a data set (see 'latentome datasets').")]
Run = Annotated[Path, typer.Argument(help="The folder of a run.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="The folder to write.")]
Labels = Annotated[Path | None, typer.Option(help="A table of labels, samples or patients in rows.")]
LabelColumn = Annotated[str | None, typer.Option(help="The column of labels to colour by and compare with.")]
Orientation = Annotated[str, typer.Option(help="auto, samples-by-genes or genes-by-samples.")]
Duplicates = Annotated[str, typer.Option(help="Genes of the same name: refuse, drop, most-variable or sum.")]
Impute = Annotated[str, typer.Option(help="Missing values: none (refuse them) or mean (fill a few).")]
Transform = Annotated[str, typer.Option(help="auto (told from the values), log2p1, log2cpm (of counts) or none.")]
Seed = Annotated[int, typer.Option(min=0, help="The seed of everything random.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the run that is in the folder.")]
Epochs = Annotated[
    int | None,
    typer.Option("-e", "--epochs", min=1, max=2**31 - 1, help="Passes over the data, at most (default: the model's)."),
]
OnDisk = Annotated[
    bool | None,
    typer.Option(
        "--on-disk/--in-memory",
        help="train and predict: read an .h5ad file or Zarr in blocks (default: where it would fill a quarter of the "
        "free memory). run and sweep read all of it.",
    ),
]
LogJson = Annotated[
    bool, typer.Option("--log-json", help="Tell what happens as JSON, one object a line, on standard error.")
]


def option(kind: Any, told: str, *names: str, default: Any = None, **how: Any) -> tuple[Any, Any]:
    """An option, as typer reads it, and its default."""
    return Annotated[kind, typer.Option(*names, help=told, **how)], default


def _check_genes(value: str | None) -> str | None:
    if value is not None and value.lstrip("+-").isdecimal() and int(value) < 2:
        raise typer.BadParameter(f"{value} is not in the range x>=2.")
    return value


#: The options that ask for a training, with their defaults, in the order of the help.
_TRAINING: dict[str, tuple[Any, Any]] = {
    "model": option(
        str,
        "nonlinear-pca, vae, adage, deep, linear, or the name of a preset.",
        "-m",
        "--model",
        default="nonlinear-pca",
    ),
    "out": (Out, None),
    "preset": option(str | None, "A published model, such as tybalt-2018-as-described; the same as -m NAME."),
    "labels": (Labels, None),
    "label_column": (LabelColumn, None),
    "latent_dim": option(
        int | None, "Number of latent features (default: 20; a preset has its own).", "-z", "--latent-dim", min=1
    ),
    "epochs": (Epochs, None),
    "batch_size": option(int | None, "Samples of a step (default: the model's).", "-b", "--batch-size", min=1),
    "learning_rate": option(
        float | None, "Step size of the optimizer (default: the model's).", "-l", "--learning-rate"
    ),
    "optimizer": option(str | None, "sgd, adam, adamw, adadelta or rmsprop."),
    "momentum": option(float | None, "Momentum of sgd, such as 0.9."),
    "nesterov": option(bool, "Nesterov's momentum, with sgd.", "--nesterov", default=False),
    "schedule": option(str | None, "Learning rate over the training: constant or cosine."),
    "schedule_warmup": option(float | None, "Share of the training over which the learning rate rises, such as 0.05."),
    "clip_norm": option(float | None, "Largest norm of the gradient, such as 1."),
    "patience": option(int | None, "Stop after so many epochs without a better validation loss; keep the best epoch."),
    "refit": option(
        bool | None,
        "Train non-linear PCA anew on all training samples, for as many epochs as the validation samples chose. "
        "By default for at most 10,000 samples.",
        "--refit/--no-refit",
    ),
    "hidden": option(str | None, "Widths of the hidden layers, such as 300,100; 'none' for none."),
    "beta": option(float | None, "Largest weight of the VAE's KL term."),
    "warmup": option(str | None, "KL warm-up: a fraction of the training (0.5), or whole epochs (10)."),
    "likelihood": option(str | None, "Of the VAE: gaussian, bernoulli or mse."),
    "free_bits": option(float | None, "Nats of KL that each of the VAE's features has free, such as 0.1."),
    "noise": option(
        float | None, "Share of the inputs that ADAGE corrupts; of nonlinear-pca, noise in units of their deviation."
    ),
    "noise_kind": option(str | None, "Of ADAGE: masking, dropout (masking that rescales) or gaussian."),
    "tied": option(bool | None, "Whether ADAGE decodes with its encoder's weights.", "--tied/--untied"),
    "loss": option(str | None, "Of ADAGE: mse, or bernoulli for cross-entropy."),
    "dropout": option(float | None, "Share of hidden units that nonlinear-pca leaves out in a step."),
    "sparsity": option(float | None, "Weight of ADAGE's sparsity penalty."),
    "precision": option(str | None, "float32, or bfloat16: faster products on some GPUs."),
    "members": option(int | None, "Train so many models that differ in their seed, as one ensemble.", min=1),
    "duplicates": (Duplicates, "refuse"),
    "impute": (Impute, "none"),
    "transform": (Transform, "auto"),
    "genes": option(
        str | None,
        "Keep this many of the most variable genes, or those that a file lists (default: all).",
        callback=_check_genes,
    ),
    "select": option(
        str, "Measure of variability: mean-deviation, median-deviation or variance.", default="mean-deviation"
    ),
    "scaling": option(str | None, "zero-one, z-score, robust or none (default: what the model wants)."),
    "clip": option(bool, "Cut values beyond the training range of a gene to it.", "--clip", default=False),
    "orientation": (Orientation, "auto"),
    "on_disk": (OnDisk, None),
    "test_size": option(float, "Share of the samples held out for the evaluation.", default=0.2),
    "stratify": option(str | None, "Columns, with commas between, to hold out in their share (default: the labels)."),
    "group": option(str | None, "A column, such as patient, whose groups are not to be split."),
    "seed": (Seed, 0),
    "replace": (Replace, False),
    "resume": option(bool, "Go on with an interrupted run.", "--resume", default=False),
}
#: Options of a model whose name is another one in the estimator, and those that have the same.
_RENAMED = {"latent_dim": "n_components", "epochs": "max_epochs"}
_SAME = (
    *("batch_size", "learning_rate", "optimizer", "momentum", "nesterov", "schedule", "schedule_warmup", "clip_norm"),
    *("patience", "hidden", "beta", "warmup", "likelihood", "free_bits", "noise", "noise_kind", "tied", "loss"),
    *("refit", "dropout", "sparsity", "precision", "members"),
)
_PARAMETERS = {**_RENAMED, **{name: name for name in _SAME}}
_SETTINGS = (
    *("data", "label_column", "orientation", "duplicates", "impute", "transform", "select", "scaling", "clip"),
    *("on_disk", "test_size", "group", "seed"),
)


class Asked(NamedTuple):
    """What the options of a training ask for."""

    config: RunConfig
    out: str
    replace: bool
    resume: bool


def asks_for_training(
    data: Any, default: Any = inspect.Parameter.empty, more: Mapping[str, tuple[Any, Any]] | None = None
) -> Callable[[Callable[..., None]], Callable]:
    """Give a command the argument DATA and the options of a training; it is called with what they ask for.

    `data` and `default` are type and default of the argument; `more` has options of that command alone, which it is
    called with by name.
    """
    more = more or {}
    shared = {"data": (data, default), **_TRAINING, **more}

    def decorate(command: Callable[..., None]) -> Callable:
        @functools.wraps(command)
        def parsed(**arguments: Any) -> None:
            from latentome.workflow import default_folder

            config = request(arguments)
            out = str(arguments["out"] or default_folder(config) + ("-sweep" if "grid" in more else ""))
            own = {name: arguments[name] for name in more}
            command(Asked(config, out, arguments["replace"], arguments["resume"]), **own)

        kind = inspect.Parameter.KEYWORD_ONLY
        parsed.__signature__ = inspect.Signature(  # what typer reads
            [inspect.Parameter(name, kind, default=value, annotation=hint) for name, (hint, value) in shared.items()]
        )
        parsed.__annotations__ = {name: hint for name, (hint, _) in shared.items()}
        del parsed.__wrapped__  # whose own signature typer would read instead
        return parsed

    return decorate


def takes_log(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--log-json``, which `latentome.cli.main` has acted on; let it say that it starts."""

    @functools.wraps(command)
    def logged(*, log_json: bool, **arguments: Any) -> None:
        from latentome.cli.lines import load

        del log_json
        load()
        command(**arguments)

    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("log_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=LogJson)
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values()]
    logged.__signature__ = signature.replace(parameters=[*parameters, option])
    logged.__annotations__ = {p.name: p.annotation for p in (*parameters, option)}
    del logged.__wrapped__
    return logged


def request(arguments: dict[str, Any]) -> RunConfig:
    """The request that the arguments make; options of the model that were not given keep the defaults."""
    from latentome.workflow import RunConfig

    preset, model = arguments["preset"], arguments["model"]
    if preset is not None and model not in (preset, _TRAINING["model"][1]):
        raise InputError(
            "A preset is a model with its settings: two models are named.",
            where=f"--model {model} --preset {preset}",
            expected="one of them",
            todo="leave one out",
        )
    given = {
        **arguments,
        "hidden": _widths(arguments["hidden"]),
        "warmup": _warmup(arguments["warmup"]),
        "nesterov": arguments["nesterov"] or None,
    }
    return RunConfig(
        model=preset or model,
        labels=None if arguments["labels"] is None else str(arguments["labels"]),
        genes=_genes(arguments["genes"]),
        stratify=names(arguments["stratify"] or ""),
        parameters={name: given[option] for option, name in _PARAMETERS.items() if given[option] is not None},
        **{name: arguments[name] for name in _SETTINGS},
    )


def _genes(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.lstrip("+").isdecimal() else text


def _widths(text: str | None) -> list[int] | None:
    return [] if text is not None and text.lower() == "none" else whole_numbers("--hidden", text, ", or 'none'")


def names(text: str) -> list[str]:
    """The names of an option with commas between; one that has a comma itself stands in double quotes, as in CSV."""
    return [name for part in next(csv.reader([text], skipinitialspace=True), []) if (name := part.strip())]


def whole_numbers(option: str, text: str | None, besides: str = "") -> list[int] | None:
    """The numbers of an option such as ``300,100``; None where it was not given."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise _wrong(option, text, f"whole numbers with commas between, such as 300,100{besides}") from None


def sizes(text: str | None) -> list[int] | None:
    """The latent sizes of ``-k``, each once: twice it would count twice."""
    found = whole_numbers("-k", text)
    return found if found is None else list(dict.fromkeys(found))


def _warmup(text: str | None) -> float | int | None:
    if text is None:
        return None
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        raise _wrong("--warmup", text, "a fraction below 1, such as 0.5, or a whole number of epochs") from None


def _wrong(option: str, text: str, expected: str) -> InputError:
    return InputError(
        f"'{text}' is no value for this option.",
        where=f"{option} {text}",
        expected=expected,
        todo="correct the option",
    )
