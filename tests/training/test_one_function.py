"""Tiny models whose pass over the data is one function of the thread."""

import jax
import numpy as np
import pytest

import latentome as lt
from latentome.training import engine, one_function
from latentome.training.live import read_live
from latentome.training.order import seed_word
from latentome.training.state import read_state

pytestmark = [
    pytest.mark.skipif(jax.default_backend() != "cpu", reason="functions of a processor"),
    pytest.mark.skipif(jax.__version_info__[:2] not in one_function.RELEASES, reason="not known with this JAX"),
]


def deep(**changed):
    arguments = {"hidden": (3,), "code_activation": "sigmoid", "validation_fraction": 0.0, "batch_size": 32}
    return lt.DeepAutoencoder(2, **{**arguments, "max_epochs": 6, "random_state": 0, **changed})


def compiled_text(estimator) -> str:
    """What the compiler makes of the training of `estimator`."""
    x = lt.datasets.load("blobs").X[:70]
    estimator.seed_ = 0
    (fit,) = estimator._prepare_fit(x)
    program = engine.program_for(fit.model, estimator.batch_size, True)
    rows = np.arange(len(x), dtype=np.int32)
    sample = engine.Sample(rows, rows[:0], seed_word(0), np.int32(1), read_live(fit.model))
    limits = engine.Limits(1, 1, 0)
    return program.run.lower(read_state(fit.model), x, sample, 0, limits).compile().as_text()


def functions(text: str) -> int:
    """How many calls of functions of ours are in a program."""
    return sum(" call(" in line and 'inlineable="false"' in line for line in text.splitlines())


def test_order_and_pass_of_a_tiny_model_are_functions_without_the_library_of_products():
    text = compiled_text(deep())
    assert functions(text) == 2
    assert "ynn" not in text


def test_a_pass_that_draws_noise_is_none():
    assert functions(compiled_text(lt.DenoisingAutoencoder(2, batch_size=32, random_state=0))) == 1  # the order


@pytest.mark.parametrize("other", [{"hidden": (128,)}, {"batch_size": 65}, {"precision": "bfloat16"}])
def test_larger_models_run_their_operations(other):
    assert functions(compiled_text(deep(**other))) == 0


def test_an_argument_that_nothing_needs_does_not_end_the_process():
    def run(a, unused):
        return jax.numpy.sin(a) + unused * 0  # what the compiler sees, and JAX does not

    sine = jax.jit(lambda a, b: one_function.in_one_function(run)(a, b))(np.float32(0.5), np.int32(2))
    assert sine == pytest.approx(np.sin(0.5), rel=1e-6)


def test_the_parts_of_a_computation_are_looked_at_in_loops_and_names_too():
    plain = one_function.ELEMENTWISE | {"scan"}

    def parts(run):
        return one_function.consists_of(jax.make_jaxpr(run)(np.float32(1.0)).jaxpr, plain)

    def loop(inner):
        return lambda a: jax.lax.scan(lambda c, _: (inner(c), None), a, length=3)[0]

    assert parts(loop(jax.jit(lambda a: jax.numpy.sin(a) * 2)))
    assert not parts(loop(jax.jit(lambda a: jax.numpy.sort(a[None])[0])))
