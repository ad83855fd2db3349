"""The steps of a run in their order, for the command line and for Python alike."""

from latentome.workflow.class3 import reproduce_class3
from latentome.workflow.compare import compare_step
from latentome.workflow.config import RunConfig
from latentome.workflow.figures import draw_interpretation, visualize_step
from latentome.workflow.generate import generate_samples
from latentome.workflow.interpret import interpret_step
from latentome.workflow.predict_new import predict_new
from latentome.workflow.prepare import prepare_again
from latentome.workflow.process_table import process_table
from latentome.workflow.process_tcga import RAW_SETS, process_tcga
from latentome.workflow.replicate import replicate_step
from latentome.workflow.reporter import Reporter
from latentome.workflow.run import default_folder, run, run_config
from latentome.workflow.sizes import dimensions_step
from latentome.workflow.steps import evaluate_step, open_run, open_to_write, predict_run, predict_step, train_step
from latentome.workflow.tybalt import reproduce_tybalt

__all__ = [
    "RAW_SETS",
    "Reporter",
    "RunConfig",
    "compare_step",
    "default_folder",
    "dimensions_step",
    "draw_interpretation",
    "evaluate_step",
    "generate_samples",
    "interpret_step",
    "open_run",
    "open_to_write",
    "predict_new",
    "predict_run",
    "predict_step",
    "prepare_again",
    "process_table",
    "process_tcga",
    "replicate_step",
    "reproduce_class3",
    "reproduce_tybalt",
    "run",
    "run_config",
    "train_step",
    "visualize_step",
]
