"""Many tiny models side by side in the lanes of the processor's vectors: `jax.vmap` with the models on the last axis.

`jax.vmap` puts the models on the first axis and makes batched products of small ones, which the compiler runs one by
one. With the models on the last axis every operation of a step is a loop over neighbouring numbers, the products among
them, once they are written out as sums. `LANES` models are a piece, of which the compiler makes whole vectors.

An epoch of a piece is compiled into one function of the calling thread (see `latentome.training.one_function`). Whole
pieces go to threads instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from latentome.training.one_function import ELEMENTWISE, consists_of, in_one_function, named

#: Models of a piece: one vector of the longest that processors have. The compiler makes fewer or more into slower code.
LANES = 16
#: Fewer models train one by one: a piece takes as long as with all its lanes in use.
MIN_MODELS = 16
#: How the compiler is asked to make vectors (processors with shorter ones make two of each), and not to try as hard
#: as it can, which takes longer and gains nothing here.
COMPILER_OPTIONS = {"xla_cpu_prefer_vector_width": 512, "xla_backend_optimization_level": 2}


def is_plain(run: Callable, *args: Any) -> bool:
    """Whether a computation is arithmetic alone. To draw noise, say, has no rule here and no place in one function."""
    return consists_of(jax.make_jaxpr(run)(*args).jaxpr, _PLAIN)


def pass_in_lanes(step: Callable, begin: Callable, ends: Callable, size: int) -> Callable:
    """A pass over the data of which `jax.vmap` makes one with the models in lanes; for use under `jax.vmap` alone.

    `step` takes carry, live values, batch (of `size` rows, the last one of those that are left) and its number to the
    carry. That is the values of the model and, before the first step, what `begin` gives; `ends` is done with the last
    one. Gives a function of the values of the model, the live values, the numbers of the rows in their order, and the
    data.
    """

    def run(values, live, rows, data):
        full, columns = rows.shape[0] // size, list(data.T)
        first = jax.tree.map(lambda a: jnp.broadcast_to(a[..., None], (*a.shape, rows.shape[-1])), begin())

        def one(carry, numbered):
            number, rows = numbered
            # Column by column: of rows that are read whole the compiler leaves the models on an axis further out.
            batch = jnp.stack([column.at[rows].get(mode="promise_in_bounds") for column in columns], axis=1)
            return over_last_axis(step, carry, live, batch, jnp.broadcast_to(number, rows.shape[-1:])), None

        carry = (*values, *first)
        if full:
            batches = (jnp.arange(full, dtype="int32"), rows[: full * size].reshape(full, size, -1))
            carry, _ = lax.scan(one, carry, batches)
        if rows.shape[0] % size:
            carry, _ = one(carry, (jnp.int32(full), rows[full * size :]))
        return over_last_axis(ends, carry)

    @jax.custom_batching.custom_vmap
    def train(values, live, rows, data):
        return *values, *begin()  # looked at for its shapes: only `many` is run

    @train.def_vmap
    def many(models, batched, values, live, rows, data):
        def last(a, has):
            return jnp.moveaxis(a, 0, -1) if has else jnp.broadcast_to(a[..., None], (*a.shape, models))

        values, live, rows = jax.tree.map(last, (values, live, rows), tuple(batched[:3]))
        carry = in_one_function(run)(values, live, rows, data)
        return jax.tree.map(lambda a: jnp.moveaxis(a, -1, 0), carry), jax.tree.map(lambda a: True, carry)

    return train


def over_last_axis(run: Callable, *args: Any) -> Any:
    """What ``jax.vmap(run, -1, -1)(*args)`` gives, each operation with the models on its last axis."""
    leaves, tree = jax.tree.flatten(args)
    one = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(a.shape[:-1], a.dtype) for a in leaves])
    closed, shape = jax.make_jaxpr(run, return_shape=True)(*one)
    results = _evaluate(closed, leaves, [True] * len(leaves))
    models = leaves[0].shape[-1]
    whole = [a if mapped else _with_lanes(a[..., None], models) for a, mapped in results]
    return jax.tree.unflatten(jax.tree.structure(shape), whole)


def _evaluate(closed: core.ClosedJaxpr, args: Sequence[Any], mapped: Sequence[bool]) -> list[tuple[Any, bool]]:
    """The results of a computation, each with whether it has an axis of models."""
    known: dict[core.Var, tuple[Any, bool]] = {}
    known.update(zip(closed.jaxpr.constvars, ((c, False) for c in closed.consts), strict=True))
    known.update(zip(closed.jaxpr.invars, zip(args, mapped, strict=True), strict=True))

    def read(atom):
        return (atom.val, False) if isinstance(atom, core.Literal) else known[atom]

    for equation in closed.jaxpr.eqns:
        values, has = zip(*(read(atom) for atom in equation.invars), strict=True)
        known.update(zip(equation.outvars, _apply(equation, values, has), strict=True))
    return [read(atom) for atom in closed.jaxpr.outvars]


def _apply(equation, values: Sequence[Any], mapped: Sequence[bool]) -> list[tuple[Any, bool]]:
    """The results of one operation."""
    name, params = equation.primitive.name, equation.params
    if inner := named(equation):
        return _evaluate(inner, values, mapped)
    if not any(mapped):
        results = equation.primitive.bind(*values, **params)
        return [(a, False) for a in (results if equation.primitive.multiple_results else [results])]
    if name in ELEMENTWISE:
        return [(_elementwise(equation, values, mapped), True)]
    models = next(a.shape[-1] for a, has in zip(values, mapped, strict=True) if has)
    return [(_RULES[name](params, values, mapped, models), True)]


def _with_lanes(a: Any, models: int) -> jax.Array:
    """An array whose last axis is 1 long, for all models."""
    return jnp.broadcast_to(a, (*a.shape[:-1], models))


def _elementwise(equation, values: Sequence[Any], mapped: Sequence[bool]) -> jax.Array:
    shape = equation.outvars[0].aval.shape
    models = next(a.shape[-1] for a, has in zip(values, mapped, strict=True) if has)
    whole = []
    for a, has in zip(values, mapped, strict=True):
        a = a if has else jnp.asarray(a)[..., None]
        a = a.reshape((1,) * (len(shape) + 1 - a.ndim) + a.shape)  # one number that decides on a whole array
        whole.append(jnp.broadcast_to(a, (*shape, models)))
    return equation.primitive.bind(*whole, **equation.params)


def _product(params, values, mapped, models) -> jax.Array:
    """A product of two arrays over one axis, as a sum of outer products."""
    ((left,), (right,)), (batch, _) = params["dimension_numbers"]
    if batch:
        raise NotImplementedError("a batched product in the step of a model")
    a, b = (v if has else v[..., None] for v, has in zip(values, mapped, strict=True))
    a, b = jnp.moveaxis(a, left, 0), jnp.moveaxis(b, right, 0)
    ours, theirs = a.ndim - 2, b.ndim - 2
    a = a.reshape(*a.shape[:-1], *(1,) * theirs, a.shape[-1])
    b = b.reshape(b.shape[0], *(1,) * ours, *b.shape[1:])
    return _sum([a[i] * b[i] for i in range(a.shape[0])])


def _reduce_sum(params, values, mapped, models) -> jax.Array:
    total = values[0]
    for axis in sorted(params["axes"], reverse=True):
        total = _sum([lax.index_in_dim(total, i, axis, keepdims=False) for i in range(total.shape[axis])])
    return total


def _sum(terms: list[jax.Array]) -> jax.Array:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _broadcast_in_dim(params, values, mapped, models) -> jax.Array:
    places = (*params["broadcast_dimensions"], len(params["shape"]))
    return lax.broadcast_in_dim(values[0], (*params["shape"], models), places)


#: The operations that have axes: parameters, values, which of them have an axis of models, number of models.
_RULES: dict[str, Callable[..., jax.Array]] = {
    "dot_general": _product,
    "reduce_sum": _reduce_sum,
    "broadcast_in_dim": _broadcast_in_dim,
    "reshape": lambda params, values, mapped, models: values[0].reshape(*params["new_sizes"], models),
    "squeeze": lambda params, values, mapped, models: lax.squeeze(values[0], params["dimensions"]),
    "transpose": lambda params, values, mapped, models: lax.transpose(
        values[0], (*params["permutation"], values[0].ndim - 1)
    ),
    "slice": lambda params, values, mapped, models: lax.slice(
        values[0],
        (*params["start_indices"], 0),
        (*params["limit_indices"], models),
        None if params["strides"] is None else (*params["strides"], 1),
    ),
}

_PLAIN = ELEMENTWISE | _RULES.keys()
