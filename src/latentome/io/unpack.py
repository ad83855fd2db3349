"""The bytes of a file, unpacked, in blocks and lines whose size is bounded whatever the file holds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from latentome.errors import InputError, extra

PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
#: How much is unpacked at a time. The parser takes about five times as much.
BLOCK_BYTES = 16 * 2**20
#: No row of a table is longer: 10 million values of 20 characters.
MAX_LINE = 200 * 2**20
#: Text of numbers shrinks to a tenth or so, a table of zeros to a hundredth. Beyond this it is an attack or a defect.
MAX_RATIO = 500
#: Below so many bytes a large ratio does no harm.
HARMLESS = 256 * 2**20
_MAGIC = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
#: What a broken archive raises, by library.
UNPACK_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)
_OPENERS: dict[str | None, Any] = {
    "gzip": gzip.open,
    "bzip2": bz2.open,
    "xz": lzma.open,
    None: open,
}

#: Is told how many bytes of a file, as it lies on the disk, are read, of how many.
Progress = Callable[[int, int], None]


def packing(path: Path) -> str | None:
    """Tell how a file is packed from its first bytes; names lie more often than content does."""
    with path.open("rb") as stream:
        start = stream.read(6)
    return next((word for magic, word in _MAGIC if start.startswith(magic)), None)


def open_unpacked(path: Path) -> IO[bytes]:
    """Open a file for reading the bytes inside, packed or not."""
    word = packing(path)
    return _open_zstd(path) if word == "zstd" else _OPENERS[word](path, "rb")


def blocks(path: Path, progress: Progress | None = None) -> Iterator[bytes]:
    """Go through the bytes of a text file, unpacked, in blocks that end where a line ends.

    Unpacking runs in a thread of its own, so that it costs no time beside the parsing. A UTF-8 byte order mark is left
    out, and Windows line ends become line feeds. `progress` is told after each block that was made use of.

    Raises
    ------
    InputError
        While iterating: if the file is cut off or damaged, if a line has no end within `MAX_LINE` bytes, or if the
        content is `MAX_RATIO` times larger than the file.
    """
    pending, number, first, size = bytearray(), 0, True, path.stat().st_size
    with closing(_ahead(_raw(path))) as source:
        for block, position in source:
            if isinstance(block, Exception):
                raise damaged(path, block, number) from block
            if first:
                block, first = block.removeprefix(b"\xef\xbb\xbf"), False
            end = block.rfind(b"\n") + 1
            if not end:
                pending += block
                if len(pending) > MAX_LINE:
                    raise _endless(path, number + 1)
                continue
            whole = bytes(pending) + block[:end]
            pending = bytearray(block[end:])
            yield _unix(whole)
            number += whole.count(b"\n")
            if progress and position:
                progress(position, size)
    if pending.rstrip(b"\r"):
        yield _unix(bytes(pending)) + b"\n"


def lines(path: Path) -> Iterator[str]:
    """Go through the lines of a text file, packed or not, as `blocks` does; what is not UTF-8 is refused."""
    number = 0
    with closing(blocks(path)) as source:
        for block in source:
            for line in block[:-1].split(b"\n"):
                number += 1
                try:
                    yield line.decode() + "\n"
                except UnicodeDecodeError as failure:
                    raise not_utf8(path, number, line[failure.start]) from failure


def damaged(path: Path, failure: Exception, line: int = 0) -> InputError:
    """Say that a file is cut off, damaged or forbidden; `line` is the last whole one, if it is known."""
    if isinstance(failure, InputError):
        return failure
    if isinstance(failure, PermissionError):
        return InputError(
            f"{path.name} may not be read",
            where=str(path),
            expected="a file that you have the right to read",
            todo=f"Give yourself the right (chmod u+r {path.name}) or ask its owner.",
        )
    cut = isinstance(failure, EOFError) or "runcated" in str(failure)
    return InputError(
        f"{path.name} is {'cut off' if cut else 'damaged'}: {failure}",
        where=f"{path}, after line {line}" if line else str(path),
        expected="a complete file",
        todo="Fetch it again and compare its size or checksum with its source; the transfer probably broke off.",
    )


def not_utf8(path: Path, line: int, byte: int) -> InputError:
    """Say in which line a byte is that UTF-8 does not have."""
    return InputError(
        f"{path.name} is not UTF-8 text: byte 0x{byte:02x} cannot be decoded",
        where=f"{path}, line {line}",
        expected="text in the encoding UTF-8",
        todo=f"Convert it, for instance from Latin-1: iconv -f LATIN1 -t UTF-8 {path.name} > converted.tsv",
    )


def _unix(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def _raw(path: Path) -> Generator[tuple[bytes | Exception, int], None, None]:
    """The unpacked bytes, and where in the file they end (0: not known).

    What goes wrong is handed on as the last item, since it happens in another thread.
    """
    size, total, pieces, waiting = path.stat().st_size, 0, [], 0
    try:
        with path.open("rb") as packed, _inside(path, packed) as stream:
            # In small pieces: what was unpacked before the defect is wanted too.
            while piece := stream.read1(BLOCK_BYTES):
                pieces.append(piece)
                waiting += len(piece)
                if waiting >= BLOCK_BYTES:
                    total += waiting
                    yield b"".join(pieces), packed.tell()
                    pieces, waiting = [], 0
                if total > HARMLESS and total > MAX_RATIO * size:
                    yield _bomb(path, size, total), 0
                    return
        yield b"".join(pieces), size
    except (*UNPACK_ERRORS, InputError) as failure:
        yield b"".join(pieces), 0
        yield failure, 0


def _inside(path: Path, packed: IO[bytes]) -> AbstractContextManager[Any]:
    """The bytes inside an open file, whose position then tells how far they are read."""
    word = packing(path)
    if word is None:
        return nullcontext(packed)
    return _open_zstd(path) if word == "zstd" else _OPENERS[word](packed, "rb")


def _ahead(source: Generator[Any, None, None]) -> Iterator[Any]:
    """Let another thread be an item ahead; whatever goes wrong there is raised here."""
    end = object()
    with closing(source), ThreadPoolExecutor(1, "unpack") as reader:
        coming = reader.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = reader.submit(next, source, end)
            yield item


@contextmanager
def _open_zstd(path: Path) -> Iterator[Any]:
    missing = f"{path.name} is packed with zstd, which needs pyarrow"
    with extra("arrow", missing, where=str(path), instead=f", or unpack the file first: unzstd {path.name}"):
        import pyarrow
    with pyarrow.input_stream(str(path), compression="zstd") as stream:
        yield stream


def _endless(path: Path, line: int) -> InputError:
    return InputError(
        f"{path.name} has a line without an end: more than {MAX_LINE:,} bytes",
        where=f"{path}, line {line}",
        expected="one row of a table in each line",
        todo="Check that it is the right file, and that it was exported with line ends.",
    )


def _bomb(path: Path, size: int, total: int) -> InputError:
    return InputError(
        f"{path.name} unpacks to more than {MAX_RATIO} times its size",
        where=f"{path}: {size:,} bytes packed, {total:,} unpacked so far",
        expected="a packed table, which unpacks to some ten times its size",
        todo="Check where it is from. If it is a table of zeros indeed, unpack it yourself and give the unpacked file.",
    )
