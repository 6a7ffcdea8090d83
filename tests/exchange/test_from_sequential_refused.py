"""PyTorch modules that have no counterpart: what is in the way, and what to do."""

import numpy as np
import pytest

import gpunet as gn

torch = pytest.importorskip("torch")
nn = torch.nn


class Own(nn.Module):
    def forward(self, X):
        return X


class OwnLinear(nn.Linear):
    def forward(self, X):
        return super().forward(X) * 2


SHARED = nn.Linear(4, 4)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([nn.Conv2d(1, 2, 3)], r"module 1\.0 is Conv2d\(1, 2, .*no counterpart in gpunet\. from_torch takes Linear"),
        ([nn.Linear(4, 4), nn.BatchNorm1d(4)], r"module 1\.1 is BatchNorm1d\(4, .*no counterpart"),
        ([nn.Linear(4, 4), nn.Hardswish()], "Hardswish.*no counterpart"),
        ([OwnLinear(4, 4)], "OwnLinear.*no counterpart"),
        ([nn.LazyLinear(4)], "LazyLinear.*no counterpart"),
        ([Own()], "Own.*no counterpart"),
        ([nn.Linear(4, 4), nn.AlphaDropout(0.2)], "AlphaDropout.*no counterpart"),
        ([nn.Linear(4, 4), nn.Flatten()], "Flatten.*before the first Linear only"),
        ([nn.Flatten(0)], r"flattens each example whole: Flatten\(\) with its defaults"),
        ([nn.Flatten(1, 2)], r"flattens each example whole"),
        ([nn.Tanh()], "Tanh.*must follow a Linear: an activation belongs to its layer"),
        ([nn.Linear(4, 4), nn.Tanh(), nn.ReLU()], "ReLU.*must follow a Linear"),
        ([nn.Linear(4, 4), nn.Dropout(0.1), nn.Tanh()], "Tanh.*must follow a Linear"),
        ([nn.Linear(4, 4), nn.LeakyReLU(0.2)], r"LeakyReLU.*=0\.2\); gpunet has it with negative_slope=0\.01 only"),
        ([nn.Linear(4, 4), nn.ELU(0.5)], r"with alpha=1\.0 only"),
        ([nn.Linear(4, 4), nn.Softplus(2.0)], r"with beta=1\.0 only"),
        ([nn.Linear(4, 4), nn.Softplus(2.0, 3.0)], r"with beta=1\.0, threshold=20\.0 only"),
        ([nn.Linear(4, 4), nn.GELU()], r"with approximate=tanh only"),
        ([nn.Linear(4, 4), nn.Softmax(dim=0)], r"over the outputs of an example: dim=1"),
        ([nn.Linear(4, 4), nn.LogSoftmax(dim=0)], r"over the outputs of an example: dim=1"),
        ([nn.Linear(4, 4), nn.Softmax()], r"over the outputs of an example: dim=1"),
        ([nn.Linear(4, 4), nn.LogSoftmax(dim=1), nn.Linear(4, 2)], r"nothing may follow LogSoftmax$"),
        ([SHARED, nn.ReLU(), SHARED], "whose weight another one has too: gpunet's layers share none"),
        ([nn.Linear(4, 4), nn.Dropout(1.0), nn.Linear(4, 4)], r"rate must lie in \[0, 1\), got 1\.0"),
        ([nn.Linear(4, 4), nn.Dropout(0.2)], "Dropout after the last layer"),
        ([nn.Flatten(), nn.Dropout(0.2)], "the module has no Linear layer"),
        ([nn.Linear(4, 4).half()], r"weights and biases are float16; gpunet has .* float64: pass module\.float\(\)"),
        ([nn.Linear(4, 4), nn.Linear(4, 4).double()], "weights and biases are float32 and float64"),
        ([nn.Linear(4, 5), nn.Linear(4, 4)], r"W\[2\] must have shape \(4, 5\), got \(4, 4\)"),
        ([nn.Linear(4, 1), nn.Softmax(dim=1)], "softmax over one unit is always 1"),
    ],
)  # fmt: skip
def test_what_is_refused(modules, message):
    module = nn.Sequential(nn.Identity(), nn.Sequential(*modules))
    with pytest.raises(ValueError, match=message):
        gn.from_torch(module)


def test_other_refusals():
    with pytest.raises(TypeError, match=r"module must be a torch\.nn\.Module, got list"):
        gn.from_torch([nn.Linear(2, 1)])
    with pytest.raises(ValueError, match="it is Own, which has no counterpart"):
        gn.from_torch(Own())
    with pytest.raises(ValueError, match="cross_entropy needs an output between 0 and 1"):
        gn.from_torch(nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()), loss="cross_entropy")
    with pytest.raises(ValueError, match="unknown backend 'nimpy'"):
        gn.from_torch(nn.Linear(2, 1), backend="nimpy")
    broken = nn.Linear(2, 1)
    with torch.no_grad():
        broken.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"W\[1\] holds NaN"):
        gn.from_torch(broken)
    net = gn.Network([gn.Dense(2)], inputs=2, backend="numpy")
    net.standardizer = gn.Standardizer()
    net.standardizer.mean, net.standardizer.deviation = np.zeros(2), np.ones(2)
    twice = net.to_torch()
    with pytest.raises(ValueError, match=r"Standardize.*before the first Linear only"):
        gn.from_torch(nn.Sequential(nn.Linear(2, 2), *twice))


def test_nothing_may_follow_the_own_unit():
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy", encoder=gn.TableEncoder())
    net.fit({"a": [1.0, 2.0, 3.0]}, [1.0, 2.0, 4.0], epochs=1)
    with pytest.raises(ValueError, match=r"nothing may follow OwnUnit$"):
        gn.from_torch(nn.Sequential(net.to_torch(), nn.Linear(1, 1)))


