"""One file over HTTP: resumed where it was cut, repeated with growing pauses, and never taken for what it is not."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from latentome._version import __version__
from latentome.io import check_room, guard_writing, write_json

if TYPE_CHECKING:
    import requests

#: Answers that a server gives while it is busy.
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_BLOCK = 2**18
#: A transfer below this rate, in bytes a second over the whole of the timeout, has stalled.
_SLOWEST = 64
_LONGEST_PAUSE = 60.0
#: And the longest one that a server may ask for.
_LONGEST_ASKED = 600.0
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Patience(NamedTuple):
    """How long a server is waited for.

    After `timeout` seconds without an answer, or with next to nothing coming, a transfer has stalled; so many
    `attempts` in a row may get no further; `wait` seconds pass before the second one, and twice as many before each
    further one.
    """

    timeout: float = 30.0
    attempts: int = 4
    wait: float = 1.0


class Refused(Exception):
    """The address does not give the file, however often it is asked."""


class _Failed(Exception):
    """An attempt failed; the next one may not."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Transfer:
    """What pooch calls to fetch a file, of so many bytes where that is known; it has no resumption of its own.

    What is there at `part`, where the file grows, is gone on with if the server says that it still has that very file;
    or from any address, if the hash of the whole is known (`checked`). `progress` is told the bytes that are there and
    those of the whole file, or None.
    """

    def __init__(
        self,
        part: Path,
        *,
        checked: bool = False,
        size: int | None = None,
        patience: Patience | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> None:
        self.part, self.checked, self.size = part, checked, size
        self.patience = patience or Patience()
        self.progress = progress or (lambda done, total: None)
        self.resumed = False
        self._about = part.with_name(part.name + ".json")

    def __call__(self, url: str, output_file: str, pooch: Any = None, check_only: bool = False) -> None:
        """Fetch `url` into `output_file`; `Refused` if it does not give the file, or does not answer in time."""
        furthest, failures = self._there(), 0
        while True:
            try:
                self._attempt(url)
                break
            except _Failed as failure:
                reached = self._there()
                failures = 1 if reached > furthest else failures + 1
                furthest = max(furthest, reached)
                if failures >= self.patience.attempts:
                    raise Refused(f"{failure} ({failures} attempts)") from failure
                pause = min(self.patience.wait * 2 ** (failures - 1), _LONGEST_PAUSE)
                time.sleep(max(pause, min(failure.pause, _LONGEST_ASKED)))
        with guard_writing(output_file):
            os.replace(self.part, output_file)
        self._about.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove what has come so far."""
        for file in (self.part, self._about):
            file.unlink(missing_ok=True)

    def _there(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self, url: str) -> None:
        import requests

        start = self._there()
        headers = {"User-Agent": f"latentome/{__version__}", "Accept-Encoding": "identity"}
        if start:
            condition = self._may_resume(url)
            if condition is None:
                self.forget()
                start = 0
            else:
                headers |= {"Range": f"bytes={start}-", **condition}
        try:
            # Proxies and certificates: as the environment says, which is what requests looks at.
            response = requests.get(url, headers=headers, stream=True, timeout=self.patience.timeout)
        except (requests.exceptions.SSLError, requests.exceptions.TooManyRedirects, ValueError) as failure:
            raise Refused(_reason(failure)) from failure
        except requests.exceptions.RequestException as failure:
            raise _Failed(_reason(failure)) from failure
        with response:
            self._take(url, response, start)

    def _may_resume(self, url: str) -> Mapping[str, str] | None:
        """The condition under which the rest of the file fits what is there; None if there is none."""
        about = self._noted()
        if about.get("url") == url and about.get("validator"):
            return {"If-Range": about["validator"]}
        return {} if self.checked else None

    def _noted(self) -> dict[str, Any]:
        """What was noted of the part that is there."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(self._about.read_text(encoding="utf-8")))
        return {}

    def _take(self, url: str, response: requests.Response, start: int) -> None:
        start, total = self._agree(response, start)
        if start:  # some servers go on with another version, whatever the condition
            noted = self._noted()
            validator = noted.get("validator") if noted.get("url") == url and not self.checked else None
            if _differ(total, noted.get("total")) or _differ(_like(validator, response), validator):
                self.forget()
                raise _Failed("it has another version of the file now")
            total = total or noted.get("total")
            if total == start:
                return
        if self.size is not None and total is not None and total != self.size:
            raise Refused(f"it offers {total:,} bytes, and the file has {self.size:,}")
        page = "html" in response.headers.get("Content-Type", "") and not self.part.name.endswith(
            (".html.part", ".htm.part")
        )
        with guard_writing(self.part):
            write_json(self._about, {"url": url, "validator": _validator(response), "total": total})
        if total is not None:
            check_room(self.part, total - start)
        done = start
        with self._open(start) as stream:
            for block in _blocks(response, self.patience.timeout):
                if done == 0:
                    _check_start(block, page)
                with guard_writing(self.part):
                    stream.write(block)
                    stream.flush()
                done += len(block)
                self.progress(done, total)
                if done > (total or self.size or done):
                    self.forget()
                    raise Refused(f"it sends more than the {total or self.size:,} bytes of the file")
        if not done:
            self.forget()
            raise Refused("it sent an empty file")
        if total is not None and done != total:
            raise _Failed(f"it was cut after {done:,} of {total:,} bytes")
        if self.size is not None and done != self.size:
            self.forget()
            raise Refused(f"it sent {done:,} bytes, and the file has {self.size:,}")

    def _open(self, start: int):
        with guard_writing(self.part):
            return self.part.open("ab" if start else "wb")

    def _agree(self, response: requests.Response, start: int) -> tuple[int, int | None]:
        """Where the answer begins in the file, and how long the file is."""
        status, headers = response.status_code, response.headers
        if status in _BUSY:
            after = headers.get("Retry-After", "")
            raise _Failed(f"it answered {status} {response.reason}", _seconds(after))
        if status == 416 or (status == 206 and not start):
            match = _RANGE.fullmatch(headers.get("Content-Range", ""))
            if status == 416 and match and match[2] == str(start):
                self.resumed = True
                return start, start
            self.forget()
            raise _Failed(f"it answered {status} {response.reason}")
        if status == 206:
            match = _RANGE.fullmatch(headers.get("Content-Range", ""))
            if match is None or match[1] != str(start):
                self.forget()
                raise _Failed("it went on at another place than was asked for")
            self.resumed = True
            return start, None if match[2] == "*" else int(match[2])
        if status != 200:
            raise Refused(f"it answered {status} {response.reason}")
        length = headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None


def _blocks(response: requests.Response, timeout: float) -> Iterator[bytes]:
    """What the server sends, as it comes, byte for byte."""
    import urllib3

    since, came = time.monotonic(), 0
    while True:
        try:
            # read1 gives what is there; iter_content would wait for a whole block from a server that trickles.
            block = response.raw.read1(_BLOCK, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as failure:
            raise _Failed(_reason(failure)) from failure
        if not block:
            return
        yield block
        came += len(block)
        if time.monotonic() - since > timeout:
            if came < _SLOWEST * timeout:
                raise _Failed(f"it stalled: {came} bytes in {timeout:g} s")
            since, came = time.monotonic(), 0


def _validator(response: requests.Response) -> str:
    """What tells this version of the file from others: a strong ETag, or the date of the last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _like(validator: str | None, response: requests.Response) -> str:
    """What the answer says of its version, of the kind that was noted: a strong ETag, or a date."""
    if validator and not validator.startswith('"'):
        return response.headers.get("Last-Modified", "")
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else ""


def _differ(a: Any, b: Any) -> bool:
    """Whether both are known, and are not the same."""
    return bool(a) and bool(b) and a != b


def _seconds(after: str) -> float:
    """How long a server asks to wait: a number of seconds, or a date."""
    if after.isdigit():
        return float(after)
    with contextlib.suppress(ValueError, TypeError):
        return max(parsedate_to_datetime(after).timestamp() - time.time(), 0.0)
    return 0.0


def _check_start(block: bytes, page: bool) -> None:
    """Refuse what is no data by its first bytes; `page` says that the server calls it a web page."""
    if block.startswith(b"version https://git-lfs.github.com/spec"):
        raise Refused("it sent a git-lfs pointer instead of the file")
    start = block.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<!--")) or (page and start.startswith(b"<")):
        raise Refused("it sent a web page instead of the file; a login or an error, perhaps")


def _reason(failure: Exception) -> str:
    """The inmost reason, without the addresses of objects that libraries put around it."""
    import requests
    import urllib3

    if isinstance(failure, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return "it did not answer in time"
    text = str(failure).rpartition("Caused by ")[2] or type(failure).__name__
    return re.sub(r"<[^>]*object at 0x[0-9a-f]+>:? ?", "", text).strip().rstrip(")")[:300]
