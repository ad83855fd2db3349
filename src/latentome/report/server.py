"""Serves the report of a run on this machine, with every gene and feature, also those that the file leaves out."""

from __future__ import annotations

import os
import secrets
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from latentome.errors import InputError
from latentome.io import RunFolder
from latentome.report.explorer import Columns, remote_columns
from latentome.report.page import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


class ExplorerServer(ThreadingHTTPServer):
    """A server of one page, for who knows its token.

    Parameters
    ----------
    path
        The run folder, as for `latentome.report.write`.
    x
        Samples x genes, as the model reads them.
    genes
        Names of the genes.
    host
        The address to listen on: by default only this machine can ask.
    port
        The port; 0 takes a free one.

    Raises
    ------
    InputError
        If the port cannot be used.
    """

    daemon_threads = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        x: np.ndarray,
        genes: Sequence[str],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        run = RunFolder.open(path)
        self.columns = remote_columns(run, x, genes)
        self.page = render(run, [(kind, name) for kind, name, _ in self.columns]).encode()
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as failure:
            raise InputError(
                f"The report cannot be served on {host}, port {port}.",
                where=f"--host {host} --port {port}: {failure}",
                expected="an address of this machine and a port that is free",
                todo="leave --port out to take any free one",
            ) from failure

    @property
    def address(self) -> str:
        """What to open in a browser; whoever has it can see the page."""
        host, port = self.server_address[:2]
        return f"http://{host}:{port}/{self.token}/"

    def column(self, number: int) -> bytes:
        """One column: its lowest and highest value as float64, then the steps of the samples as uint16."""
        kind, name, values = self.columns[number]
        column = Columns()
        column.add(kind, name, values)
        described = column.kinds[0]
        return struct.pack("<dd", described["low"], described["high"]) + column.values[0].astype("<u2").tobytes()


class _Handler(BaseHTTPRequestHandler):
    server: ExplorerServer

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        # A page elsewhere that has this machine's address under a name of its own knows no token, and is told nothing.
        if not self._is_asked_by_address() or not secrets.compare_digest(parts[0].encode(), self.server.token.encode()):
            self._answer(404, b"Not found. Open the address that 'latentome explore' has printed.", "text/plain")
        elif parts[1:] == []:
            self._answer(200, self.server.page, "text/html; charset=utf-8")
        elif len(parts) == 3 and parts[1] == "column" and parts[2].isdecimal() and self._has(int(parts[2])):
            self._answer(200, self.server.column(int(parts[2])), "application/octet-stream")
        else:
            self._answer(404, b"Not found.", "text/plain")

    def _has(self, number: int) -> bool:
        return number < len(self.server.columns)

    def _is_asked_by_address(self) -> bool:
        host, port = self.server.server_address[:2]
        named = self.headers.get("Host", "")
        # Who lets others ask (0.0.0.0) cannot know under which names they do; the token is then the only lock.
        return host not in ("127.0.0.1", "::1") or named in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}")

    def _answer(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""
