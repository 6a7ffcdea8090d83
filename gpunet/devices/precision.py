"""Whether a network can be trained with the precision that was asked for."""

from __future__ import annotations

from gpunet.devices.placement import Placement


def require_precision(precision: str, dtype: str, placement: Placement) -> None:
    """Check a known precision.

    Raises
    ------
    ValueError
        If the network is not float32, or the device does not have it.
    """
    if precision == "float32":
        return
    if dtype != "float32":
        raise ValueError(
            f"precision={precision!r} is for float32 networks, this one has dtype={dtype!r}. Give it "
            "dtype='float32', or leave precision out."
        )
    backend, device = placement
    offered = backend.precisions(device)
    if precision not in offered:
        raise ValueError(
            f"precision={precision!r} is not available here: backend {backend.name!r} on {device} offers "
            f"{', '.join(offered)}. It needs matrix units: cupy, torch or jax on an NVIDIA GPU of compute "
            "capability 8.0 or later (Ampere), or jax on a TPU. Leave precision out for float32."
        )
