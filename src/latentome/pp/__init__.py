"""Preprocessing: transform, gene selection, scaling, splitting, aligning new samples."""

from latentome.pp.preprocessing import Preprocessing, fit_preprocessing
from latentome.pp.split import assign_folds, split, split_rows
from latentome.pp.transform import apply_transform, choose_transform

__all__ = [
    "Preprocessing",
    "apply_transform",
    "assign_folds",
    "choose_transform",
    "fit_preprocessing",
    "split",
    "split_rows",
]
