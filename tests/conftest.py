"""Imported before any test module, some of which import Keras first: latentome has to select the backend before."""

import atexit
import gc
import os
import re
import shutil
import tempfile
from importlib.metadata import version

# Half of the tests' time would go into optimising programs that then run for milliseconds. What is tested does not
# depend on it; JAX_DISABLE_MOST_OPTIMIZATIONS=0 tests the programs as they are shipped.
if os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") != "0":
    # The older emitters of fused loops compile in half the time, and a program in one part faster, too. XLA does not
    # start with a flag that it does not know: these are known from jaxlib 0.6 on, up to 0.10 and 0.12.
    release = re.match(r"0\.(\d+)\.", version("jaxlib"))
    for flag, last in (("xla_cpu_use_fusion_emitters=false", 10), ("xla_cpu_parallel_codegen_split_count=1", 12)):
        flags = os.environ.get("XLA_FLAGS", "")
        if release and 6 <= int(release[1]) <= last and flag.partition("=")[0] not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} --{flag}".lstrip()

# Two workers on two cores, each with as many threads as cores for its linear algebra, wait for each other.
if "OMP_NUM_THREADS" not in os.environ:
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# Compiled programs are shared between the tests of one session and with nothing else.
if "LATENTOME_CACHE" not in os.environ:
    os.environ["LATENTOME_CACHE"] = tempfile.mkdtemp(prefix="latentome-programs-")
    atexit.register(shutil.rmtree, os.environ["LATENTOME_CACHE"], ignore_errors=True)

import pytest

import latentome  # noqa: F401

#: Dots to an inch of a figure that only has to be written: fewer are saved faster.
COARSE = 75


@pytest.fixture(scope="session", autouse=True)
def _coarse_figures():
    """Figures of runs, reports and sweeps in few dots; tests/pl and the course draw them as they are shipped."""
    from latentome.pl import style

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(style._RC, "savefig.dpi", COARSE)
        yield


def pytest_collection_finish():
    """The modules stay to the end: they need not be searched for garbage at every collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 10, 10)
