"""Files in and out: expression tables, labels, TCGA barcodes, atomic writes and run folders.

Importing this room is cheap: pandas and AnnData are imported by the functions that need them.
"""

from latentome.io.atomic import atomic_path, write_atomic, write_bytes, write_json, write_table, write_toml
from latentome.io.barcodes import looks_like_barcode, parse_barcodes
from latentome.io.genes import gene_table
from latentome.io.labels import add_labels, read_labels
from latentome.io.runfolder import RunFolder
from latentome.io.tables import read

__all__ = [
    "RunFolder",
    "add_labels",
    "atomic_path",
    "gene_table",
    "looks_like_barcode",
    "parse_barcodes",
    "read",
    "read_labels",
    "write_atomic",
    "write_bytes",
    "write_json",
    "write_table",
    "write_toml",
]
