"""Gradients and ten-step courses against PyTorch's autograd and optimizers; gradients against jax.grad."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

import core_checks as checks
import gpunet as gn
from gpunet.core.propagation import cost_and_gradients

HIDDEN = [
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "silu",
    "gelu",
    "mish",
]
OUTPUTS = [
    ("sigmoid", "logistic"),
    ("softmax", "cross_entropy"),
    ("identity", "squared_error"),
    ("softmax", "squared_error"),
    ("tanh", "absolute_error"),
    ("softplus", "squared_error"),
]


def random_network(seed):
    """Sizes, activations, loss, parameters and data of a network drawn at random; rows as examples."""
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(2, 9, size=rng.integers(3, 6))]
    output, loss = OUTPUTS[seed % len(OUTPUTS)]
    activations = [*(str(g) for g in rng.choice(HIDDEN, size=len(sizes) - 2)), output]
    parameters = [
        (rng.standard_normal((n, k)) / np.sqrt(k), 0.3 * rng.standard_normal((n, 1)))
        for k, n in itertools.pairwise(sizes)
    ]
    m = int(rng.integers(5, 20))
    X = rng.standard_normal((m, sizes[0]))
    if loss == "cross_entropy":
        Y = np.eye(sizes[-1])[rng.integers(sizes[-1], size=m)]
    elif loss == "logistic":
        Y = rng.integers(2, size=(m, sizes[-1])).astype(float)
    elif output == "softmax":
        Y = rng.dirichlet(np.ones(sizes[-1]), m)
    else:
        Y = rng.uniform(0.05, 0.95, (m, sizes[-1]))
    return sizes, activations, loss, parameters, X, Y


def network(sizes, activations, loss, parameters, backend="numpy", seed=0):
    layers = [gn.Dense(n, g) for n, g in zip(sizes[1:], activations, strict=True)]
    net = gn.Network(layers, loss=loss, inputs=sizes[0], seed=seed, backend=backend, dtype="float64")
    net.set_parameters(parameters)
    return net


# --- PyTorch ------------------------------------------------------------------------------------


def torch_cost(torch, activations, loss, tensors, X, Y, weights=None):
    """J as a PyTorch user would write it, from PyTorch's own functions; rows as examples."""
    f = torch.nn.functional
    functions = {
        "identity": lambda z: z,
        "gelu": lambda z: f.gelu(z, approximate="tanh"),
        "softplus": lambda z: f.softplus(z, threshold=1e9),
        "softmax": lambda z: f.softmax(z, dim=1),
    }
    A = torch.tensor(X)
    Y = torch.tensor(Y)
    for (W, b), name in zip(tensors, activations, strict=True):
        Z = f.linear(A, W, b[:, 0])
        A = (functions.get(name) or getattr(f, name))(Z)
    if loss == "logistic":
        L = f.binary_cross_entropy_with_logits(Z, Y, reduction="none").sum(dim=1)
    elif loss == "cross_entropy":
        L = f.cross_entropy(Z, Y, reduction="none")
    elif loss == "squared_error":
        L = 0.5 * f.mse_loss(A, Y, reduction="none").sum(dim=1)
    else:
        L = f.l1_loss(A, Y, reduction="none").sum(dim=1)
    return (L if weights is None else L * torch.tensor(weights)).mean()


def leaves(torch, parameters):
    return [tuple(torch.tensor(p, requires_grad=True) for p in layer) for layer in parameters]


@pytest.mark.parametrize("seed", range(18))
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_autograds(seed, weighted):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    sizes, activations, loss, parameters, X, Y = random_network(seed)
    weights = np.random.default_rng(seed).uniform(0, 2, len(X)) if weighted else None
    tensors = leaves(torch, parameters)
    true = torch_cost(torch, activations, loss, tensors, X, Y, weights)
    true.backward()
    J, gradients = network(sizes, activations, loss, parameters).gradients(X, Y, sample_weight=weights)
    assert pytest.approx(true.item(), rel=1e-12) == J
    for pair, layer in zip(gradients, tensors, strict=True):
        for g, leaf in zip(pair, layer, strict=True):
            assert_allclose(g, leaf.grad.numpy(), rtol=1e-9, atol=1e-13)


def _adam(**more):
    return lambda torch, p: torch.optim.Adam(p, lr=0.01, **more)


def _sgd(rate, **more):
    return lambda torch, p: torch.optim.SGD(p, lr=rate, **more)


def _rmsprop(rate=0.01, **more):
    return lambda torch, p: torch.optim.RMSprop(p, lr=rate, **{"alpha": 0.9, **more})


