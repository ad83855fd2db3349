"""Every refusal names the file, the place, what was expected and the way out."""

from __future__ import annotations

import gzip
import os

import anndata
import numpy as np
import pytest

from latentome.errors import InputError
from latentome.io import read, read_labels

GOOD = "sample\tTP53\tKRAS\tEGFR\nS1\t1\t2\t3\nS2\t4\t5\t6\nS3\t7\t8\t9\n"


def refusal(path, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **kwargs)
    message = str(caught.value)
    assert path.name in message
    assert caught.value.todo
    return message


def has(message: str, *parts: str) -> None:
    for part in parts:
        assert part in message, f"{part!r} is not in:\n{message}"


def test_a_file_that_is_missing_names_its_neighbours(write, tmp_path):
    write("expression.tsv.gz", b"x")
    has(
        refusal(tmp_path / "expresion.tsv.gz"),
        "There is no file",
        "Did you mean expression.tsv.gz",
        "latentome datasets",
    )
    has(refusal(tmp_path / "nowhere" / "e.tsv"), "nowhere does not exist either")
    has(refusal(tmp_path / "zzz"), f"The folder {tmp_path} holds expression.tsv.gz")


def test_a_folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "e.tsv").write_text(GOOD)
    has(refusal(tmp_path / "data"), "is a folder", "e.tsv")


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("empty.tsv", b"", ["is empty (0 bytes)", "Fetch or export it again"]),
        ("empty.tsv.gz", gzip.compress(b"", mtime=0), ["is empty"]),
        ("blank.tsv", b"\n \n", ["is empty"]),
        ("header.tsv", b"sample\tTP53\tKRAS\n", ["header and nothing below", "line 1: 3 names"]),
        ("list.txt", b"TP53\nKRAS\n", ["one column only", "'TP53'", "tabs"]),
        ("page.tsv", b"\n<!DOCTYPE html><html>404</html>", ["web page", "download it again"]),
        ("page.csv", b"<html><body>login</body>", ["web page"]),
        (
            "lfs.tsv.gz",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n",
            ["git-lfs pointer", "git lfs pull"],
        ),
        ("lfs.h5ad", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", ["git-lfs pointer"]),
        ("nul.tsv", b"a\tb\n\x00\x01\x02\t3\n", ["binary", "NUL"]),
        ("zip.tsv", b"PK\x03\x04" + b"x" * 50, ["zip archive"]),
        ("hdf.tsv", b"\x89HDF\r\n\x1a\n" + b"\0" * 50, ["HDF5", ".h5ad"]),
        ("utf16.tsv", GOOD.encode("utf-16"), ["UTF-16", "iconv"]),
        ("utf16le.tsv", GOOD.encode("utf-16-le"), ["UTF-16"]),
        ("latin.tsv", "sample\tTP53\tÅ\nS1\t1\t2\n".encode("latin-1"), ["0xc5", "not UTF-8", "iconv -f LATIN1"]),
        ("cut.tsv.gz", gzip.compress(os.urandom(90_000).hex().encode())[:40_000], ["cut off", "Fetch it again"]),
        ("table.xlsx", b"PK\x03\x04", ["spreadsheet", "SEPT2", "dates", "tab-separated"]),
        ("x.zarr.zip", b"PK\x03\x04", ["packed Zarr", "--on-disk"]),
        ("table.XLS", b"\xd0\xcf\x11\xe0", ["spreadsheet"]),
        ("sets.gmt", b"a\tb\n", ["'.gmt'", ".h5ad", ".tsv"]),
        ("text.h5ad", GOOD.encode(), ["does not start as an HDF5 file"]),
        ("broken.h5ad", b"\x89HDF\r\n\x1a\n" + b"\0" * 500, ["not a readable AnnData file"]),
    ],
)
def test_what_is_no_table(write, name, content, parts):
    has(refusal(write(name, content)), *parts)


