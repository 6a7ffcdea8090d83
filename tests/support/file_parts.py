"""The description and the arrays of a network's file, and files made of others, with a right digest."""

import json


def parts_of(path):
    """The arrays of a file by name, and its description."""
    from gpunet.files.tensor_file import from_bytes

    text, tensors = from_bytes(path.read_bytes(), path)
    return tensors, json.loads(text)


def write_parts(path, text, tensors, version="gpunet-2"):
    """Write a file of this text and these arrays."""
    from safetensors.numpy import save_file

    from gpunet.files.tensor_file import sha256

    save_file(tensors, path, {"format": version, "network": text, "sha256": sha256(text, tensors)})
