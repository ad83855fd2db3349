"""A web server on the loopback address that does what servers do wrong."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Request(BaseHTTPRequestHandler):
    """One request; what answers it is looked up by its path."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Range")))
        self.close_connection = True
        self.server.routes[self.path](self)

    def head(self, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def whole(self, content: bytes, **headers: object) -> None:
        self.head(200, Content_Length=len(content), **headers)
        self.wfile.write(content)

    def ranged(self, content: bytes, most: int | None = None, **headers: object) -> None:
        """Answer as a server that knows ranges; at most so many bytes of what was promised."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        known = {headers.get("ETag"), headers.get("Last_Modified"), None}
        if match is None or self.headers.get("If-Range") not in known:
            self.head(200, Content_Length=len(content), **headers)
            rest = content
        elif int(match[1]) >= len(content):
            self.head(416, Content_Range=f"bytes */{len(content)}", Content_Length=0, **headers)
            return
        else:
            start = int(match[1])
            rest = content[start:]
            place = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.head(206, Content_Range=place, Content_Length=len(rest), **headers)
        self.wfile.write(rest[:most])

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """The server: ``routes`` by path, and ``seen``, the path and the range of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.routes: dict[str, Callable[[Request], None]] = {}
        self.seen: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error here."""


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def stalls(content: bytes, after: int) -> Callable[[Request], None]:
    """Send so many bytes, then nothing for longer than anybody waits."""

    def answer(request: Request) -> None:
        request.head(200, Content_Length=len(content))
        request.wfile.write(content[:after])
        request.wfile.flush()
        time.sleep(0.6)

    return answer


def trickles(content: bytes) -> Callable[[Request], None]:
    """Send one byte after the other, each in time, and the whole never."""

    def answer(request: Request) -> None:
        request.head(200, Content_Length=len(content))
        for i in range(30):
            request.wfile.write(content[i : i + 1])
            request.wfile.flush()
            time.sleep(0.03)

    return answer
