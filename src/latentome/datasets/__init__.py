"""Data to work with: bundled real data, the blobs of the class example, simulated expression.

Importing this room is cheap: AnnData is imported by the functions that return one.
"""

from latentome.datasets.blobs import blobs
from latentome.datasets.registry import available, load, tcga_colors
from latentome.datasets.simulate import simulate

__all__ = ["available", "blobs", "load", "simulate", "tcga_colors"]
