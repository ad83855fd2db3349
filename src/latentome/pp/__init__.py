"""Preprocessing: transform, gene selection, scaling, splitting, aligning new samples."""

from latentome.pp import tcga
from latentome.pp.align import align
from latentome.pp.preprocessing import Preprocessing, fit_preprocessing
from latentome.pp.split import fold_rows, split, split_rows
from latentome.pp.transform import apply_transform, choose_transform

__all__ = [
    "Preprocessing",
    "align",
    "apply_transform",
    "choose_transform",
    "fit_preprocessing",
    "fold_rows",
    "split",
    "split_rows",
    "tcga",
]
