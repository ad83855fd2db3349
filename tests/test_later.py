"""What is loaded later is loaded whole at its first use, and not before."""

import subprocess
import sys

LATER = """
import sys
from latentome._later import load_later
load_later()
import matplotlib.pyplot as plt
assert "matplotlib.figure" not in sys.modules, "loaded at its import"
figure = plt.figure()
assert figure in map(plt.figure, plt.get_fignums())
import matplotlib.pyplot
assert matplotlib.pyplot.figure is plt.figure
assert type(matplotlib.pyplot) is type(sys), "the module itself"
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
from latentome._later import load_later
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


IN_A_BLOCK = """
import sys, types
import latentome
latentome.estimators
assert "matplotlib.figure" not in sys.modules
assert "scipy.stats" not in sys.modules
assert "matplotlib.pyplot" not in sys.modules
from keras.src.visualization import plot_image_gallery
stand_in = plot_image_gallery.plt
import matplotlib
assert "pyplot" not in vars(matplotlib)
import matplotlib.pyplot as plt
import scipy.stats
assert type(plt) is type(scipy.stats) is types.ModuleType
assert stand_in.figure is plt.figure
assert not [finder for finder in sys.meta_path if type(finder).__module__ == "latentome._later"]
"""


def test_whoever_imports_one_after_us_gets_the_module():
    done = subprocess.run([sys.executable, "-c", IN_A_BLOCK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


IN_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from latentome._later import loaded_later
with loaded_later():
    import scipy.stats
    stand_in = sys.modules["scipy.stats"]
at_once = Barrier(8)
def ask(i):
    at_once.wait()
    return stand_in.rankdata if i % 2 else __import__("scipy.stats", fromlist=["rankdata"]).rankdata
with ThreadPoolExecutor(8) as pool:
    assert len(set(pool.map(ask, range(8)))) == 1
"""


def test_threads_that_ask_at_once_get_one_module():
    done = subprocess.run([sys.executable, "-c", IN_THREADS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
