"""Which activations another tool can be given."""

from __future__ import annotations

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.layers import Dense
from gpunet.files.network_file import SavedNetwork


def known_activations(saved: SavedNetwork, reason: str) -> list[str]:
    """The activation of each dense layer, by name.

    Parameters
    ----------
    saved : SavedNetwork
    reason : str
        Why one of the user's own can't be exchanged.

    Raises
    ------
    ValueError
        If one is the user's own.
    """
    names = []
    for layer in saved.layers:
        if not isinstance(layer, Dense):
            continue
        if not isinstance(layer.activation, str):
            raise ValueError(
                f"{reason}, and {layer.activation.name!r} is an activation of your own: take one of gpunet's, "
                f"{', '.join(ACTIVATIONS)}"
            )
        names.append(layer.activation)
    return names
