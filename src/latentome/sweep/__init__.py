"""Many trainings: in one compiled program, on local processes, on a Dask cluster."""

from latentome.sweep.cluster import Cluster
from latentome.sweep.grid import Span
from latentome.sweep.named import NAMED, named
from latentome.sweep.request import Configuration, SweepRequest
from latentome.sweep.run import Sweep, run, run_request

__all__ = ["NAMED", "Cluster", "Configuration", "Span", "Sweep", "SweepRequest", "named", "run", "run_request"]
