"""The command line: one short file per command, which parses, calls and prints."""

from latentome.cli.main import main

__all__ = ["main"]
