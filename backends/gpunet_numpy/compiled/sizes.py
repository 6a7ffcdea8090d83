"""Sizes, most of them in bytes, that the programs and their kernels share."""

CACHE_LINE = 64
WIDEST = 512  # of a row whose sum stays in registers: half of those of AVX-512, all that AVX2 has
TILE = 256  # of a row of a tile of a product, at most
DEPTH = 128  # terms of a product's sums that are added up at a time
NARROW = 4  # columns or rows of a product: with fewer most of a tile would be empty, and BLAS takes them
