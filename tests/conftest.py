"""Imported before any test module, some of which import Keras first: latentome has to select the backend before."""

import latentome  # noqa: F401
