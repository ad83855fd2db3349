"""Data to work with: bundled real data, fetched data, the blobs of the class example, simulated expression.

Importing this room is cheap: AnnData is imported by the functions that return one.
"""

from latentome.datasets.blobs import blobs
from latentome.datasets.fetch import data_folder, download, downloadable
from latentome.datasets.registry import available, load, oncokb_genes, tcga_colors, tybalt_sweeps
from latentome.datasets.simulate import simulate

__all__ = [
    "available",
    "blobs",
    "data_folder",
    "download",
    "downloadable",
    "load",
    "oncokb_genes",
    "simulate",
    "tcga_colors",
    "tybalt_sweeps",
]
