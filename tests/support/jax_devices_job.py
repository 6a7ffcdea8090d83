"""What test_all_devices.py runs in a process with four devices; prints what it finds as JSON."""

import json

import jax
import numpy as np

import gpunet as gn
import random_plans
from gpunet.devices.placement import Placement

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(203, 7)).astype("float32"), RNG.integers(0, 4, 203)


def fitted(backend):
    layers = [gn.Dense(9, "tanh"), gn.Dropout(0.3), gn.Dense(4, "softmax")]
    net = gn.Network(layers, seed=3, backend=backend)
    history = net.fit(
        *(X, Y),
        **{"batch_size": 20, "epochs": 3},  # 203 = 10 · 20 + 3
        sample_weight=np.linspace(0.5, 2, len(X)),
        optimizer=gn.Adam(0.02, clip_norm=0.5),
    )
    return net, history


def collectives(device):
    """Whether an epoch's program on a device adds over several."""
    plan = random_plans.plan_of("wide", gn.Adam(), 25, "float32")
    backend = gn.get_backend("jax")
    placement = Placement(backend, device)
    inputs = random_plans.map_arrays(placement.to_device, random_plans.draw(plan))
    program, _ = backend.program_for(plan, device)
    return "all-reduce" in program.epoch.lower(*inputs).compile().as_text()


if __name__ == "__main__":
    one, _ = fitted("jax")
    four, history = fitted("jax:all")
    pairs = zip(one.parameters, four.parameters, strict=True)
    weights = four.parameters[0][0]
    print(
        json.dumps(
            {
                "devices": gn.get_backend("jax").devices(),
                "ran on": history.device,
                "difference": max(
                    float(np.abs(np.asarray(a) - np.asarray(b)).max())
                    for pair in pairs
                    for a, b in zip(*pair, strict=True)
                ),
                "copies": len(weights.devices()),
                "adds over devices": [collectives(device) for device in ("cpu", "all")],
                "predicts": len(four.predict(X[:5])),
                "moved": gn.get_backend("jax").device_of(gn.get_backend("jax").move(weights, "cpu:2")),
                "of all": gn.get_backend("jax").device_of(
                    gn.get_backend("jax").move(jax.numpy.ones(3), "all")
                ),
            }
        )
    )
