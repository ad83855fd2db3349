"""How a model is trained: the compiled engine, history, checkpoints, optimizers and schedules."""

from latentome.training.apply import apply_in_blocks, bounds_in_blocks
from latentome.training.checkpoint import clear_checkpoints
from latentome.training.optimizers import make_optimizer
from latentome.training.order import epoch_order
from latentome.training.schedules import Schedule, make_schedule
from latentome.training.task import Options, Split, Training, n_held_out
from latentome.training.train import check_warmup, train, train_together

__all__ = [
    "Options",
    "Schedule",
    "Split",
    "Training",
    "apply_in_blocks",
    "bounds_in_blocks",
    "check_warmup",
    "clear_checkpoints",
    "epoch_order",
    "make_optimizer",
    "make_schedule",
    "n_held_out",
    "train",
    "train_together",
]
