"""The claims C1 to C22, as ``CLAIMS.md`` lists them."""

from __future__ import annotations

import functools
import re
from pathlib import Path


@functools.cache
def claim_titles() -> dict[str, str]:
    """Number and title of each claim, such as ``"C1": "An image is a vector"``."""
    text = Path(__file__).with_name("CLAIMS.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^### (C\d+) (.+)$", text, flags=re.M))
