"""What a command tells programs (--log-json) and people (a line that lives while a step runs)."""

import io
import json
import os
import select
import subprocess
import sys
import warnings

import pytest

from latentome.cli.app import app
from latentome.cli.log import JsonLog, logging_to
from latentome.cli.show import Terminal
from latentome.errors import BEGUN, InputError


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_every_command_that_takes_time_has_the_option():
    import typer

    commands = typer.main.get_command(app).commands
    without = {name for name, command in commands.items() if all("--log-json" not in p.opts for p in command.params)}
    assert without == {"datasets"}


def test_a_refusal_is_told_with_its_parts(latentome, tmp_path):
    code, printed, told = latentome("predict", tmp_path / "nowhere", "--log-json")
    assert (code, printed) == (2, "")
    start, error = events(told)
    assert (start["event"], start["command"], start["step"]) == ("start", "predict", None)
    assert (error["event"], error["level"], error["exit_code"]) == ("error", "error", 2)
    assert error["kind"] == "RunFolderError"
    assert all(error[part] and error[part] in error["message"] for part in ("what", "where", "expected", "todo"))
    assert error["time"].endswith("Z")


@pytest.mark.parametrize("arguments", [["predict", "--nothing"], ["predict"], ["fly"]])
def test_wrong_usage_is_told_too(latentome, arguments):
    code, _, told = latentome(*arguments, "--log-json")
    assert code == 2
    assert [event["event"] for event in events(told)] == ["start", "error"]


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (KeyboardInterrupt("stopped after epoch 3"), 130, "to go on: latentome train blobs --log-json --resume"),
        (RuntimeError("out of cheese"), 1, "defect"),
        (InputError("No cheese.", where="here", expected="cheese", todo="buy some"), 2, "buy some"),
    ],
)
def test_whatever_a_command_does_each_line_is_an_object(monkeypatch, latentome, raised, code, words):
    def train_step(config, path, reporter, **_):
        BEGUN.set(True)
        with reporter.step("train", "epochs"):
            reporter.progress(1, 4, {"loss": float("nan"), "kl": 0.5})
            reporter.progress(2, 4, {"loss": 1.0})  # less than a second later
            reporter.say("said")
            print("written by a library\nin two lines", file=sys.stderr)
            warnings.warn("take care", UserWarning, stacklevel=1)
            raise raised

    monkeypatch.setattr("latentome.workflow.train_step", train_step)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert latentome("train", "blobs", "--log-json")[0] == code
        told = events(latentome("train", "blobs", "--log-json")[2])
        plain = latentome("train", "blobs")[2]
    assert "\n  UserWarning: take care\n" in plain, "a warning is told without its place in the code"
    assert [event["event"] for event in told] == [
        *("start", "start", "progress", "note", "note", "note", "warning", "error")
    ]
    assert {event["step"] for event in told[1:]} == {"train"}
    progress = told[2]
    assert (progress["done"], progress["total"], progress["unit"]) == (1, 4, "epochs")
    assert progress["values"] == {"loss": None, "kl": 0.5}
    assert 0 <= progress["seconds_left"] < 60
    assert told[6]["message"] == "take care"
    assert told[-1]["exit_code"] == code
    assert words in told[-1]["message"]
    assert ("out of cheese" in told[-1].get("traceback", "")) == (code == 1)


def test_steps_begin_and_end_and_files_are_told_once_a_second():
    stream = io.StringIO()
    with logging_to(stream, ["download", "x"]) as log, log.step("fetch x"):
        for done in range(100):
            log.transfer("a.gz", done, 100)
        log.transfer("a.gz", 100, 100)
    told = events(stream.getvalue())
    assert [(event["event"], event["step"]) for event in told] == [
        *(("start", None), ("start", "fetch x"), ("progress", "fetch x"), ("progress", "fetch x")),
        *(("done", "fetch x"), ("done", None)),
    ]
    assert [event.get("done") for event in told[2:4]] == [0, 100]
    assert log.timings.keys() == {"fetch x"}


def test_what_no_python_writes_becomes_an_event_too():
    """Compiled libraries and child processes write to the process's own standard error."""
    program = """
import os, subprocess, sys
from latentome.cli.log import logging_to
with logging_to(sys.stderr, ["run"]) as log:
    os.write(2, b"raw\\n")
    subprocess.run("echo of a child >&2", shell=True, check=True)
print("after", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *lines, last = done.stderr.splitlines()
    assert last == "after"
    told = [json.loads(line) for line in lines]
    assert {"raw", "of a child"} <= {event.get("message") for event in told}
    assert (told[0]["event"], done.stdout) == ("start", "")


@pytest.fixture
def screen(monkeypatch):
    """A terminal, and what has been written there since it was asked last."""
    pty = pytest.importorskip("pty")
    reading, writing = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with os.fdopen(writing, "w") as stream:

        def read():
            stream.flush()
            text = b""
            while select.select([reading], [], [], 0.05)[0]:  # a terminal hands over a few thousand bytes at a time
                text += os.read(reading, 4096)
            return text.decode()

        yield stream, read
    os.close(reading)


def test_a_terminal_shows_the_step_and_then_the_time_left(screen, monkeypatch):
    stream, screen = screen
    monkeypatch.setattr(sys, "stderr", stream)
    terminal = Terminal()
    with terminal.step("train", "epochs"):
        terminal.lines._shown.refresh()
        assert "train" in screen()
        terminal.progress(1, 10, {"loss": 0.25})
        terminal.progress(3, 10, {"loss": 0.125})
        terminal.lines._shown.refresh()
        shown = screen()
        assert "3 of 10 epochs" in shown
        assert "left" in shown
        assert "loss 0.125" in shown
        with terminal.step("inside", "files"):
            terminal.transfer("a.gz", 3_000_000, 9_000_000)
            terminal.lines._shown.refresh()
            assert "3.0 MB of 9.0 MB" in screen()
        terminal.lines._shown.refresh()
        assert "a.gz" not in screen().rsplit("\x1b[2K", 1)[-1]  # what is drawn last
    stays = screen().rsplit("\x1b[2K", 1)[-1]  # before it the bar may have been drawn once more
    assert stays.rstrip().endswith("s")
    assert stays.count("train ") == 1
    assert terminal.lines._shown is None


def test_elsewhere_only_what_is_done_is_written(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    terminal = Terminal()
    with terminal.step("train", "epochs"):
        terminal.progress(3, 10, {"loss": 0.125})
        terminal.transfer("a.gz", 1, 2)
    assert sys.stderr.getvalue().split() == ["train", "0.0", "s"]


def test_parts_are_counted():
    stream = io.StringIO()
    log = JsonLog(stream, "visualize")
    with log.step("figures", "files"):
        assert list(log.each(["a", "b"])) == ["a", "b"]
    done = [event["done"] for event in events(stream.getvalue()) if event["event"] == "progress"]
    assert done == [0, 2]
