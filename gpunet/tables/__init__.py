"""Tables: cells of any kind to columns of numbers, and back to words.

`table` holds what a file or a DataFrame said, as it was written; `reading` decides what the cells of a column
mean; `encoder` turns columns into inputs, and `target` turns the target column into classes or values. A text
file passes `text` (bytes to text), `delimited` (text to cells) and `header`; a DataFrame passes `frames`.
"""

from gpunet.tables.encoder import TableEncoder
from gpunet.tables.table import Table
from gpunet.tables.target import Target

__all__ = ["Table", "TableEncoder", "Target"]
