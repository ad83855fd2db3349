"""The steps of a run in their order, for the command line and for Python alike."""

from latentome.workflow.config import RunConfig
from latentome.workflow.reporter import Reporter
from latentome.workflow.run import default_folder, run
from latentome.workflow.steps import evaluate_step, open_run, predict_step, train_step, visualize_step

__all__ = [
    "Reporter",
    "RunConfig",
    "default_folder",
    "evaluate_step",
    "open_run",
    "predict_step",
    "run",
    "train_step",
    "visualize_step",
]
