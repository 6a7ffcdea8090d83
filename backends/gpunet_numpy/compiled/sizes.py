"""Sizes, most of them in bytes, that the programs and their kernels share."""

import platform

ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
CACHE_LINE = 64
# Of a row whose sum stays in registers: half of those of AVX-512, all that AVX2 has, half of ARM's. (AVX2 multiplies
# numbers in memory; ARM loads them into registers first.)
WIDEST = 512 if ON_X86 else 256
TILE = 256  # of a row of a tile of a product, at most
DEPTH = 128  # terms of a product's sums that are added up at a time
NARROW = 4  # columns or rows of a product: with fewer most of a tile would be empty, and BLAS takes them
