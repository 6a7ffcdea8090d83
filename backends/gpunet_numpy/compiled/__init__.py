"""The NumPy backend's compiled programs: numba kernels that run whole epochs on all cores.

Every thread runs the same kernel on its share of the work and meets the others at barriers. Products are single-
threaded calls of the BLAS that SciPy carries, so that no second pool of threads gets in the way, and
elementwise work is done by whichever thread has the numbers in its cache.

Compiled code is kept in ``__pycache__``. numba notices that a kernel's own file has changed, but not a file that it
imports: after editing one, delete ``backends/gpunet_numpy/compiled/__pycache__``.
"""
