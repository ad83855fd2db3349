"""Downloads from a server that cuts, stalls, redirects, lies and refuses."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import numpy as np
import pytest

from latentome.cli.main import run
from latentome.datasets import data_folder, download, downloadable, fetch, transfer
from latentome.datasets.remote import RemoteFile, RemoteSet, remote_sets
from latentome.errors import DownloadError, InputError
from latentome.io import lock_folder

_spec = importlib.util.spec_from_file_location("loopback_server", Path(__file__).with_name("server.py"))
loopback = importlib.util.module_from_spec(_spec)
sys.modules["loopback_server"] = loopback
_spec.loader.exec_module(loopback)

CONTENT = np.random.default_rng(0).bytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
#: Sub-second for the tests; the defaults are 30 s, 4 attempts, 1 s.
QUICK = {"timeout": 0.25, "attempts": 3, "wait": 0.01}


@pytest.fixture(scope="module")
def running():
    with loopback.serving() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    running.routes.clear()
    running.seen.clear()
    monkeypatch.delenv("LATENTOME_OFFLINE", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return running


@pytest.fixture
def data_set(server, monkeypatch):
    """Register one file as the data set ``test``."""

    def register(*paths: str, sha256=DIGEST, size=300_000, unpack=False, name="table.bin"):
        file = RemoteFile(name, tuple(server.url(path) for path in paths), sha256, size, unpack)
        sets = {"test": RemoteSet("a test", "the loopback", "none", (file,))}
        monkeypatch.setattr(fetch, "remote_sets", lambda: sets)

    return register


def once(server, path, first, then):
    """Answer the first request one way and all others another way."""
    answers = iter([first])
    server.routes[path] = lambda request: next(answers, then)(request)


def refused(tmp_path, **options) -> str:
    with pytest.raises(DownloadError) as caught:
        download("test", tmp_path, **QUICK, **options)
    assert not (tmp_path / "table.bin").exists()
    return str(caught.value)


def left(folder) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_fetched_once_and_progress_is_told(server, data_set, tmp_path):
    server.routes["/a"] = lambda r: r.whole(CONTENT)
    data_set("/a")
    told = []
    found = download("test", tmp_path, **QUICK, progress=lambda *state: told.append(state))
    assert found == {"table.bin": tmp_path / "table.bin"}
    assert found["table.bin"].read_bytes() == CONTENT
    assert told[-1] == ("table.bin", len(CONTENT), len(CONTENT))
    assert left(tmp_path) == ["checksums.json", "table.bin"]
    assert download("test", tmp_path, **QUICK) == found
    assert len(server.seen) == 1


@pytest.mark.parametrize("validator", [{"ETag": '"v1"'}, {"Last_Modified": "Mon, 01 Jan 2018 00:00:00 GMT"}, {}])
def test_a_cut_transfer_goes_on_where_it_stopped(server, data_set, tmp_path, validator):
    # Cut twice; without a validator the known hash vouches for the whole.
    server.routes["/a"] = lambda r: r.ranged(CONTENT, most=120_000, **validator)
    data_set("/a")
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    assert [wanted for _, wanted in server.seen] == [None, "bytes=120000-", "bytes=240000-"]


def test_a_transfer_that_failed_goes_on_in_a_later_call(server, data_set, tmp_path):
    once(server, "/a", lambda r: r.ranged(CONTENT, most=200_000, ETag='"v1"'), lambda r: r.head(503, Content_Length=0))
    data_set("/a")
    assert "503" in refused(tmp_path)
    assert (tmp_path / "table.bin.part").stat().st_size == 200_000
    server.seen.clear()
    server.routes["/a"] = lambda r: r.ranged(CONTENT, ETag='"v1"')
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    assert server.seen == [("/a", "bytes=200000-")]
    assert left(tmp_path) == ["checksums.json", "table.bin"]


def test_without_ranges_it_starts_again_and_an_unchecked_part_without_validator_is_not_gone_on_with(
    server, data_set, tmp_path
):
    def cut(request):
        request.head(200, Content_Length=len(CONTENT))
        request.wfile.write(CONTENT[:100_000])

    once(server, "/a", cut, lambda r: r.whole(CONTENT))
    data_set("/a", sha256=None, size=None)
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    assert [wanted for _, wanted in server.seen] == [None, None]
    server.seen.clear()
    once(server, "/b", cut, lambda r: r.whole(CONTENT))  # a known hash: asked for the rest, it sends the whole
    data_set("/b")
    assert download("test", tmp_path / "b", **QUICK)["table.bin"].read_bytes() == CONTENT
    assert [wanted for _, wanted in server.seen] == [None, "bytes=100000-"]


def test_a_file_that_changed_between_the_parts_is_fetched_anew(server, data_set, tmp_path):
    old = bytes(len(CONTENT))
    once(server, "/a", lambda r: r.ranged(old, most=100_000, ETag='"v1"'), lambda r: r.ranged(CONTENT, ETag='"v2"'))
    data_set("/a", sha256=None, size=None)
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    # A server that ignores If-Range mixes the versions: only the hash can tell, and a second try from the start mends.
    once(server, "/b", lambda r: r.ranged(old, most=100_000), lambda r: r.ranged(CONTENT))
    data_set("/b")
    assert download("test", tmp_path / "b", **QUICK)["table.bin"].read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(server, data_set, tmp_path):
    server.routes["/a"] = lambda r: r.ranged(CONTENT)
    data_set("/a")
    (tmp_path / "table.bin.part").write_bytes(CONTENT)
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    assert server.seen == [("/a", f"bytes={len(CONTENT)}-")]


def test_a_part_longer_than_the_file_is_thrown_away(server, data_set, tmp_path):
    server.routes["/a"] = lambda r: r.ranged(CONTENT)
    data_set("/a")
    (tmp_path / "table.bin.part").write_bytes(CONTENT + b"more")
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT


def test_a_range_from_another_place_is_not_believed(server, data_set, tmp_path):
    def lies(request):
        if request.headers.get("Range"):
            rest = CONTENT[50_000:]
            place = f"bytes 50000-{len(CONTENT) - 1}/{len(CONTENT)}"
            request.head(206, Content_Range=place, Content_Length=len(rest))
            request.wfile.write(rest)
        else:
            request.ranged(CONTENT, most=100_000 if len(server.seen) == 1 else None)

    server.routes["/a"] = lies
    data_set("/a")
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server, data_set, tmp_path):
    once(server, "/a", lambda r: r.head(503, Content_Length=0, Retry_After=0), lambda r: r.whole(CONTENT))
    data_set("/a")
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    server.routes["/b"] = lambda r: r.head(429, Content_Length=0)
    data_set("/b")
    assert "429 Too Many Requests (3 attempts)" in refused(tmp_path / "b")
    assert len(server.seen) == 2 + 3


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_server_that_refuses_is_not_asked_again_but_the_next_address_is(server, data_set, tmp_path, status):
    server.routes |= {"/a": lambda r: r.head(status, Content_Length=0), "/b": lambda r: r.whole(CONTENT)}
    data_set("/a")
    assert f"it answered {status}" in refused(tmp_path)
    assert len(server.seen) == 1
    data_set("/a", "/b")
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["stalls", "trickles"])
def test_a_slow_server_is_given_up_in_time(server, data_set, tmp_path, kind):
    slow = loopback.stalls(CONTENT, 0) if kind == "stalls" else loopback.trickles(CONTENT)
    server.routes |= {"/a": slow, "/b": lambda r: r.whole(CONTENT)}
    data_set("/a")
    with pytest.raises(DownloadError) as caught:
        download("test", tmp_path, timeout=0.2, attempts=1, wait=0.01)
    message = str(caught.value)
    assert ("did not answer in time" if kind == "stalls" else "it stalled: ") in message
    data_set("/a", "/b")
    found = download("test", tmp_path, timeout=0.2, attempts=1, wait=0.01)
    assert found["table.bin"].read_bytes() == CONTENT


def test_a_server_that_is_not_there_is_told(data_set, tmp_path, monkeypatch):
    sets = {"test": RemoteSet("", "", "", (RemoteFile("table.bin", ("http://127.0.0.1:9/x",), DIGEST),))}
    monkeypatch.setattr(fetch, "remote_sets", lambda: sets)
    message = refused(tmp_path)
    assert "Connection refused" in message
    assert "object at 0x" not in message
    assert "goes on where it stopped" in message


def test_redirects_are_followed_and_endless_ones_are_not(server, data_set, tmp_path):
    server.routes |= {
        "/a": lambda r: r.head(302, Location=server.url("/b"), Content_Length=0),
        "/b": lambda r: r.whole(CONTENT),
        "/c": lambda r: r.head(302, Location=server.url("/c"), Content_Length=0),
        "/d": lambda r: r.head(302, Location="ftp://127.0.0.1/x", Content_Length=0),
    }
    data_set("/a")
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    data_set("/c")
    assert "redirects" in refused(tmp_path / "c")
    data_set("/d")
    assert "ftp" in refused(tmp_path / "d")


def test_wrong_content_is_refused_with_both_hashes_and_not_kept(server, data_set, tmp_path):
    wrong = bytes(len(CONTENT))
    server.routes |= {"/a": lambda r: r.whole(wrong), "/b": lambda r: r.whole(CONTENT)}
    data_set("/a")
    message = refused(tmp_path)
    assert DIGEST in message
    assert hashlib.sha256(wrong).hexdigest() in message
    assert "altered" in message
    assert left(tmp_path) == []
    data_set("/a", "/b")
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT


def test_a_wrong_length_is_refused_before_anything_is_fetched(server, data_set, tmp_path):
    server.routes["/a"] = lambda r: r.whole(CONTENT + b"more")
    data_set("/a")
    assert "offers 300,004 bytes, and the file has 300,000" in refused(tmp_path)

    def unsaid(request):  # no length: the end of the connection is the end of the file
        request.head(200)
        request.wfile.write(CONTENT[:1000])

    server.routes["/b"] = unsaid
    data_set("/b")
    assert "sent 1,000 bytes, and the file has 300,000" in refused(tmp_path / "b")

    def endless(request):
        request.head(200)
        for _ in range(100):
            request.wfile.write(CONTENT)

    server.routes["/c"] = endless
    data_set("/c")
    assert "sends more than the 300,000 bytes" in refused(tmp_path / "c")
    assert left(tmp_path / "c") == []


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"<!DOCTYPE html><html>Please log in</html>", "text/html; charset=utf-8", "web page"),
        (b"\n<html>Not found</html>", "application/octet-stream", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "text/plain", "git-lfs pointer"),
    ],
)
def test_what_servers_send_instead_of_the_file(server, data_set, tmp_path, content, kind, said):
    server.routes["/a"] = lambda r: r.whole(content, Content_Type=kind)
    data_set("/a", sha256=None, size=None)
    assert said in refused(tmp_path)
    assert "checksums.json" not in left(tmp_path)


def test_without_a_published_hash_the_first_copy_is_trusted_and_no_other(server, data_set, tmp_path):
    server.routes["/a"] = lambda r: r.whole(CONTENT)
    data_set("/a", sha256=None, size=None)
    file = download("test", tmp_path, **QUICK)["table.bin"]
    kept = json.loads((tmp_path / "checksums.json").read_text())
    assert kept["table.bin"]["sha256"] == DIGEST
    file.write_bytes(b"altered here")  # an altered copy is fetched again
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    file.unlink()
    server.routes["/a"] = lambda r: r.whole(CONTENT[::-1])
    message = refused(tmp_path)
    assert "changed at its source" in message
    assert "checksums.json" in message
    (tmp_path / "checksums.json").unlink()
    assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT[::-1]


def test_offline_only_what_is_there(server, data_set, tmp_path, monkeypatch):
    server.routes["/a"] = lambda r: r.whole(CONTENT)
    data_set("/a")
    message = refused(tmp_path, offline=True)
    assert server.url("/a") in message
    assert str(tmp_path / "table.bin") in message
    monkeypatch.setenv("LATENTOME_OFFLINE", "1")
    assert "network may not be used" in refused(tmp_path)
    (tmp_path / "table.bin").write_bytes(CONTENT)  # brought from another machine
    assert download("test", tmp_path) == {"table.bin": tmp_path / "table.bin"}
    (tmp_path / "table.bin").write_bytes(b"altered")
    with pytest.raises(DownloadError, match="has another SHA-256"):
        download("test", tmp_path)
    assert server.seen == []


def test_the_environment_names_the_proxy_and_the_folder(server, data_set, tmp_path, monkeypatch):
    # A proxy is asked for the whole address.
    server.routes["http://no-such-host.invalid/table.bin"] = lambda r: r.whole(CONTENT)
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.setenv("LATENTOME_DATA", str(tmp_path / "cache"))
    found = download("http://no-such-host.invalid/table.bin", **QUICK)
    assert found["table.bin"].read_bytes() == CONTENT
    assert found["table.bin"].is_relative_to(tmp_path / "cache")
    assert data_folder() == tmp_path / "cache"


def test_an_archive_is_unpacked_once(server, data_set, tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("HiSeqV2", "PANCAN_mutation"):
            info = tarfile.TarInfo(f"gbm_download/{name}")
            info.size = 4
            archive.addfile(info, io.BytesIO(b"data"))
    content = packed.getvalue()
    server.routes["/a"] = lambda r: r.whole(content)
    data_set("/a", sha256=None, size=None, unpack=True, name="bundle.tar.gz")
    found = download("test", tmp_path, **QUICK)
    assert found == {name: tmp_path / name for name in ("HiSeqV2", "PANCAN_mutation")}
    before = found["HiSeqV2"].stat().st_mtime_ns
    assert download("test", tmp_path, offline=True) == found
    assert found["HiSeqV2"].stat().st_mtime_ns == before
    found["HiSeqV2"].unlink()
    assert download("test", tmp_path, offline=True)["HiSeqV2"].read_bytes() == b"data"
    assert len(server.seen) == 1
    assert set(download(server.url("/a"), tmp_path / "url", **QUICK)) == {"a"}
    assert set(download(server.url("/a"), tmp_path / "url", extract=True, **QUICK)) == {"HiSeqV2", "PANCAN_mutation"}


def test_a_full_disk_is_told_before_it_is_full(server, data_set, tmp_path, monkeypatch):
    import errno

    from latentome.datasets import transfer
    from latentome.errors import WriteError
    from latentome.io import guard_writing

    def full(path, size):
        with guard_writing(path, size):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    server.routes["/a"] = lambda r: r.whole(CONTENT)
    data_set("/a")
    monkeypatch.setattr(transfer, "check_room", full)
    with pytest.raises(WriteError, match="disk is full"):
        download("test", tmp_path, **QUICK)


def test_any_address_from_the_command_line(server, tmp_path, capsys):
    server.routes["/some%20table.tsv.gz?download=1"] = lambda r: r.whole(gzip.compress(b"a\tb\n", mtime=0))
    url = server.url("/some%20table.tsv.gz?download=1")
    assert run(["download", url, "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "some_table.tsv.gz")]
    assert run(["download", server.url("/gone"), "--offline", "-o", str(tmp_path)]) == 2
    assert "network may not be used" in capsys.readouterr().err
    assert run(["download", "tcga-pancan"]) == 2
    assert "Did you mean 'tcga-pancan-2018'" in capsys.readouterr().err
    assert run(["datasets"]) == 0
    assert "tcga-ebpp  to download: 1 file, 1,879.5 MB, published SHA-256" in capsys.readouterr().out


def test_the_registry(shared):
    listed = {entry["name"]: entry for entry in downloadable()}
    assert set(listed) == {
        "tcga-pancan-2018",
        "tcga-copy-number-2018",
        "tcga-clinical-2018",
        "tcga-ebpp",
        "tybalt-published",
    }
    published = (shared / "tybalt-published" / "artefact_checksums.tsv").read_text().split("\n")[1:-1]
    files = {f.name: f for f in remote_sets()["tybalt-published"].files}
    assert [f"{f.name}\t{f.sha256}\t{f.size}" for f in files.values()] == published
    assert listed["tybalt-published"]["hashes"] == 27
    for known in remote_sets().values():
        for file in known.files:
            assert file.sha256 is None or len(file.sha256) == 64
            assert all(url.startswith("https://") for url in file.urls[:1])
    assert len(fetch._resolve("tybalt-published", "models/*", False)[0]) == 6
    with pytest.raises(InputError, match="has no file 'model/"):
        fetch._resolve("tybalt-published", "model/*", False)


def test_another_address_under_the_same_name_is_refused(server, tmp_path):
    for path in ("/one/n.tsv", "/two/n.tsv"):
        server.routes[path] = lambda r, path=path: r.whole(path.encode())
    first = download(server.url("/one/n.tsv"), folder=tmp_path, **QUICK)["n.tsv"]
    with pytest.raises(InputError, match="from another address"):
        download(server.url("/two/n.tsv"), folder=tmp_path, **QUICK)
    assert first.read_bytes() == b"/one/n.tsv"
    assert download(server.url("/one/n.tsv"), folder=tmp_path, **QUICK)["n.tsv"] == first


def test_an_address_that_is_none_and_files_of_one_are_refused(tmp_path):
    with pytest.raises(InputError, match="no address"):
        download("http://[::1", folder=tmp_path)
    with pytest.raises(InputError, match="of one file"):
        download("http://127.0.0.1:9/n.tsv", folder=tmp_path, only="zz*")


def cut_once(server, path, then):
    """Cut the first transfer of the content in the middle."""
    once(server, path, lambda r: r.ranged(CONTENT, 100_000, ETag='"1"'), then)


def test_a_part_is_not_taken_for_the_whole(server, tmp_path):
    """Whatever the server then says of its length: the first answer had told it."""

    def says_so(r):
        r.head(416, Content_Range="bytes */100000", Content_Length=0)

    for path, then in (("/empty.bin", lambda r: r.whole(b"")), ("/416.bin", says_so)):
        cut_once(server, path, then)
        with pytest.raises(DownloadError):
            download(server.url(path), tmp_path, **QUICK)
        assert left(tmp_path) == ["checksums.json"] or not list(tmp_path.glob("*.bin"))


def test_two_versions_are_not_mixed_whatever_the_server_does(server, tmp_path):
    other = CONTENT[::-1]

    def ignores_the_condition(r):
        start = 100_000 if r.headers.get("Range") else 0
        place = f"bytes {start}-{len(other) - 1}/{len(other)}"
        r.head(206 if start else 200, Content_Range=place, Content_Length=len(other) - start, ETag='"2"')
        r.wfile.write(other[start:])

    cut_once(server, "/v.bin", ignores_the_condition)
    assert download(server.url("/v.bin"), tmp_path, **QUICK)["v.bin"].read_bytes() == other


def test_no_file_is_empty(server, tmp_path):
    server.routes["/nothing.tsv"] = lambda r: r.whole(b"")
    with pytest.raises(DownloadError, match="it sent an empty file"):
        download(server.url("/nothing.tsv"), tmp_path, **QUICK)


def test_a_file_that_is_called_a_web_page_and_is_none_is_taken(server, tmp_path):
    server.routes["/HiSeqV2"] = lambda r: r.whole(CONTENT, Content_Type="text/html")
    assert download(server.url("/HiSeqV2"), tmp_path, **QUICK)["HiSeqV2"].read_bytes() == CONTENT


def test_a_broken_archive_is_fetched_again(server, tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("data.tsv")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"a\tb"))
    once(server, "/a.tar.gz", lambda r: r.whole(packed.getvalue()[:60]), lambda r: r.whole(packed.getvalue()))
    with pytest.raises(InputError, match="nothing of it was unpacked"):
        download(server.url("/a.tar.gz"), tmp_path, extract=True, **QUICK)
    assert not (tmp_path / "a.tar.gz").exists()
    assert download(server.url("/a.tar.gz"), tmp_path, extract=True, **QUICK)["data.tsv"].read_bytes() == b"a\tb"


def test_names_that_a_folder_cannot_take(server, tmp_path):
    server.routes[path := f"/{'x' * 300}.tsv"] = lambda r: r.whole(CONTENT)
    (name,) = download(server.url(path), tmp_path, **QUICK)
    assert name.endswith("xxx.tsv")
    server.routes["/checksums.json"] = lambda r: r.whole(CONTENT)
    assert list(download(server.url("/checksums.json"), tmp_path, **QUICK)) == ["fetched-checksums.json"]
    (tmp_path / "taken.tsv").mkdir()
    with pytest.raises(InputError, match="A folder of this name"):
        download(server.url("/taken.tsv"), tmp_path, **QUICK)
    with pytest.raises(InputError, match="comes with the package"):
        download("tcga-33", tmp_path)


def test_many_may_look_at_what_is_there(server, data_set, tmp_path):
    server.routes["/a"] = lambda r: r.whole(CONTENT)
    data_set("/a")
    download("test", tmp_path, **QUICK)
    with lock_folder(tmp_path), ThreadPoolExecutor(1) as other:  # this thread could ask for its own lock again
        found = other.submit(download, "test", tmp_path, **QUICK).result()
    assert found["table.bin"].read_bytes() == CONTENT


def test_a_server_may_say_until_when_it_is_busy():
    later = formatdate(time.time() + 100, usegmt=True)
    assert transfer._seconds("7") == 7.0
    assert 90 < transfer._seconds(later) <= 100
    assert transfer._seconds("soon") == transfer._seconds("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0


@pytest.mark.parametrize("checked", [False, True])
def test_a_part_is_gone_on_with_where_nothing_says_that_it_changed(checked, server, data_set, tmp_path):
    """The first answer has an ETag and a date; the rest, through a proxy, a date alone; replicas have other ETags."""
    said = iter([{"ETag": '"1"', "Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}])

    def answer(r):
        start = int((r.headers.get("Range") or "bytes=0-")[6:-1])
        later = {"ETag": '"9"'} if checked else {"Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "ETag": 'W/"1"'}
        headers = next(said, later)
        place = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        r.head(206 if start else 200, Content_Range=place, Content_Length=len(CONTENT) - start, **headers)
        r.wfile.write(CONTENT[start : start + 100_000])

    server.routes["/p.bin"] = answer
    if checked:
        data_set("/p.bin")
        assert download("test", tmp_path, **QUICK)["table.bin"].read_bytes() == CONTENT
    else:
        assert download(server.url("/p.bin"), tmp_path, **QUICK)["p.bin"].read_bytes() == CONTENT
    assert [seen[1] for seen in server.seen] == [None, "bytes=100000-", "bytes=200000-"]
