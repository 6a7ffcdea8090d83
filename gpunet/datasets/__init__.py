"""Data sets: published images, the lecture's generated images, and the user's own files.

Rows are examples. All loaders but `read_table` and `read_rows` return a `Dataset`; images become rows of numbers from 0
to 1 (C1), except in `.npy` files, which are taken as they are.
"""

from gpunet.datasets.arrays import load, read_rows
from gpunet.datasets.dataset import Dataset
from gpunet.datasets.digits import digits
from gpunet.datasets.mnist import fashion, mnist
from gpunet.datasets.needles import needles
from gpunet.datasets.shuffling import shuffle
from gpunet.datasets.table_files import read_table

__all__ = ["Dataset", "digits", "fashion", "load", "mnist", "needles", "read_rows", "read_table", "shuffle"]