# gpunet's rule, PyTorch's, λ that is applied by hand on the PyTorch side (as W ← (1 − αλ) W), longest gradient.
# gpunet's momentum has the factor 1 − β of the lecture, so PyTorch's rate is α (1 − β) (C20).
RULES = {
    "gradient descent": (gn.GradientDescent(0.2), _sgd(0.2), 0.0, None),
    "momentum": (gn.GradientDescent(0.2, momentum=0.9), _sgd(0.2 * 0.1, momentum=0.9), 0.0, None),
    "nesterov": (
        gn.GradientDescent(0.2, momentum=0.8, nesterov=True),
        _sgd(0.2 * 0.2, momentum=0.8, nesterov=True),
        0.0,
        None,
    ),
    "adam": (gn.Adam(0.01), _adam(), 0.0, None),
    "adam, other betas": (
        gn.Adam(0.01, beta1=0.7, beta2=0.95, epsilon=1e-3),
        _adam(betas=(0.7, 0.95), eps=1e-3),
        0.0,
        None,
    ),
    "rmsprop": (gn.RMSprop(0.01, decay=0.9), _rmsprop(), 0.0, None),
    "adam, small betas": (
        gn.Adam(0.02, beta1=0.3, beta2=0.5, epsilon=0.05),
        lambda torch, p: torch.optim.Adam(p, lr=0.02, betas=(0.3, 0.5), eps=0.05),
        0.0,
        None,
    ),
    "rmsprop, other decay": (
        gn.RMSprop(0.03, decay=0.5, epsilon=1e-3),
        _rmsprop(0.03, alpha=0.5, eps=1e-3),
        0.0,
        None,
    ),
    "rmsprop, large epsilon": (
        gn.RMSprop(0.01, decay=0.75, epsilon=0.1),
        _rmsprop(alpha=0.75, eps=0.1),
        0.0,
        None,
    ),
    "momentum, small": (
        gn.GradientDescent(0.3, momentum=0.25),
        _sgd(0.3 * 0.75, momentum=0.25),
        0.0,
        None,
    ),
    "descent with decay": (gn.GradientDescent(0.2, weight_decay=0.1), _sgd(0.2), 0.1, None),
    "momentum with decay": (
        gn.GradientDescent(0.2, momentum=0.9, weight_decay=0.1),
        _sgd(0.2 * 0.1, momentum=0.9),
        0.1,
        None,
    ),
    "rmsprop with decay": (gn.RMSprop(0.01, decay=0.9, weight_decay=0.1), _rmsprop(), 0.1, None),
    "clipped": (gn.GradientDescent(0.2, clip_norm=0.05), _sgd(0.2), 0.0, 0.05),
    "adam, clipped": (gn.Adam(0.01, clip_norm=0.05), _adam(), 0.0, 0.05),
}


