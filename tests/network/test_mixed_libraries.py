"""Arrays of one call from different libraries: the message names each of them."""

import numpy as np
import pytest

import gpunet as gn
from small_networks import small_data


@pytest.mark.parametrize("call", ["fit", "evaluate", "gradients"])
@pytest.mark.parametrize("other", ["X", "y", "sample_weight"])
def test_the_message_names_the_arguments_and_their_libraries(rng, call, other):
    X, y = small_data(rng)
    arrays = {"X": X, "y": y, "sample_weight": np.ones(len(X), "float32")}
    arrays[other] = gn.get_backend("readonly").from_host(arrays[other], "cpu")
    net = gn.Network([gn.Dense(4, "softmax")], inputs=X.shape[1], seed=0)
    listed = ", ".join(f"{name} in {'readonly' if name == other else 'numpy'} on cpu" for name in arrays)
    more = {"epochs": 1, "batch_size": None} if call == "fit" else {}
    with pytest.raises(ValueError, match=f"got {listed}\\."):
        getattr(net, call)(**arrays, **more)
