"""TCGA barcodes: which patient, which sample, tumour or normal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# The code table of the TCGA, as in cognoma/cancer-data.
SAMPLE_TYPES = {
    "01": "Primary Solid Tumor",
    "02": "Recurrent Solid Tumor",
    "03": "Primary Blood Derived Cancer - Peripheral Blood",
    "04": "Recurrent Blood Derived Cancer - Bone Marrow",
    "05": "Additional - New Primary",
    "06": "Metastatic",
    "07": "Additional Metastatic",
    "08": "Human Tumor Original Cells",
    "09": "Primary Blood Derived Cancer - Bone Marrow",
    "10": "Blood Derived Normal",
    "11": "Solid Tissue Normal",
    "12": "Buccal Cell Normal",
    "13": "EBV Immortalized Normal",
    "14": "Bone Marrow Normal",
    "15": "sample type 15",
    "16": "sample type 16",
    "20": "Control Analyte",
    "40": "Recurrent Blood Derived Cancer - Peripheral Blood",
    "50": "Cell Lines",
    "60": "Primary Xenograft Tissue",
    "61": "Cell Line Derived Xenograft Tissue",
    "99": "sample type 99",
}

# Patient; then, where present, sample type and vial, portion and analyte, plate, centre. R turns the dashes into dots.
_BARCODE = re.compile(
    r"TCGA[-.](?P<site>[A-Z0-9]{2})[-.](?P<person>[A-Z0-9]{4})"
    r"(?:[-.](?P<code>\d{2})(?:[A-Z](?:[-.]\d{2}[A-Z]?(?:[-.][A-Z0-9]{4}(?:[-.]\d{2})?)?)?)?)?",
    re.IGNORECASE,
)


def looks_like_barcode(name: str) -> bool:
    """Say whether a name is a TCGA barcode (of 12, 15, 16 or up to 28 characters).

    Parameters
    ----------
    name
        A name of a sample, in upper or lower case, with dashes or dots.
    """
    return _BARCODE.fullmatch(str(name).strip()) is not None


def parse_barcodes(names: Iterable[str]) -> pd.DataFrame:
    """Read patient, sample and sample type from TCGA barcodes.

    Parameters
    ----------
    names
        Barcodes such as ``TCGA-OR-A5J1-01A-11R-A29S-07``, whole or cut to 16, 15 or 12 characters, with dashes or dots,
        in upper or lower case. Other names are allowed.

    Returns
    -------
    A frame indexed by `names`, in their order, with the columns ``patient`` (``TCGA-OR-A5J1``), ``sample``
    (``TCGA-OR-A5J1-01``), ``sample_type_code`` (``01``) and ``sample_type`` (``Primary Solid Tumor``). None where the
    name does not tell: everywhere if it is no barcode, the last three if it is a patient's.
    """
    import pandas as pd

    names = [str(name) for name in names]
    rows = [_parse(name) for name in names]
    columns = ["patient", "sample", "sample_type_code", "sample_type"]
    return pd.DataFrame(rows, index=pd.Index(names, dtype=object), columns=columns, dtype=object)


def _parse(name: str) -> tuple[str | None, str | None, str | None, str | None]:
    match = _BARCODE.fullmatch(name.strip())
    if match is None:
        return None, None, None, None
    patient = f"TCGA-{match['site']}-{match['person']}".upper()
    code = match["code"]
    return patient, f"{patient}-{code}" if code else None, code, SAMPLE_TYPES.get(code)
