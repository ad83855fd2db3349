from __future__ import annotations

import pytest

from latentome.pl import style

#: Read before any test begins: elsewhere figures are saved in fewer dots.
SHIPPED = style._RC["savefig.dpi"]


@pytest.fixture(scope="module", autouse=True)
def _figures_as_shipped():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(style._RC, "savefig.dpi", SHIPPED)
        yield
