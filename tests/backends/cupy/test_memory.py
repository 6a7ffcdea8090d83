"""Device memory that runs out, at each array in turn: what was called ends in gpunet's error and changes nothing."""

import numpy as np
import pytest

import gpunet as gn

pytestmark = pytest.mark.slow

M, N = 24, 12
MOMENTUM, ADAM = gn.GradientDescent(0.05, 0.9), gn.Adam(0.01)
SOFTMAX = gn.Dense(3, "softmax")
# The hidden layers, the optimizer and the batches with which a program runs.
RUNS = {
    "cupy persistent blocked SGD": ([gn.Dense(5, "sigmoid")], MOMENTUM, 1),
    "cupy persistent deep blocked SGD": ([gn.Dense(6, "relu"), gn.Dense(5, "tanh")], MOMENTUM, 1),
    "cupy blocked SGD": ([gn.Dense(280, "tanh")], MOMENTUM, 1),
    "cupy persistent kernel": ([gn.Dense(5, "sigmoid")], ADAM, 6),
    "cupy mini-batch": ([gn.Dense(5, "sigmoid"), gn.Dropout(0.2)], ADAM, 6),
    "reference": ([gn.Dense(5, "sigmoid"), gn.Dense(4, "tanh", trainable=False)], ADAM, 6),
}


@pytest.fixture
def data(fake, usable):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, N)).astype("float32")
    return fake.to_device(X), fake.to_device(np.arange(M) % 3)


def network(program, **more):
    layers, optimizer, batch_size = RUNS[program]
    net = gn.Network([*layers, SOFTMAX], inputs=N, seed=0, backend="cupy", **more)
    return net, {"optimizer": optimizer, "batch_size": batch_size, "epochs": 1}


def state(net):
    """Everything that a further run depends on."""
    trained = net._trained
    arrays = [p for pair in trained.state.parameters for p in pair]
    arrays += [slot for pair in trained.state.slots for slots in pair for slot in slots]
    return (
        np.concatenate([np.array(p).ravel() for p in arrays]).tobytes(),
        trained.optimizer,
        trained.updates,
        trained.epochs,
        id(net.standardizer),
        net.inputs,
        net.placement,
    )


def refuse(fake, after, once=False):
    """Memory ends after so many arrays; None for enough of it."""
    fake.MEMORY.update(arrays=after, once=once, refused=0)


@pytest.mark.parametrize("once", [False, True], ids=["from then on", "once"])
@pytest.mark.parametrize("program", RUNS)
def test_fit(program, once, data, fake):
    net, fit = network(program)
    net.fit(*data, **fit)
    before, errors, found, said = state(net), 0, None, set()
    expected, _ = network(program)
    expected.fit(*data, **{**fit, "epochs": 2})
    for after in range(1000):
        refuse(fake, after, once)
        try:
            net.fit(*data, **fit)
        except gn.OutOfMemory as error:
            said.add(str(error))
            errors += 1
            assert state(net) == before
            continue
        finally:
            used = fake.MEMORY["arrays"]
            refuse(fake, None)
        found = net.history.program
        if once and used < 0:  # it went on with less
            assert np.allclose(weights(net), weights(expected), atol=1e-6)
            net, _ = network(program)
            net.fit(*data, **fit)
            before = state(net)
            continue
        break
    assert found == program and errors > 8
    assert all("the network keeps the weights it had" in one and "(out of memory)" in one for one in said)
    assert np.array_equal(weights(net), weights(expected))


def weights(net):
    return np.concatenate([np.array(p).ravel() for pair in net.parameters for p in pair])


@pytest.mark.parametrize("standardizer", [None, gn.Standardizer()], ids=["as it is", "bytes, standardised"])
def test_the_first_fit(standardizer, data, fake):
    """Of a network that has no weights yet, and no fitted standardizer."""
    X, y = data
    if standardizer is not None:
        X = fake.to_device(np.random.default_rng(2).integers(0, 9, (M, N), dtype="uint8"))
    for after in range(400):
        net, fit = network("cupy persistent kernel", standardizer=standardizer)
        untouched = net.standardizer
        refuse(fake, after)
        try:
            net.fit(X, y, **fit)
            break
        except gn.OutOfMemory:
            assert net.standardizer is untouched and (untouched is None or not untouched.fitted)
            assert net._trained.state is None and net.epochs_trained == 0
        finally:
            refuse(fake, None)
    assert after > 12 and net.epochs_trained == 1


@pytest.mark.parametrize("where", ["device", "host"])
@pytest.mark.parametrize("m", [2, 100])
def test_predict(m, where, data, fake):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((m, N)).astype("float32")
    given = fake.to_device(X) if where == "device" else X
    net, fit = network("cupy persistent kernel")
    net.fit(*data, **fit)
    expected, before, errors, said = np.array(net.predict(given)), state(net), 0, set()
    for after in range(100):
        net._forward = type(net._forward)()  # as after another epoch
        refuse(fake, after)
        try:
            found = np.array(net.predict(given))
            break
        except gn.OutOfMemory as error:
            errors += 1
            said.add("fewer rows" in str(error))
            assert state(net) == before
        finally:
            refuse(fake, None)
    assert errors >= 3 and said == {True} and np.array_equal(found, expected)


CALLS = {
    "evaluate": lambda net, X, y: net.evaluate(X, y),
    "class_report": lambda net, X, y: net.class_report(X, y).text(),
    "gradients": lambda net, X, y: [np.array(p).tolist() for pair in net.gradients(X, y)[1] for p in pair],
}


@pytest.mark.parametrize("call", CALLS)
def test_calls_that_change_nothing(call, data, fake):
    net, fit = network("cupy persistent kernel")
    net.fit(*data, **fit)
    expected, before, errors, said = CALLS[call](net, *data), state(net), 0, set()
    for after in range(100):
        refuse(fake, after)
        try:
            found = CALLS[call](net, *data)
            break
        except gn.OutOfMemory as error:
            errors += 1
            said.add("fewer rows" in str(error))
            assert state(net) == before
        finally:
            refuse(fake, None)
    assert errors >= 3 and said == {True} and found == expected
