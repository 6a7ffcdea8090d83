"""Speed of gpunet beside its peers: ``pytest benchmarks --backend numpy``, then ``python -m benchmarks.report``."""
