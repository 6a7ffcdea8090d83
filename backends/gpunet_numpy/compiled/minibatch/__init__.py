"""Mini-batch and full-batch descent on all threads."""