def test_two_standardizers(network, standardizer, rng):
    net = network([gn.Dense(2)])
    net.standardizer = standardizer(rng.normal(size=(9, 4)))
    first = net.to_torch()
    with pytest.raises(ValueError, match=r"module 1\.0 is Standardize.*second one: gpunet standardises once"):
        gn.from_torch(nn.Sequential(first[0], first))
    assert gn.from_torch(nn.Sequential(first[0], nn.Flatten(), first[1]), backend="numpy").standardizer.fitted


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_weights_that_are_computed_before_each_call(name):
    """Those that stand there are of the call before."""
    from torch.nn.utils import prune

    linear = nn.Linear(3, 4)
    prune.random_unstructured(linear, name, amount=2)
    with pytest.raises(
        ValueError, match=rf"module 1 is Linear.*whose {name} is computed from other parameters"
    ):
        gn.from_torch(nn.Sequential(nn.Flatten(), linear))
    prune.remove(linear, name)
    net = gn.from_torch(linear, backend="numpy")
    assert (net.parameters[0][0 if name == "weight" else 1] == 0).sum() == 2


def sequential():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Identity(), nn.Linear(4, 2)))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("", "it is Sequential"),
        ("0", r"module 0 is Linear\(in_features=3, .*\)"),
        ("1", r"module 1 is ReLU\(\)"),
        ("2", "module 2 is Sequential"),
        ("2.0", r"module 2\.0 is Identity\(\)"),
    ],
)
def test_modules_that_compute_something_else_than_their_class(place, message):
    """A hook may change inputs and outputs; a forward of its own, all."""
    module = sequential()
    one = module.get_submodule(place)
    before = gn.from_torch(module, backend="numpy").parameters
    hooks = (
        one.register_forward_hook(lambda module, given, out: out * 2),
        one.register_forward_pre_hook(lambda module, given: (given[0] * 2,)),
    )
    with pytest.raises(
        ValueError, match=rf"^{message}, which has a forward hook, .*take it off with the remove"
    ):
        gn.from_torch(module)
    hooks[0].remove()
    with pytest.raises(ValueError, match=rf"^{message}, which has a forward hook"):
        gn.from_torch(module)
    hooks[1].remove()
    one.forward = lambda X: X
    with pytest.raises(ValueError, match=rf"^{message}, whose forward was set .*del module\.forward"):
        gn.from_torch(module)
    del one.forward
    one.register_full_backward_hook(lambda module, given, out: None)
    after = gn.from_torch(module, backend="numpy").parameters
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a[0], b[0])


def linears():
    return nn.Linear(4, 4), nn.Linear(4, 4)


def tied_bias():
    one, two = linears()
    two.bias = one.bias
    return nn.Sequential(one, two)


def same_memory():
    one, two = linears()
    two.weight = nn.Parameter(one.weight.data)
    return nn.Sequential(one, two)


def transposed():
    one, two = linears()
    two.weight = nn.Parameter(one.weight.data.T)
    return nn.Sequential(two, one)


def last_row():
    one, two = linears()
    two.bias = nn.Parameter(one.weight.data[3])
    return nn.Sequential(one, two)


def last_number():
    one, two = nn.Linear(4, 4), nn.Linear(4, 1)
    two.bias = nn.Parameter(one.weight.data.view(16)[15:])
    return nn.Sequential(one, two)


def within_one():
    one, two = linears()
    two.bias = nn.Parameter(two.weight.data[:, 0])
    return nn.Sequential(one, two)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (tied_bias, "bias"),
        (same_memory, "weight"),
        (transposed, "weight"),
        (last_row, "bias"),
        (last_number, "bias"),
        (within_one, "bias"),
    ],
)
def test_shared_parameters(make, name):
    """They would be trained apart."""
    with pytest.raises(ValueError, match=rf"^module 1 is Linear.*, whose {name} another one has too"):
        gn.from_torch(make())


def test_parameters_side_by_side_in_one_memory():
    one, two = linears()
    memory = torch.arange(40.0)
    one.weight, one.bias = nn.Parameter(memory[4:20].view(4, 4)), nn.Parameter(memory[:4])
    two.weight, two.bias = nn.Parameter(memory[20:36].view(4, 4).T), nn.Parameter(memory[36:])
    (W1, b1), (W2, b2) = gn.from_torch(nn.Sequential(one, two), backend="numpy").parameters
    np.testing.assert_array_equal(
        np.concatenate([b1.ravel(), W1.ravel(), W2.T.ravel(), b2.ravel()]), np.arange(40)
    )


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_parameters_without_numbers_and_sparse_ones(name):
    linear = nn.Linear(4, 4)
    value = getattr(linear, name).data
    setattr(linear, name, nn.Parameter(value.to("meta")))
    with pytest.raises(
        ValueError,
        match=rf"^module 0 is Linear.*, whose {name} has no numbers, .*device meta: use module\.to_empty",
    ):
        gn.from_torch(nn.Sequential(linear))
    setattr(linear, name, nn.Parameter(value.to_sparse()))
    with pytest.raises(
        ValueError, match=rf"^module 0 is Linear.*, whose {name} is sparse_coo, .*Parameter\({name}\.to_dense"
    ):
        gn.from_torch(nn.Sequential(linear))


def test_a_bias_of_another_dtype():
    linear = nn.Linear(4, 4)
    linear.bias = nn.Parameter(linear.bias.data.double())
    with pytest.raises(ValueError, match=r"weights and biases are float32 and float64; .*all float32 or all"):
        gn.from_torch(linear)
