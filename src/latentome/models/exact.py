"""What makes a GPU compute in full float32, and the same bits in every process. Processors do so by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

# Left alone, GPUs round the factors of a float32 product to 11 bits (TensorFloat-32): NonlinearPCA would not start as
# PCA, and codes would differ from those of a processor in the fourth digit. Who has chosen a precision keeps it.
if jax.config.jax_default_matmul_precision is None:
    jax.config.update("jax_default_matmul_precision", "float32")

#: How a GPU's compiler is told to sum in a fixed order, and to choose its kernels by rule: it would choose by timing
#: them, each time anew, so that a resumed training would go on with other sums.
REPEATABLE = {"xla_gpu_deterministic_ops": True, "xla_gpu_autotune_level": 0}


def compiled(run: Callable, compiler_options: Mapping[str, Any] | None = None, **how: Any) -> Callable:
    """Compile a computation, on a GPU with `REPEATABLE`.

    Parameters
    ----------
    run
        A function of arrays.
    compiler_options, **how
        As `jax.jit` takes them.
    """
    options = REPEATABLE if jax.default_backend() == "gpu" else {}
    return jax.jit(run, compiler_options={**options, **(compiler_options or {})} or None, **how)
