"""The kinds of columns, by name."""

from __future__ import annotations

from gpunet.tables.category_column import Category
from gpunet.tables.column import Column
from gpunet.tables.date_column import Date, Time
from gpunet.tables.number_column import Boolean, Number

COLUMNS: dict[str, type[Column]] = {kind.kind: kind for kind in (Number, Category, Boolean, Date, Time)}
