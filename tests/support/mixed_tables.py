"""A table with columns of every kind, and encoders of it."""

import json

from safetensors.numpy import load, save

from gpunet.tables import TableEncoder

M = 40


MIXED = {
    "size": [round(0.37 * k - 3, 2) if k % 9 else None for k in range(M)],
    "color": [("red", "green", "blue", None)[k % 4] for k in range(M)],
    "city": [f"city {k % 13}" for k in range(M)],
    "wild": [(True, False)[k % 3 == 0] for k in range(M)],
    "day": [f"2024-{1 + k % 12:02d}-{1 + k % 28:02d} {k % 24}:30" for k in range(M)],
    "clock": [f"{k % 24}:15" for k in range(M)],
    "zip": [("02139", "10001")[k % 2] for k in range(M)],
    "unit": ["cm"] * M,
    "id": list(range(M)),
}


def fitted(**options):
    return TableEncoder(one_hot_limit=10, **options).fit(MIXED)


def restored(encoder):
    """The encoder after its state went through JSON and safetensors."""
    description, arrays = encoder.to_state()
    return TableEncoder.from_state(json.loads(json.dumps(description)), load(save(arrays)))
