"""Training that goes on after a network was saved and loaded, and schedules over several calls of fit."""

import numpy as np
import pytest

import gpunet as gn

OPTIMIZERS = [
    gn.GradientDescent(0.1),
    gn.GradientDescent(0.1, momentum=0.9, nesterov=True),
    gn.RMSprop(0.01),
    gn.Adam(0.02, beta1=0.7),
    gn.AdamW(gn.Cosine(0.02, steps=60), weight_decay=0.1),
]


@pytest.fixture
def data():
    rng = np.random.default_rng(8)
    return rng.standard_normal((40, 5)), rng.integers(0, 3, 40)


def network(backend="numpy"):
    layers = [gn.Dense(7, "tanh"), gn.Dropout(0.2), gn.Dense(3, "softmax")]
    return gn.Network(layers, seed=3, backend=backend, standardizer=gn.Standardizer())


def flat(net):
    return np.concatenate([net.placement.backend.to_host(p).ravel() for pair in net.parameters for p in pair])


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("backend", ["numpy", "readonly", "torch"])
def test_two_epochs_a_file_and_two_more_are_four(data, tmp_path, optimizer, backend):
    if backend == "torch":
        pytest.importorskip("torch")
    whole, first = network(backend), network(backend)
    losses = [whole.fit(*data, optimizer=optimizer, epochs=2, batch_size=6).loss for _ in range(2)]
    first.fit(*data, optimizer=optimizer, epochs=2, batch_size=6)
    first.save(tmp_path / "net", training_state=True)
    again = gn.load(tmp_path / "net", backend)
    assert again.fit(*data, optimizer=optimizer, epochs=2, batch_size=6).loss == losses[1]
    assert np.array_equal(flat(again), flat(whole))
    again.save(tmp_path / "net", training_state=True)  # a loaded one can be saved again
    third = gn.load(tmp_path / "net", backend)
    third.save(tmp_path / "net", training_state=True)
    more = [net.fit(*data, optimizer=optimizer, epochs=1, batch_size=6).loss for net in (whole, third)]
    assert more[0] == more[1]


def test_without_its_state_or_with_another_the_optimizer_starts_afresh(data, tmp_path):
    optimizer = gn.Adam(0.02)
    net = network()
    net.fit(*data, optimizer=optimizer, epochs=2, batch_size=6)
    net.save(tmp_path / "weights")
    net.save(tmp_path / "state", training_state=True)
    weights, state = gn.load(tmp_path / "weights", "numpy"), gn.load(tmp_path / "state", "numpy")
    other = gn.load(tmp_path / "state", "numpy")
    losses = [one.fit(*data, optimizer=optimizer, epochs=2, batch_size=6).loss for one in (weights, state)]
    assert losses[0] != losses[1]
    fresh = gn.load(tmp_path / "weights", "numpy")
    rule = gn.Adam(0.03)
    other_loss, fresh_loss = (one.fit(*data, optimizer=rule, epochs=1).loss for one in (other, fresh))
    assert other_loss == fresh_loss


def test_slots_that_do_not_fit_are_refused(data, tmp_path):
    from gpunet.files.network_file import read_network, write_network

    net = network()
    net.fit(*data, optimizer=gn.Adam(0.02), epochs=1)
    net.save(tmp_path / "net", training_state=True)
    saved = read_network(tmp_path / "net")
    for change in (lambda s: s[:, :-1].copy(), lambda s: s.astype("float64"), lambda s: s * np.nan):
        (of_W, of_b), *others = saved.training["slots"]
        slots = [[[change(of_W[0]), of_W[1]], of_b], *others]
        write_network(tmp_path / "bad", saved._replace(training={**saved.training, "slots": slots}))
        with pytest.raises(gn.FileRefused, match="a slot of the optimizer is"):
            gn.load(tmp_path / "bad", "numpy")


def test_a_schedule_over_several_fits(data):
    """One call of ten epochs, and ten calls of one."""
    steps = 10 * 7
    lasting = gn.Adam(gn.Cosine(0.05, 0.001, warmup=0.1, steps=steps))
    once, often = network(), network()
    history = once.fit(*data, optimizer=gn.Adam(gn.Cosine(0.05, 0.001, warmup=0.1)), epochs=10, batch_size=6)
    rates, losses = [], []
    for _ in range(10):
        part = often.fit(*data, optimizer=lasting, epochs=1, batch_size=6)
        rates += part.learning_rate
        losses += part.loss
    assert rates == history.learning_rate
    assert losses == history.loss
    assert np.array_equal(flat(once), flat(often))
    after = often.fit(*data, optimizer=lasting, epochs=2, batch_size=6)
    assert after.learning_rate == pytest.approx([0.001, 0.001], rel=1e-6)
    with pytest.raises(ValueError, match="steps"):
        gn.Cosine(0.1, steps=0)


def test_the_history_of_a_fit_that_was_interrupted(data):
    net = network()
    assert net.history is None

    def interrupt(net, history):
        if history.epochs == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net.fit(*data, epochs=5, callbacks=interrupt)
    assert net.history.epochs == len(net.history.loss) == 2
    assert net.fit(*data, epochs=1) is net.history
