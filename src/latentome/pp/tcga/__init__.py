"""The published processing of the TCGA pan-cancer files, step by step, with its documented defects or without them."""

from latentome.pp.tcga.clinical import CLINICAL_COLUMNS, join_clinical, read_clinical
from latentome.pp.tcga.events import (
    Calls,
    mutated_genes,
    mutation_burden,
    read_copy_number,
    read_mutations,
    status_matrix,
)
from latentome.pp.tcga.expression import N_GENES, read_expression, scale_all

__all__ = [
    "CLINICAL_COLUMNS",
    "N_GENES",
    "Calls",
    "join_clinical",
    "mutated_genes",
    "mutation_burden",
    "read_clinical",
    "read_copy_number",
    "read_expression",
    "read_mutations",
    "scale_all",
    "status_matrix",
]
