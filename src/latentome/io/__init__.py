"""Files in and out: expression tables, matrices read in blocks, labels, TCGA barcodes, atomic writes and run folders.

Importing this room is cheap: pandas and AnnData are imported by the functions that need them.
"""

from latentome.io.atomic import (
    atomic_path,
    check_room,
    guard_writing,
    write_atomic,
    write_bytes,
    write_h5ad,
    write_json,
    write_table,
    write_toml,
)
from latentome.io.backed import BackedMatrix, MappedMatrix, MemoryMatrix, open_matrix
from latentome.io.barcodes import looks_like_barcode, parse_barcodes
from latentome.io.genes import gene_table
from latentome.io.labels import add_labels, read_labels
from latentome.io.lock import lock_folder
from latentome.io.networks import AdageNetwork, DenseLayer, TybaltNetwork, read_adage_network, read_tybalt_hdf5
from latentome.io.runfolder import RunFolder
from latentome.io.tables import read

__all__ = [
    "AdageNetwork",
    "BackedMatrix",
    "DenseLayer",
    "MappedMatrix",
    "MemoryMatrix",
    "RunFolder",
    "TybaltNetwork",
    "add_labels",
    "atomic_path",
    "check_room",
    "gene_table",
    "guard_writing",
    "lock_folder",
    "looks_like_barcode",
    "open_matrix",
    "parse_barcodes",
    "read",
    "read_adage_network",
    "read_labels",
    "read_tybalt_hdf5",
    "write_atomic",
    "write_bytes",
    "write_h5ad",
    "write_json",
    "write_table",
    "write_toml",
]