def test_a_gzip_that_is_cut_in_the_middle_tells_after_which_line(write):
    rng = np.random.default_rng(0)
    rows = ["s\t" + "\t".join(f"g{i}" for i in range(200))]
    rows += [f"S{i}\t" + "\t".join(f"{value:.6f}" for value in rng.random(200)) for i in range(400)]
    packed = gzip.compress("\n".join(rows).encode())
    has(refusal(write("cut.tsv.gz", packed[: len(packed) // 2])), "cut off", "after line ", "Fetch it again")


def test_a_damaged_gzip(write):
    packed = bytearray(gzip.compress(GOOD.encode() * 500, mtime=0))
    packed[60] ^= 0xFF
    assert any(word in refusal(write("bad.tsv.gz", bytes(packed))) for word in ("damaged", "cut off"))


def test_a_file_without_the_right_to_read(write, monkeypatch):
    from latentome.io import files

    def forbidden(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "open_unpacked", forbidden)
    has(refusal(write("secret.tsv", GOOD)), "may not be read", "chmod u+r secret.tsv")


def test_rows_of_another_length(write):
    message = refusal(write("ragged.tsv", GOOD.replace("S2\t4\t5\t6", "S2\t4\t5")))
    has(message, "1 row of another length", "line 3 ('S2') has 3", "4 fields in every line", "cut off")
    has(refusal(write("long.tsv", GOOD.replace("S3\t7", "S3\t7\t7"))), "line 4 ('S3') has 5")


def test_a_row_or_a_column_without_a_name(write):
    has(refusal(write("e.tsv", GOOD.replace("S2", ""))), "row without a name", "line 3")
    has(refusal(write("e.tsv", GOOD.replace("KRAS", ""))), "columns without a name", "columns 3")


@pytest.mark.parametrize("head", ["sample", "Gene", "barcode"])
def test_a_header_that_is_one_name_short(write, head):
    table = GOOD.replace("sample", head)
    message = refusal(write("e.tsv", table.replace("\tEGFR", "")))
    has(message, "one name short", "line 1: 3 names", "line 2 has one field more: 4", "Add the missing name")
    assert "empty" not in message
    ends = table.replace("\n", "\t\n").replace("\t\n", "\n", 1)
    has(refusal(write("ends.tsv", ends)), "one field more: 5, the last of them empty", "delete the separators")
    has(refusal(write("ends.csv", ends.replace("\t", ","))), "one name short")


def test_a_table_without_a_header(write):
    has(refusal(write("e.tsv", "S1\t1.5\t2\nS2\t3\t4\n")), "no header", "1.5")


def test_text_among_numbers_names_samples_genes_and_values(write):
    message = refusal(write("e.tsv", GOOD.replace("5", "high").replace("9", "low")))
    has(message, "text among its numbers: 2 values", "sample 'S2' (line 3), gene 'KRAS' (column 3): 'high'")
    has(message, "samples (2 of 3): S2, S3", "genes (2 of 3): KRAS, EGFR", "Correct these values")


def test_text_in_a_table_of_genes_by_samples(write):
    table = "gene\tTCGA-OR-A5J1-01\tTCGA-OR-A5J2-01\nTP53\t1\t2\nKRAS\tx\t4\n"
    has(refusal(write("e.tsv", table)), "sample 'TCGA-OR-A5J1-01' (column 2), gene 'KRAS' (line 3): 'x'")


def test_a_column_of_labels_after_the_names_says_how_to_give_labels(write):
    table = "sample\tcancer_type\tTP53\nS1\tACC\t1\nS2\tUVM\t2\nS3\tUVM\t3\n"
    message = refusal(write("e.tsv", table))
    has(message, "'cancer_type' looks like labels", "--labels", "read_labels", "sample 'S1' (line 2)", "'ACC'")


def test_decimal_commas(write):
    has(refusal(write("e.tsv", GOOD.replace("5", "5,25"))), "'5,25'", "decimal comma", "decimal points")
    german = GOOD.replace("\t", ";").replace("5", "5,25")
    has(refusal(write("e.csv", german)), "decimal comma", "tabs or semicolons: sed")


@pytest.mark.parametrize("word", ["", "NA", "NaN", "nan", "null", "inf", "-Inf", "1e60", "N/A"])
def test_missing_and_infinite_values(write, word):
    message = refusal(write("e.tsv", GOOD.replace("5", word)))
    has(message, "1 value missing or infinite", "sample 'S2' (line 3), gene 'KRAS' (column 3)", "fill the gaps")


def test_many_missing_values_are_counted(write):
    head = "sample\t" + "\t".join(f"g{i}" for i in range(10)) + "\n"
    rows = "".join(f"S{i}" + ("\tNA" if i < 7 else "\t1") + "\t2" * 9 + "\n" for i in range(20))
    message = refusal(write("e.tsv", head + rows))
    has(message, "7 values missing", "samples (7 of 20): S0, S1, S2, S3, S4, ... (7 in all)", "genes (1 of 10): g0")


@pytest.mark.parametrize("word", ["1_000", "0x10", "1e", "1 2"])
def test_numbers_in_odd_spellings_are_not_guessed(write, word):
    has(refusal(write("e.tsv", GOOD.replace("5", word))), "e.tsv")


@pytest.mark.parametrize("word", ["\u00a05", "5\u00a0", "\uff15", "\u0665"])
def test_digits_and_spaces_of_other_kinds_are_named(write, word):
    message = refusal(write("e.tsv", GOOD.replace("5", word)))
    has(message, "text among its numbers: 1 value", "sample 'S2' (line 3), gene 'KRAS' (column 3)", repr(word))


def test_samples_named_twice(write):
    has(refusal(write("e.tsv", GOOD.replace("S3", "S1"))), "S1", "S1 at line 2, line 4", "every sample once")
    turned = "gene\tTCGA-OR-A5J1-01\tTCGA-OR-A5J1-01\nTP53\t1\t2\n"
    has(refusal(write("t.tsv", turned)), "TCGA-OR-A5J1-01 at column 2, column 3")


def test_genes_named_twice(write):
    has(refusal(write("e.tsv", GOOD.replace("EGFR", "TP53"))), "TP53 at column 2, column 4", "every gene once")
    same = "s\tA1BG|1\tA1BG|1\nS1\t1\t2\nS2\t3\t4\n"
    has(refusal(write("p.tsv", same)), "A1BG|1 at column 2, column 3")


def test_only_nameless_genes(write):
    has(refusal(write("e.tsv", "s\t?|1\t?|2\nS1\t1\t2\nS2\t3\t4\n")), "no gene with a name")


def test_a_single_sample(write):
    path = write("e.tsv", "s\tTP53\tKRAS\nS1\t1\t2\n")
    has(refusal(path), "1 sample", "at least 2", "orientation=")
    alone = read(path, min_samples=1)
    assert alone.X.tolist() == [[1, 2]]
    alone.write_h5ad(path.with_suffix(".h5ad"))
    assert read(path.with_suffix(".h5ad"), min_samples=1).shape == (1, 2)


def test_an_orientation_that_does_not_exist(write):
    with pytest.raises(InputError, match="Did you mean 'samples-by-genes'"):
        read(write("e.tsv", GOOD), orientation="samples-x-genes")


def h5ad(tmp_path, values, **kwargs):
    path = tmp_path / "e.h5ad"
    adata = anndata.AnnData(values, **kwargs)
    adata.write_h5ad(path)
    return path


def test_h5ad_with_missing_values(tmp_path):
    values = np.ones((3, 2), np.float32)
    values[1, 0] = np.nan
    has(refusal(h5ad(tmp_path, values)), "1 value missing", "sample '1' (obs 2), gene '0' (var 1)")


def test_h5ad_without_x_or_with_text(tmp_path):
    path = tmp_path / "none.h5ad"
    anndata.AnnData(shape=(3, 2)).write_h5ad(path)
    has(refusal(path), "no X", "layers")
    has(refusal(h5ad(tmp_path, np.array([["a", "b"], ["c", "d"]], dtype=object))), "X of type object, not numbers")


@pytest.mark.filterwarnings("ignore:.*names are not unique:UserWarning")
def test_h5ad_with_repeated_names(tmp_path):
    adata = anndata.AnnData(np.ones((3, 2), np.float32))
    adata.obs_names = ["a", "b", "a"]
    adata.write_h5ad(tmp_path / "e.h5ad")
    has(refusal(tmp_path / "e.h5ad"), "a at obs 1, obs 3")
    adata.obs_names, adata.var_names = ["a", "b", "c"], ["g", "g"]
    adata.write_h5ad(tmp_path / "e.h5ad")
    has(refusal(tmp_path / "e.h5ad"), "g at var 1, var 2")


def test_hdf5_that_is_no_anndata(tmp_path):
    import h5py

    with h5py.File(tmp_path / "plain.h5ad", "w") as file:
        file["x"] = np.ones(3)
    has(refusal(tmp_path / "plain.h5ad"), "plain.h5ad", "AnnData")


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("l.tsv", b"", "is empty"),
        ("l.txt", b"a\nb\n", "one column only"),
        ("l.tsv", b"s\ttype\n", "nothing below"),
        ("l.tsv", b"s\ttype\nS1\tACC\nS2\tACC\tx\n", "line 3 ('S2') has 3"),
        ("l.tsv", b"s\ttype\ttype\nS1\tACC\tx\n", "columns of the same name: type"),
        ("l.xlsx", b"PK\x03\x04", "spreadsheet"),
        ("l.tsv", b"<html>", "web page"),
        ("l.h5ad", b"\x89HDF\r\n\x1a\n", "adata.obs.to_csv"),
    ],
)
def test_labels_that_are_no_table(write, name, content, part):
    with pytest.raises(InputError) as caught:
        read_labels(write(name, content))
    has(str(caught.value), name, part)


def test_labels_that_are_missing(tmp_path):
    with pytest.raises(InputError, match="There is no file labels.tsv"):
        read_labels(tmp_path / "labels.tsv")
