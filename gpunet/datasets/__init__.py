"""Data sets: published images, the lecture's generated images, and the user's own files.

Every loader but `read_table` returns a `Dataset`: rows are examples; images become rows of numbers from 0 to 1 (C1).
"""

from gpunet.datasets.arrays import load, read_rows
from gpunet.datasets.dataset import Dataset
from gpunet.datasets.digits import digits
from gpunet.datasets.mnist import fashion, mnist
from gpunet.datasets.needles import needles
from gpunet.datasets.shuffling import shuffle
from gpunet.datasets.table_files import read_table

__all__ = ["Dataset", "digits", "fashion", "load", "mnist", "needles", "read_rows", "read_table", "shuffle"]
