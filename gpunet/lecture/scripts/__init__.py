"""The scripts of the experiments. Each runs alone, with NumPy and gpunet."""
