"""The lecture's formulas, pure and on any Array API namespace: parameters in, values out.

To read in this order: `activations`, `losses`, `initializers`, `propagation`, `optimizers`, `reference`.
"""
