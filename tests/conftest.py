"""Imported before any test module, some of which import Keras first: latentome has to select the backend before."""

import os
import tempfile

# Half of the tests' time would go into optimising programs that then run for milliseconds. What is tested does not
# depend on it; JAX_DISABLE_MOST_OPTIMIZATIONS=0 tests the programs as they are shipped.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# Compiled programs are shared between the tests of one session and with nothing else.
os.environ.setdefault("LATENTOME_CACHE", tempfile.mkdtemp(prefix="latentome-programs-"))

import latentome  # noqa: F401
