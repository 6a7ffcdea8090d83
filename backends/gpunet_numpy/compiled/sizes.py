"""Sizes in bytes that the programs and their kernels share."""

CACHE_LINE = 64
WIDEST = 512  # of a row whose sum stays in registers: half of those of AVX-512, all that AVX2 has
