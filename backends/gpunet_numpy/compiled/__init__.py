"""The NumPy backend's compiled programs: numba kernels that run whole epochs on all cores.

Every thread runs the same kernel on its share of the work and meets the others at barriers. Products are single-
threaded calls of the BLAS that SciPy carries, so that no second pool of threads gets in the way; elementwise work is
done by whichever thread has the numbers in its cache; and numbers that are 0 are not multiplied with.

To read from the bottom up: `machine` (addresses, barriers, BLAS), `tiles` (sums of scaled rows in registers), `inputs`
(examples as rows or lists), `first_layer`, then the kernels `batches`, `blocks`, `steps` and `forward`. Each has its
host's side in a file called `…_program`; `layout` and `data` say how parameters and examples lie for them.

Compiled code is kept in ``__pycache__``. numba notices that a kernel's own file has changed, but not a file that it
imports: after editing one, delete ``backends/gpunet_numpy/compiled/__pycache__``.
"""
