"""Preprocessing: transform, gene selection, scaling, splitting, aligning new samples."""

from latentome.pp.preprocessing import Preprocessing, fit_preprocessing
from latentome.pp.scaling import fit_scaling
from latentome.pp.selection import most_variable, read_gene_list, variability
from latentome.pp.split import combine, find_groups, split, split_rows
from latentome.pp.transform import apply_transform, choose_transform, recognise_scale

__all__ = [
    "Preprocessing",
    "apply_transform",
    "choose_transform",
    "combine",
    "find_groups",
    "fit_preprocessing",
    "fit_scaling",
    "most_variable",
    "read_gene_list",
    "recognise_scale",
    "split",
    "split_rows",
    "variability",
]
