"""Data to learn from: pictures that are known everywhere, the lecture's own, and files of yours.

Every loader returns a `Dataset`: rows are examples, images are rows of fractions (claim C1).
"""

from gpunet.datasets.dataset import Dataset
from gpunet.datasets.digits import digits
from gpunet.datasets.mnist import fashion, mnist
from gpunet.datasets.needles import needles
from gpunet.datasets.tables import load, read_rows

__all__ = ["Dataset", "digits", "fashion", "load", "mnist", "needles", "read_rows"]