@pytest.mark.parametrize("rule", [*RULES, "adamw"])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_ten_steps(rule, seed):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    sizes, activations, loss, parameters, X, Y = random_network(seed)
    tensors = leaves(torch, parameters)
    if rule == "adamw":
        ours, decay, longest = gn.AdamW(0.01, weight_decay=0.1), 0.0, None
        theirs = torch.optim.AdamW(
            [
                {"params": [W for W, _ in tensors], "weight_decay": 0.1},
                {"params": [b for _, b in tensors], "weight_decay": 0.0},
            ],
            lr=0.01,
        )
    else:
        ours, make, decay, longest = RULES[rule]
        theirs = make(torch, [p for layer in tensors for p in layer])

    costs = []
    for _ in range(10):
        theirs.zero_grad()
        J = torch_cost(torch, activations, loss, tensors, X, Y)
        J.backward()
        costs.append(J.item())
        if longest is not None:
            norm = torch.nn.utils.clip_grad_norm_([p for layer in tensors for p in layer], longest)
            assert norm > longest  # else this run would show nothing
        if decay:
            with torch.no_grad():
                for W, _ in tensors:
                    W *= 1 - ours.learning_rate * decay
        theirs.step()

    net = network(sizes, activations, loss, parameters)
    history = net.fit(X, Y, optimizer=ours, epochs=10, batch_size=None, shuffle=False)
    # PyTorch adds 1e-6 to the norm that it clips by; otherwise the two differ by rounding alone.
    tolerance = 1e-9 if longest is None else 2e-4
    assert history.loss == pytest.approx(costs, rel=tolerance)
    for layer, peers in zip(net.parameters, tensors, strict=True):
        for p, peer in zip(layer, peers, strict=True):
            assert_allclose(p, peer.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rule", ["momentum", "adam"])
def test_mini_batches_with_a_remainder(rule):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    sizes, activations, loss, parameters, X, Y = random_network(1)
    m = len(X)
    assert m % 4
    ours, make, _, _ = RULES[rule]
    tensors = leaves(torch, parameters)
    theirs = make(torch, [p for layer in tensors for p in layer])
    for epoch in range(3):
        order = np.random.default_rng([5, epoch]).permutation(m)
        for batch in torch.utils.data.BatchSampler(order, batch_size=4, drop_last=False):
            theirs.zero_grad()
            torch_cost(torch, activations, loss, tensors, X[batch], Y[batch]).backward()
            theirs.step()
    net = network(sizes, activations, loss, parameters, seed=5)
    net.fit(X, Y, optimizer=ours, epochs=3, batch_size=4)
    for layer, peers in zip(net.parameters, tensors, strict=True):
        for p, peer in zip(layer, peers, strict=True):
            assert_allclose(p, peer.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("frozen", [(0, 1), (1,), (2,), (0, 2)])
@pytest.mark.parametrize("rule", RULES)
def test_frozen_layers_are_those_without_requires_grad(backend, rule, frozen):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if backend.name == "jax" and rule not in ("momentum with decay", "adam, clipped"):
        pytest.skip("compiling takes most of the time; two rules will do")
    activations, loss = ("tanh", "softplus", "softmax"), "cross_entropy"
    sizes = (4, 5, 6, 3)
    parameters, X, Y = checks.problem(checks.room_of("gpunet"), sizes, activations, loss, m=8, seed=4)
    ours, make, decay, longest = RULES[rule]
    tensors = leaves(torch, parameters)
    for l in frozen:
        for p in tensors[l]:
            p.requires_grad_(False)
    learning = [layer for l, layer in enumerate(tensors) if l not in frozen]
    theirs = make(torch, [p for layer in learning for p in layer])
    for _ in range(6):
        theirs.zero_grad()
        torch_cost(torch, activations, loss, tensors, X.T, Y.T).backward()
        if longest is not None:
            torch.nn.utils.clip_grad_norm_([p for layer in learning for p in layer], longest)
        if decay:
            with torch.no_grad():
                for W, _ in learning:
                    W *= 1 - ours.learning_rate * decay
        theirs.step()

    net = network(sizes, activations, loss, parameters, backend.name)
    net.set_trainable([l not in frozen for l in range(3)])
    net.fit(X.T, Y.T, optimizer=ours, epochs=6, batch_size=None, shuffle=False)
    tolerance = 1e-9 if longest is None else 2e-4
    for l, (layer, peers) in enumerate(zip(net.parameters, tensors, strict=True)):
        for p, peer, start in zip(layer, peers, parameters[l], strict=True):
            found = np.asarray(backend.to_host(p))
            if l in frozen:
                assert np.array_equal(found, start)
            else:
                assert not np.array_equal(found, start)
                assert_allclose(found, peer.detach().numpy(), rtol=tolerance, atol=tolerance)


# --- JAX ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_gradients_are_jaxs(seed):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    _, activations, loss, parameters, X, Y = random_network(seed)
    jnp, nn = jax.numpy, jax.nn
    functions = {"identity": lambda z: z, "softmax": lambda z: nn.softmax(z, axis=0)}

    def J(parameters):
        A = jnp.asarray(X.T)
        for (W, b), name in zip(parameters, activations, strict=True):
            Z = W @ A + b
            A = (functions.get(name) or getattr(nn, name))(Z)
        if loss == "logistic":
            L = -(Y.T * nn.log_sigmoid(Z) + (1 - Y.T) * nn.log_sigmoid(-Z))
        elif loss == "cross_entropy":
            L = -Y.T * nn.log_softmax(Z, axis=0)
        else:
            L = 0.5 * (A - Y.T) ** 2 if loss == "squared_error" else jnp.abs(A - Y.T)
        return jnp.mean(jnp.sum(L, axis=0))

    true, slopes = jax.jit(jax.value_and_grad(J))(parameters)
    found, gradients = cost_and_gradients(np, activations, loss, parameters, X.T, Y.T)
    assert float(found) == pytest.approx(float(true), rel=1e-12)
    for pair, peers in zip(gradients, slopes, strict=True):
        for g, peer in zip(pair, peers, strict=True):
            assert_allclose(g, np.asarray(peer), rtol=1e-9, atol=1e-13)
