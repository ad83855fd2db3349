"""The entry point: from what a command raises to an exit code and one clear message."""

from __future__ import annotations

import errno
import gc
import os
import select
import shlex
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

from latentome._later import load_later
from latentome.errors import BEGUN, LatentomeError

#: What the system may refuse for reasons that are no defect of ours, and what was expected of it.
OF_THE_SYSTEM = {
    errno.EACCES: "the right to read it, and to write where something is written",
    errno.EPERM: "the right to read it, and to write where something is written",
    errno.EROFS: "a disk that can be written",
    errno.ENAMETOOLONG: "a name of at most 255 bytes, some 200 of a file that is written",
    errno.ELOOP: "a path without links that lead back to themselves",
    errno.ENOSPC: "room on the disk",
    errno.EDQUOT: "room in your share of the disk",
}

#: How the end of a command is told: its exit code, what it says, and the parts of that.
Tell = Callable[..., None]
#: New objects after which a command looks for garbage.
COLLECT_AFTER = 50_000


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 a defect of ours, 2 wrong input or option, 130 interrupted, 141 where nobody reads the output.
    """
    # The libraries make very many objects that stay. To look for garbage among them again and again while they are
    # imported, and once more at the end, is time for nothing.
    gc.set_threshold(COLLECT_AFTER)
    os.environ["MPLBACKEND"] = "agg"  # figures go into files; a notebook's own, say, may not be installed here
    load_later()
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    # Looked for before the options are parsed: what is wrong with them is told in the same way.
    if "--log-json" not in arguments:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            return _run(arguments, _print)
    from latentome.cli.log import logging_to

    with logging_to(sys.stderr, arguments) as log:
        return _run(arguments, log.fail)


def _print(code: int, message: str, **fields: str) -> None:
    lead = "\n" if code == 130 else ""
    print(f"{fields.get('traceback', '')}{lead}latentome: {message}", file=sys.stderr)


def _warn(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Tell what a library warns of without the place in its code."""
    print(f"  {category.__name__}: {message}", file=sys.stderr)


def _run(arguments: list[str], tell: Tell) -> int:
    BEGUN.set(False)
    try:
        return _invoke(arguments, tell)
    except KeyboardInterrupt as error:
        tell(130, _interrupted(arguments, error))
        return 130


def _invoke(arguments: list[str], tell: Tell) -> int:
    import typer

    from latentome.cli.app import app

    # Wrong usage has a public name in click, but some versions of typer carry a click of their own: ask typer for its
    # class.
    usage_error = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

    try:
        # Not app(...), which makes a bare exit code of an interruption and swallows what it said.
        command = typer.main.get_command(app)
        with command.make_context("latentome", list(arguments)) as context:
            command.invoke(context)
        return 0
    except typer.Exit as finished:
        return finished.exit_code
    except LatentomeError as error:
        return _refusal(error, tell)
    except usage_error as error:
        if tell is _print:
            error.show()
        else:
            tell(error.exit_code, error.format_message())
        return error.exit_code
    except typer.Abort as error:
        raise KeyboardInterrupt(str(error)) from error
    except BrokenPipeError as error:
        if not _nobody_reads():
            return _defect(error, tell)
        # `latentome ... | head`: what is left in the buffer has nowhere to go, and Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001  the outermost frame: what arrives here is a defect, and is shown whole
        if isinstance(error, OSError) and error.errno in OF_THE_SYSTEM:
            return _refusal(_of_the_system(error), tell)
        known = _no_memory(error) if _is_out_of_memory(error) else _no_platform()
        return _defect(error, tell) if known is None else _refusal(known, tell)


def _of_the_system(error: OSError) -> LatentomeError:
    """What the system refuses where nothing above has put it into words of its own."""
    named = error.filename if error.filename is not None else "standard output, or a file that the system does not name"
    return LatentomeError(
        f"The system refuses: {os.strerror(error.errno)}.",
        where=str(named),
        expected=OF_THE_SYSTEM[error.errno],
        todo="see to that, and repeat the command; or give another path",
    )


def _refusal(error: LatentomeError, tell: Tell) -> int:
    parts = {"what": error.what, "where": error.where, "expected": error.expected, "todo": error.todo}
    tell(2, str(error), kind=type(error).__name__, **parts)
    return 2


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory is short: the machine's, or that of its GPU, as the compiler's library tells it."""
    of_compiler = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
    return isinstance(error, MemoryError) or (of_compiler and str(error).startswith("RESOURCE_EXHAUSTED"))


def _no_memory(error: Exception) -> LatentomeError:
    return LatentomeError(
        "There is too little memory.",
        where=(str(error) or "no more is told").splitlines()[0],
        expected="as much free memory, of the machine or of its GPU, as this needs",
        todo="take fewer genes (--genes) or --members, or train from disk (latentome train --on-disk); "
        "where others use the GPU, compute on the processor (JAX_PLATFORMS=cpu in the environment)",
    )


def _no_platform() -> LatentomeError | None:
    """What to say where JAX was told to compute on something that is not there: it fails wherever it is first used."""
    asked = os.environ.get("JAX_PLATFORMS")
    if not asked or "jax" not in sys.modules:
        return None
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        return LatentomeError(
            f"JAX finds no '{asked}' to compute on.",
            where=f"JAX_PLATFORMS={asked} in the environment: {(str(error) or 'no more is told').splitlines()[0]}",
            expected="a platform that this machine and this installation have (a GPU needs the extra 'gpu'), or none",
            todo="unset JAX_PLATFORMS, or set it to cpu",
        )
    return None


def _defect(error: Exception, tell: Tell) -> int:
    message = "this is a defect of latentome; please report it with the lines above."
    tell(1, message, traceback="".join(traceback.format_exception(error)) + "\n")
    return 1


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose reader has gone."""
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    return any(events & select.POLLERR for _, events in watch.poll(0))


def _interrupted(arguments: list[str], error: BaseException) -> str:
    text = str(error) or "interrupted"
    if not arguments or arguments[0] not in ("run", "train", "sweep"):
        return text
    if not BEGUN.get() and "--resume" not in arguments:  # with it what --replace is for would stay
        text = str(error) or "interrupted before anything was written"
        return f"{text}\n  to begin again: {shlex.join(['latentome', *arguments])}"
    kept = [a for a in arguments if a not in ("--resume", "--replace")]
    at = kept.index("--") if "--" in kept else len(kept)  # what follows that is no option
    command = shlex.join(["latentome", *kept[:at], "--resume", *kept[at:]])
    return f"{text}\n  to go on: {command}"
