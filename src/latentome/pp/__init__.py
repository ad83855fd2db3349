"""Preprocessing: transform, gene selection, scaling, splitting, aligning new samples."""

from latentome.pp import tcga
from latentome.pp.align import align
from latentome.pp.on_disk import preprocess, write_preprocessed
from latentome.pp.preprocessing import Preprocessing, fit_preprocessing
from latentome.pp.scaling import fit_scaling
from latentome.pp.selection import most_variable, read_gene_list, variability
from latentome.pp.split import combine, find_groups, fold_rows, split, split_rows
from latentome.pp.transform import apply_transform, choose_transform, recognise_scale

__all__ = [
    "Preprocessing",
    "align",
    "apply_transform",
    "choose_transform",
    "combine",
    "find_groups",
    "fit_preprocessing",
    "fit_scaling",
    "fold_rows",
    "most_variable",
    "preprocess",
    "read_gene_list",
    "recognise_scale",
    "split",
    "split_rows",
    "tcga",
    "variability",
    "write_preprocessed",
]
