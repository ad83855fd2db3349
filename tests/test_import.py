"""Importing the package selects the JAX backend, or says why it cannot."""

import subprocess
import sys

KERAS_ON_TORCH = """
import sys, types
keras = types.ModuleType("keras")
keras.config = types.SimpleNamespace(backend=lambda: "torch")
sys.modules["keras"] = keras
import latentome
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_keras_on_another_backend_is_refused_with_the_remedy():
    done = run(KERAS_ON_TORCH)
    assert done.returncode != 0
    assert "imported before with 'torch'" in done.stderr
    assert "import latentome before keras" in done.stderr


def test_the_backend_is_jax_whatever_the_environment_says():
    code = "import os; os.environ['KERAS_BACKEND'] = 'torch'; import latentome, keras; print(keras.config.backend())"
    done = run(code)
    assert done.stdout.strip() == "jax", done.stderr


def test_unknown_names_are_refused_as_python_does():
    done = run("import latentome; latentome.VariationalAutoencoderr")
    assert "has no attribute 'VariationalAutoencoderr'" in done.stderr


def test_the_search_for_garbage_goes_on_after_an_import_as_before():
    code = "import gc, latentome; {}; latentome.datasets; print(gc.isenabled())"
    assert run(code.format("pass")).stdout.split() == ["True"]
    assert run(code.format("gc.disable()")).stdout.split() == ["False"]


def test_what_is_imported_first_is_not_searched_again():
    code = "import gc, latentome; {}; latentome.estimators; print(gc.get_freeze_count() > 50_000)"
    assert run(code.format("pass")).stdout.split() == ["True"]
    assert run(code.format("gc.disable()")).stdout.split() == ["False"]  # its owner has other plans


def test_objects_of_the_user_stay_under_search():
    """A cycle that is dropped is freed, whether it was made between two imports or in a process that holds much."""
    code = """
import gc, weakref
import latentome
class Node: pass
{before}
node = Node(); node.itself = node; seen = weakref.ref(node)
{after}
del node; gc.collect(); print(seen() is None)
"""
    between = code.format(before="latentome.datasets", after="latentome.estimators")
    much = code.format(before="import anndata", after="latentome.estimators")
    for case in (between, much):
        assert run(case).stdout.split() == ["True"], case
