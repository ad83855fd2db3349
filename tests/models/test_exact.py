"""What a GPU is told, seen without one; what comes of it is in tests/training/test_gpu.py."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp

from latentome.models import compiled, exact


def test_products_of_a_model_ask_for_full_float32():
    text = str(jax.make_jaxpr(jnp.matmul)(jnp.ones((2, 2)), jnp.ones((2, 2))))
    assert "HIGHEST" in text


def test_a_precision_that_was_chosen_is_kept():
    # The module alone: with Keras a process takes seconds to start.
    program = "import runpy, sys, jax; runpy.run_path(sys.argv[1]); print(jax.config.jax_default_matmul_precision)"
    told = {
        chosen: subprocess.run(
            [sys.executable, "-c", program, exact.__file__],
            env={**os.environ, **({"JAX_DEFAULT_MATMUL_PRECISION": chosen} if chosen else {})},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for chosen in ("", "tensorfloat32")
    }
    assert told == {"": "float32", "tensorfloat32": "tensorfloat32"}


def test_only_a_gpu_is_told_to_repeat_itself(monkeypatch):
    given = []
    monkeypatch.setattr(jax, "jit", lambda run, **how: given.append(how))
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        compiled(abs, donate_argnums=0)
        compiled(abs, compiler_options={"mine": 1})
    assert given == [
        {"compiler_options": None, "donate_argnums": 0},
        {"compiler_options": {"mine": 1}},
        {"compiler_options": exact.REPEATABLE, "donate_argnums": 0},
        {"compiler_options": {**exact.REPEATABLE, "mine": 1}},
    ]
