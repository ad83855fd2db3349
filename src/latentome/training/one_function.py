"""A pass over the data compiled into one function of the calling thread, for models of which a step takes microseconds.

The runtime starts each operation by itself and cuts it up for its pool of threads, which for so little work costs more
than it gains: a step of the class's models takes a quarter of the time as one function.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend import core

#: The releases of JAX whose compiler is known to make one function. With others it runs its operations.
RELEASES = ((0, 10), (0, 11), (0, 12))
#: No weight has more values and no batch more rows: what runs in one function is neither cut up for threads nor given
#: to a library of matrix products, which is of use to larger ones.
MAX_KERNEL, MAX_ROWS = 64, 64
#: The most values of an argument that a function gives back.
MAX_KEPT = 4096

#: Computations that have a name.
_NAMES = frozenset(("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call"))
#: What does the same to each number of its arguments.
ELEMENTWISE = frozenset(
    (
        *("abs", "add", "add_any", "and", "bitcast_convert_type", "convert_element_type", "copy", "cos", "div", "eq"),
        *("erf", "erfc", "exp"),
        *("expm1", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul"),
        *("ne", "neg", "not", "or", "polynomial", "pow", "rsqrt", "select_n", "sign", "sin", "sqrt", "square"),
        *("stop_gradient", "sub", "tanh"),
    )
)
#: What a pass is made of besides.
_OF_A_PASS = frozenset(
    (
        *("broadcast_in_dim", "dot_general", "gather", "iota", "reduce_sum", "reshape", "scan", "slice", "squeeze"),
        *("stack", "transpose"),
    )
)


def is_tiny(shapes: Sequence[tuple[int, ...]], rows: int) -> bool:
    """Whether models with weights of these `shapes`, trained on batches of so many `rows`, are that small."""
    return rows <= MAX_ROWS and all(math.prod(shape) <= MAX_KERNEL for shape in shapes)


def compiler_options() -> dict[str, Any] | None:
    """What the compiler of a function is told: to write products out. Those of its library have no place in one."""
    return {"xla_cpu_experimental_ynn_fusion_type": ""} if jax.__version_info__[:2] in RELEASES else None


def in_one_function(run: Callable) -> Callable:
    """Let the compiler make one function of a computation whose operations it knows; `run` itself where it does not.

    The compiler ends the process where a function has an argument that nothing of it needs. So all are given back, but
    for those of more than `MAX_KEPT` values, which `run` has to make use of; and none may be known as it compiles.
    """
    if jax.__version_info__[:2] not in RELEASES:
        return run

    @jax.jit
    def with_arguments(*args: Any) -> tuple[Any, list[Any]]:
        given = [a for a in jax.tree.leaves(args) if a.size <= MAX_KEPT]
        return run(*args), jax.lax.optimization_barrier(given)  # JAX takes out what is given back untouched

    def call(*args: Any) -> Any:
        results = set_xla_metadata(with_arguments(*args), xla_cpu_small_call="true", inlineable="false")
        return jax.lax.optimization_barrier(results)[0]  # and what is not looked at

    return call


def pass_in_one_function(run: Callable) -> Callable:
    """A pass over the data in one function, where it is arithmetic alone: to draw noise, say, has no place in one."""

    def traced(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(run, return_shape=True)(*args)
        if not consists_of(closed.jaxpr, ELEMENTWISE | _OF_A_PASS):
            return run(*args)
        evaluate = functools.partial(jax.core.eval_jaxpr, closed.jaxpr)
        results = in_one_function(evaluate)(closed.consts, *jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return traced


def consists_of(jaxpr: core.Jaxpr, names: Collection[str]) -> bool:
    """Whether the operations of a computation all have one of these `names`; those inside of a loop, too."""
    return all(
        (equation.primitive.name in names or equation.primitive.name in _NAMES)
        and all(consists_of(inner.jaxpr, names) for inner in _closed(equation))
        for equation in jaxpr.eqns
    )


def named(equation) -> core.ClosedJaxpr | None:
    """The computation that an operation is a mere name for."""
    inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    return inner if equation.primitive.name in _NAMES and isinstance(inner, core.ClosedJaxpr) else None


def _closed(equation) -> list[core.ClosedJaxpr]:
    return [inner for inner in equation.params.values() if isinstance(inner, core.ClosedJaxpr)]
