"""PyTorch on a GPU: the networks, losses and optimizers of `engines.pytorch`, the data on the device.

Eager, and in its fastest form: the network compiled, and the whole step, from the gather of its batch to the fused
update, captured as one CUDA graph, so that an epoch is a replay for each batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from engines import Clock, Job, NotAvailable
from engines.pytorch import Reconstruction, Tybalt, make_optimizer

#: Steps before a capture: they allocate and compile, which a graph cannot hold.
TRIALS = 3


class Graphs:
    """An epoch as replays of two CUDA graphs: of a full batch, and of the smaller last one.

    Parameters
    ----------
    step
        Trains on the rows whose numbers it is given and returns their mean loss.
    order
        The order of the rows on the device, changed in place before each epoch.
    size
        Rows of a batch.
    """

    def __init__(self, step: Callable, order: torch.Tensor, size: int):
        self.order, (self.full, self.rest) = order, divmod(len(order), size)
        # Where the next batch begins is on the device, too, so that a step is one call.
        self.begin = torch.zeros((), dtype=torch.int64, device=order.device)
        self.total = torch.zeros((), device=order.device)
        self.graphs = [self._capture(step, count) for count in (size, self.rest) if count]

    def _capture(self, step: Callable, count: int) -> torch.cuda.CUDAGraph:
        numbers = torch.arange(count, device=self.order.device)

        def one():
            self.total += step(self.order.index_select(0, self.begin + numbers)) * count
            self.begin += count

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(TRIALS):
                self.begin.zero_()
                one()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            one()
        return graph

    def epoch(self) -> float:
        """Train for an epoch; the mean loss of its rows."""
        self.begin.zero_()
        self.total.zero_()
        for _ in range(self.full):
            self.graphs[0].replay()
        if self.rest:
            self.graphs[-1].replay()
        return self.total.item() / len(self.order)


def restore(net: torch.nn.Module, start: Sequence[torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Undo the trials, in place: the graphs hold these tensors."""
    with torch.no_grad():
        for tensor, before in zip(net.state_dict().values(), start, strict=True):
            tensor.copy_(before)
    for state in optimizer.state.values():  # steps and momenta begin at 0
        for tensor in state.values():
            tensor.zero_()


def train(name: str, job: Job) -> dict[str, float]:
    """Train with a loop of our own; products of float32 are in float32, PyTorch's default."""
    if not torch.cuda.is_available():
        raise NotAvailable("no GPU that PyTorch sees")
    device = torch.device("cuda")
    torch.manual_seed(0)
    torch.zeros((), device=device).item()  # CUDA itself starts before the clock does
    clock = Clock()
    data = torch.from_numpy(job.x).to(device)
    n, size = len(data), job.task.batch
    net = (Tybalt(job.kernels, math.ceil(n / size)) if job.task.family == "vae" else Reconstruction(job)).to(device)
    graphed = name == "torch-graphs"
    optimizer = make_optimizer(job, net.parameters())
    loss_of = torch.compile(net, dynamic=False) if graphed else net

    def step(rows):
        loss = loss_of(data.index_select(0, rows))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    order = torch.randperm(n, device=device)
    if graphed:
        for group in optimizer.param_groups:
            group["capturable"] = True
        start = [tensor.clone() for tensor in net.state_dict().values()]
        graphs = Graphs(step, order, size)
        restore(net, start, optimizer)
    for epoch in range(1, job.epochs + 1):
        torch.randperm(n, out=order)
        mean = graphs.epoch() if graphed else sum(step(r) * len(r) for r in order.split(size)).item() / n
        clock.mark(epoch)
    return clock.result(mean)
