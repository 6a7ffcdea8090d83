"""``gpunet export``: a saved network as a file for other tools."""

from __future__ import annotations

from argparse import Namespace

from gpunet.cli.saved import saved_network

ENDINGS = (".onnx",)


def export(options: Namespace) -> None:
    """Read the network and write the file that the ending asks for."""
    if options.out.suffix.lower() not in ENDINGS:
        raise ValueError(f"expected a file that ends in {' or '.join(ENDINGS)}, got {options.out}")
    if options.out.exists() and options.out.samefile(options.net):
        raise ValueError(f"{options.out} is the saved network itself: give the export another name")
    saved_network(options, "numpy").to_onnx(options.out)
    print(f"saved: {options.out}")
