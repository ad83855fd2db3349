"""Archives, honest and hostile."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from latentome.datasets.unpack import unpack
from latentome.errors import InputError

FILES = {"gbm_download/HiSeqV2": b"sample\tTCGA-02-0047-01\n", "gbm_download/more/PANCAN_mutation": b"#sample\tchr\n"}


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


def tar(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as packed:
        for info, content in members:
            packed.addfile(info, io.BytesIO(content))
    return path


def zipped(path, files, **attributes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(info, key, value)
            packed.writestr(info, content)
    return path


def refused(archive, match: str) -> None:
    """It is refused, and there is nothing beside what was there before."""
    around = sorted(archive.parent.rglob("*"))
    with pytest.raises(InputError, match=match):
        unpack(archive, archive.parent / "out", reserved=("checksums.json",))
    assert sorted(archive.parent.rglob("*")) == [*around, archive.parent / "out"]


@pytest.mark.parametrize("kind", ["w:gz", "w", "w:xz", "zip"])
def test_files_come_out_without_their_common_folder(tmp_path, kind):
    archive = tmp_path / "bundle"
    if kind == "zip":
        zipped(archive, {"gbm_download/": b"", **FILES})
    else:
        folder = member("gbm_download", kind=tarfile.DIRTYPE)
        tar(archive, folder, *(member(*item) for item in FILES.items()), mode=kind)
    out = tmp_path / "out"
    found = unpack(archive, out)
    assert found == [out / "HiSeqV2", out / "more" / "PANCAN_mutation"]
    assert [file.read_bytes() for file in found] == list(FILES.values())
    assert sorted(p.name for p in out.iterdir()) == ["HiSeqV2", "more"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "a/.."])
def test_paths_that_lead_out_of_the_folder(tmp_path, name):
    refused(tar(tmp_path / "a.tar.gz", member("good", b"x"), member(name, b"x")), "leads out of the folder")
    (tmp_path / "a.tar.gz").unlink()
    (tmp_path / "out").rmdir()
    refused(zipped(tmp_path / "a.zip", {"good": b"x", name: b"x"}), "leads out of the folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices(tmp_path, kind):
    refused(tar(tmp_path / "a.tar.gz", member("x/a", b"x"), member("x/b", kind=kind, link="/etc/passwd")), "a link or")


def test_a_link_in_a_zip(tmp_path):
    refused(zipped(tmp_path / "a.zip", {"x": b"/etc/passwd"}, external_attr=0o120777 << 16), "a link or a device")


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr("latentome.datasets.unpack._SPARE", 2**20)  # 64 MiB would take seconds
    zeros = bytes(16 * 2**20)  # packs to a thousandth
    refused(tar(tmp_path / "a.tar.gz", member("x", zeros)), "more than 200 times its size")
    (tmp_path / "a.tar.gz").unlink()
    (tmp_path / "out").rmdir()
    refused(zipped(tmp_path / "a.zip", {"x": zeros}), "more than 200 times its size")


def test_damage(tmp_path):
    archive = tar(tmp_path / "a.tar.gz", *(member(*item) for item in FILES.items()))
    archive.write_bytes(archive.read_bytes()[:-40])
    refused(archive, "is damaged")
    archive.write_bytes(b"no archive")
    (tmp_path / "out").rmdir()
    refused(archive, "is damaged")


def test_names_that_are_taken_or_come_twice(tmp_path):
    archive = tar(tmp_path / "a.tar.gz", member("checksums.json", b"{}"))
    refused(archive, "it holds 'checksums.json'")
    (tmp_path / "out").rmdir()
    refused(tar(archive, member("x", b"1"), member("x", b"2")), "twice")
    (tmp_path / "out").rmdir()
    refused(tar(archive), "holds no file")


def test_a_zip_inside_a_tar_is_one_of_its_files(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        packed.writestr("inner.tsv", "x")
    with tarfile.open(tmp_path / "outer.tar", "w") as tar:
        for name, content in (("data.tsv", b"a\tb"), ("supp.zip", inner.getvalue())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    assert sorted(file.name for file in unpack(tmp_path / "outer.tar", tmp_path / "out")) == ["data.tsv", "supp.zip"]


def test_a_tar_whose_first_file_is_called_like_a_zip(tmp_path):
    tar(tmp_path / "p.tar", member("PKM2.tsv", b"a\tb"), mode="w")
    assert [file.name for file in unpack(tmp_path / "p.tar", tmp_path / "out")] == ["PKM2.tsv"]
