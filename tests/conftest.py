"""Imported before any test module, some of which import Keras first: latentome has to select the backend before."""

import os
import tempfile

import latentome  # noqa: F401

# Compiled programs are shared between the tests of one session and with nothing else.
os.environ.setdefault("LATENTOME_CACHE", tempfile.mkdtemp(prefix="latentome-programs-"))
