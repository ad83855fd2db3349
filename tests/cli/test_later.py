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
import json.tool
assert type(json.tool).__name__ == "module", "other modules are loaded as ever"
"""


def test_pyplot_is_loaded_at_its_first_use():
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
