"""PyTorch in its best simple form: data in memory, a permutation an epoch, batches by index_select, fused optimizers.

The networks, their starting weights, losses and the constants of the optimizers are those of our Keras model. One thing
differs: Keras adds Adam's epsilon before the correction of the bias, PyTorch after it. Where gradients are as small as
those of a mean over many genes, Keras' first steps are shorter for it: 1 to 7 % more loss after 80 steps of the deep
task with 800 genes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from tasks import DROPOUT, activations
from torch import nn

from engines import Clock, Job, NotAvailable


def dense(kernel) -> nn.Linear:
    """A dense layer that starts from `kernel` (inputs x outputs) and a bias of 0."""
    layer = nn.Linear(*kernel.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
        layer.bias.zero_()
    return layer


class Heads(nn.Module):
    """Mean and log-variance of Tybalt's posterior: one product, batch normalisation, ReLU."""

    def __init__(self, kernel):
        super().__init__()
        # Keras: momentum 0.99 is the share that is kept; PyTorch's is the share that is new.
        self.net = nn.Sequential(dense(kernel), nn.BatchNorm1d(kernel.shape[1], eps=1e-3, momentum=0.01), nn.ReLU())

    def forward(self, x):
        """Mean and log-variance (samples x components)."""
        return self.net(x).chunk(2, dim=1)


class Tybalt(nn.Module):
    """The loss of Tybalt's VAE: cross-entropy on logits, summed over genes, and the KL term, warmed up in an epoch."""

    def __init__(self, kernels, warmup_steps: int):
        super().__init__()
        self.heads, self.output = Heads(kernels[0]), dense(kernels[1])
        self.warmup_steps = warmup_steps
        self.register_buffer("step", torch.zeros(()))

    def forward(self, x):
        """The mean loss of the batch `x`."""
        mean, log_variance = self.heads(x)
        logits = self.output(mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean))
        cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1.0 + log_variance - mean.square() - log_variance.exp())
        weight = torch.clamp(self.step / self.warmup_steps, max=1.0)
        self.step += 1
        return (cross_entropy + weight * kl) / len(x)


class Reconstruction(nn.Module):
    """The mean squared error of an autoencoder of dense layers, its input thinned out for ADAGE."""

    def __init__(self, job: Job):
        super().__init__()
        kinds = {"linear": [], "relu": [nn.ReLU()], "sigmoid": [nn.Sigmoid()]}
        hidden, code, output = activations(job.task)
        inner = [hidden] * len(job.task.hidden)
        parts = [nn.Dropout(DROPOUT)] if job.task.family == "adage" else []
        for kernel, activation in zip(job.kernels, [*inner, code, *inner, output], strict=True):
            parts += [dense(kernel), *kinds[activation]]
        self.net = nn.Sequential(*parts)

    def forward(self, x):
        """The mean loss of the batch `x`."""
        return F.mse_loss(self.net(x), x)


def make_optimizer(job: Job, parameters) -> torch.optim.Optimizer:
    """The optimizer with Keras' constants; fused where PyTorch has a fused kernel for processors."""
    rate = job.task.learning_rate
    if job.task.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, lr=rate, rho=0.95, eps=1e-7)
    if job.task.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, fused=True)
    return torch.optim.Adam(parameters, lr=rate, eps=1e-7, fused=True)


def prepare(job: Job) -> None:
    """Threads, and numbers too small for float32's normal range as 0, as XLA has them.

    The momenta of units that a ReLU has switched off shrink into that range, where a step takes twice as long. One
    thread is PyTorch's best for the class's models: 10 % faster than two on 2 cores.
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(1 if job.task.is_class else job.threads)
    torch.manual_seed(0)


def check_compiler() -> None:
    """Refuse torch.compile where it has no C++ compiler; what it needs is imported before the clock starts."""
    import torch._dynamo
    import torch._inductor.compile_fx  # noqa: F401
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except (InvalidCxxCompiler, RuntimeError) as error:
        raise NotAvailable("no C++ compiler for torch.compile") from error


def train(name: str, job: Job) -> dict[str, float]:
    """Train with a loop of our own."""
    prepare(job)
    compiled = name == "torch-compiled"
    if compiled:
        check_compiler()
    clock = Clock()
    data = torch.from_numpy(job.x)
    steps = math.ceil(len(data) / job.task.batch)
    net = Tybalt(job.kernels, steps) if job.task.family == "vae" else Reconstruction(job)
    optimizer = make_optimizer(job, net.parameters())
    loss_of, update = net, optimizer.step
    if compiled:
        loss_of = torch.compile(net, dynamic=False)  # two programs: full batches and the last one
        if job.task.optimizer == "adadelta":  # the one without a fused kernel
            update = torch.compile(update)
    for epoch in range(1, job.epochs + 1):
        total = torch.zeros(())
        for rows in torch.randperm(len(data)).split(job.task.batch):
            loss = loss_of(data.index_select(0, rows))
            optimizer.zero_grad()
            loss.backward()
            update()
            total += loss.detach() * len(rows)
        mean = total.item() / len(data)
        clock.mark(epoch)
    return clock.result(mean)
