"""What a column is while it is read: a Polars Series, imported when used."""

from __future__ import annotations

from typing import Any

Series = Any
Frame = Any
