"""Which activations another tool can be given."""

from __future__ import annotations

from gpunet.core.activations import ACTIVATIONS, Activation, ActivationLike
from gpunet.core.layers import Dense
from gpunet.files.saved_network import SavedNetwork


def known_activations(
    saved: SavedNetwork, reason: str, also: tuple[Activation, ...] = ()
) -> list[ActivationLike]:
    """The activation of each dense layer.

    Parameters
    ----------
    saved : SavedNetwork
    reason : str
        Why one of the user's own can't be exchanged.
    also : tuple of Activation
        Those outside of gpunet's table that can be.

    Raises
    ------
    ValueError
        If one is the user's own.
    """
    activations = []
    for layer in saved.layers:
        if not isinstance(layer, Dense):
            continue
        if not isinstance(layer.activation, str) and layer.activation not in also:
            raise ValueError(
                f"{reason}, and {layer.activation.name!r} is an activation of your own: take one of gpunet's, "
                f"{', '.join(ACTIVATIONS)}"
            )
        activations.append(layer.activation)
    return activations
