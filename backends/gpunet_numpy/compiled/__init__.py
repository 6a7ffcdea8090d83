"""The NumPy backend's compiled programs: numba kernels that run whole epochs on all cores.

``README.md`` says how to read and change them. To read from the bottom up: `views` and `intrinsics` (what numba
lacks), `simd` (weighted sums of rows in registers), `gemv`, `math`, `updates`, `sparse` (examples as rows or CSR),
`first_layer`, `layers`, then the kernels `minibatch`, `blocked`, `columns`, `tiny` and `predict`, each with its
program: the host's side. `layout` and `data` say how parameters and examples lie for them, and `threads` runs them.
"""
