"""What is loaded later is loaded whole at its first use, and not before."""

import subprocess
import sys

LATER = """
import sys
from latentome.cli.later import load_later
load_later()
import matplotlib.pyplot as plt
assert "matplotlib.figure" not in sys.modules, "loaded at its import"
figure = plt.figure()
assert figure in map(plt.figure, plt.get_fignums())
import matplotlib.pyplot
assert matplotlib.pyplot is plt
import sklearn.base
import scipy.stats
assert type(sys.modules["scipy.stats"]).__name__ == "Later", "loaded at its import"
from scipy.stats import rankdata
assert list(rankdata([3, 1])) == [2, 1]
assert "scipy.stats._stats_py" in sys.modules
import json.tool
assert type(json.tool).__name__ == "module", "other modules are loaded as ever"
"""


def test_they_are_loaded_at_their_first_use():
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PRESSED = """
import sys
from latentome.cli.later import load_later
load_later()
class Press:
    def find_spec(name, path=None, target=None):
        if name == "scipy.stats._stats_py":
            raise KeyboardInterrupt("pressed")
sys.meta_path.insert(0, Press)
import scipy.stats
import sklearn.metrics  # uses it
"""


def test_an_interruption_while_one_is_loaded_is_not_lost():
    done = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True)
    assert done.stderr.endswith("KeyboardInterrupt: pressed\n")
