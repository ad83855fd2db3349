"""How a model is trained: the compiled engine, history, checkpoints, optimizers."""

from latentome.training.apply import apply_in_blocks
from latentome.training.engine import epoch_order
from latentome.training.optimizers import make_optimizer
from latentome.training.train import check_warmup, train

__all__ = ["apply_in_blocks", "check_warmup", "epoch_order", "make_optimizer", "train"]
