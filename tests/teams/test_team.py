"""``fit`` on a team: ranks are threads here, processes in test_mpi.py."""

import re

import numpy as np
import pytest

import gpunet as gn
from gpunet.teams.team import require_team
from small_networks import host
from thread_team import Aborted, Threads, on_ranks

DATA = np.random.default_rng(0)
X = DATA.normal(size=(83, 5)).astype("float32")
Y = DATA.integers(0, 3, 83)


def network(**more):
    layers = [gn.Dense(6, "tanh"), gn.Dropout(0.3), gn.Dense(3, "softmax")]
    return gn.Network(layers, **({"seed": 3, "backend": "numpy"} | more))


def fitted(team, net=None, rows=X, **more):
    """The weights' bytes, and the history."""
    net = net or network()
    options = {"batch_size": 20, "epochs": 3, "optimizer": gn.Adam(0.02, clip_norm=0.5)}
    history = net.fit(rows, more.pop("y", Y), team=team, **(options | more))
    return b"".join(p.tobytes() for p in host(net)), history


def good(results):
    """The results, of which none is an error."""
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def test_all_ranks_have_the_weights_and_the_history_of_one():
    more = {"validation_fraction": 0.2, "class_weight": "balanced", "label_smoothing": 0.1}
    weights, history = fitted(gn.Team("alone"), **more)
    for ranks in (2, 3, 8):
        results = good(on_ranks(ranks, lambda team: fitted(team, **more)))
        for found, known in results:
            assert found == weights
            assert known == results[0][1]
            assert (known.loss, known.val_loss, known.val_accuracy, known.program) == (
                *(history.loss, history.val_loss, history.val_accuracy, "lanes"),
            )
            np.testing.assert_array_equal(known.step_loss, history.step_loss)


def test_a_team_alone_trains_as_the_reference_does():
    with_team, without = network(), network()
    fitted(gn.Team("alone", lanes=4), with_team)
    fitted(None, without)
    for a, b in zip(host(with_team), host(without), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_callbacks_are_called_on_rank_0_and_decide_for_all():
    called = []

    def run(team):
        def callback(net, history):
            called.append((team.rank, history.epochs))
            history.learning_rate_factor = 0.5**history.epochs
            return history.epochs == 4

        return fitted(team, epochs=9, callbacks=callback)[1]

    histories = good(on_ranks(3, run))
    assert called == [(0, 1), (0, 2), (0, 3), (0, 4)]
    for history in histories:
        assert history.epochs == 4
        np.testing.assert_allclose(history.learning_rate, [0.02, 0.01, 0.005, 0.0025])


def test_the_best_weights_come_back_on_all_ranks():
    class Rising(gn.EarlyStopping):
        """Takes the second epoch for the best, whatever its loss."""

        def signed(self, history):
            return -abs(history.epochs - 2)

    def run(team):
        return fitted(team, epochs=9, validation_fraction=0.2, callbacks=Rising(patience=2))

    results = good(on_ranks(3, run))
    alone = fitted(gn.Team("alone"), epochs=9, validation_fraction=0.2, callbacks=Rising(patience=2))
    assert {weights for weights, _ in results} == {alone[0]}
    assert alone[0] == fitted(gn.Team("alone"), epochs=2, validation_fraction=0.2)[0]
    assert {history.stopped for _, history in results} == {alone[1].stopped}


def test_a_run_goes_on_from_the_last_one():
    def run(team):
        net = network()
        fitted(team, net)
        return fitted(team, net)

    alone = run(gn.Team("alone"))
    assert [weights for weights, _ in good(on_ranks(2, run))] == [alone[0]] * 2


def test_ranks_without_a_seed_share_one():
    results = good(on_ranks(3, lambda team: fitted(team, network(seed=None))[0]))
    assert len(set(results)) == 1


def test_seeds_that_were_given_must_be_the_same():
    errors = on_ranks(2, lambda team: fitted(team, network(seed=team.rank)))
    assert all(isinstance(error, gn.RanksDiffer) for error in errors)
    assert "seed is 0 on rank 0, 1 on rank 1" in str(errors[1])


DIFFERENT = {
    "X": (lambda rank: {"rows": X + (rank == 2)}, "X is 'float32"),
    "y": (lambda rank: {"y": np.roll(Y, int(rank == 2))}, "y is 'int64"),
    "batch": (lambda rank: {"batch_size": 20 + (rank == 2)}, "batch_size is 20 on rank 0, 21 on rank 2"),
    "epochs": (lambda rank: {"epochs": 3 + (rank == 2)}, "epochs is 3 on rank 0, 4 on rank 2"),
    "optimizer": (
        lambda rank: {"optimizer": gn.Adam(0.01 * (1 + rank // 2))},
        "optimizer: learning_rate is 0.01 on rank 0, 0.02 on rank 2",
    ),
}


class Scaled:
    def __init__(self, scale):
        self._scale = scale

    def __call__(self, rows, rng):
        return self._scale * rows


def script(rank):
    """A transform as a script has it, whose global number differs."""
    names = {"SCALE": 0.1 if rank == 2 else 1.0}
    exec("def transform(rows, rng):\n    return SCALE * rows", names)
    return names["transform"]


DIFFERENT |= {
    "global": (
        lambda rank: {"transform": script(rank)},
        "transform: SCALE is 1.0 on rank 0, 0.1 on rank 2",
    ),
    "attribute": (
        lambda rank: {"transform": Scaled(0.1 if rank == 2 else 1.0)},
        "transform: scale is 1.0 on rank 0, 0.1 on rank 2",
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_ranks_that_differ_are_told_so(name):
    arguments, message = DIFFERENT[name]
    nets = {}

    def run(team):
        nets[team.rank] = network()
        return fitted(team, nets[team.rank], **arguments(team.rank))

    errors = on_ranks(3, run)
    for error in errors:
        assert isinstance(error, gn.RanksDiffer)
        assert message in str(error)
        assert "rank 1" not in str(error)
    assert all(
        (net.epochs_trained == 0 and net.history is None) or not net.history.loss for net in nets.values()
    )


@pytest.mark.parametrize("has_one", [0, 1])
def test_a_checkpoint_on_one_rank_alone_is_told(tmp_path, has_one):
    """The ranks with one exchange what is in the folder, which the others must not take for something else."""
    for error in on_ranks(
        3, lambda team: fitted(team, checkpoint=tmp_path if team.rank == has_one else None)
    ):
        assert isinstance(error, gn.RanksDiffer)
        assert f"checkpoint= is {has_one == 0} on rank 0, {has_one == 1} on rank 1" in str(error)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("with_transform", [False, True])
def test_other_steps_of_a_checkpoint_are_told(with_transform, tmp_path):
    """They decide after which updates a rank waits for the others."""

    def run(team):
        checkpoint = gn.Checkpoint(tmp_path, steps=3 if team.rank == 1 else None)
        more = {"transform": lambda rows, rng: rows} if with_transform else {}
        return fitted(team, checkpoint=checkpoint, **more)

    for error in on_ranks(2, run):
        assert isinstance(error, gn.RanksDiffer)
        assert str(error).endswith("steps of checkpoint= is None on rank 0, 3 on rank 1")
    assert not list(tmp_path.iterdir())


def test_what_rank_0_alone_uses_of_a_checkpoint_need_not_be_the_same(tmp_path):
    def run(team):
        checkpoint = gn.Checkpoint(tmp_path / f"{team.rank}", every=1.0 + team.rank, restart=team.rank == 0)
        return fitted(team, checkpoint=checkpoint)[0]

    assert len(set(good(on_ranks(2, run)))) == 1
    assert [folder.name for folder in tmp_path.iterdir()] == ["0"]


def test_weights_that_a_callback_sets_at_the_end_are_those_of_all_ranks():
    def run(team):
        def double(net, history):
            net.set_parameters([(2 * W, b) for W, b in net.parameters])

        net = network()
        first = fitted(team, net, callbacks=double)[0]
        return first, fitted(team, net)[0]

    alone = run(gn.Team("alone"))
    assert alone[0] != fitted(gn.Team("alone"))[0]
    assert good(on_ranks(3, run)) == [alone] * 3


class Begin:
    """Does something with the network at the start of a run."""

    def __init__(self, start):
        self.start = start

    def __call__(self, net, history):
        pass


def doubled(net):
    net.set_parameters([(2 * W, b) for W, b in net.parameters])


@pytest.mark.filterwarnings("ignore::gpunet.UnscaledInputs")
@pytest.mark.parametrize("start", [doubled, lambda net: net.parameters], ids=["set", "read"])
@pytest.mark.parametrize("trained", [False, True])
def test_weights_that_a_callback_sets_at_the_start_are_those_of_all_ranks(start, trained):
    """Large inputs make the initial weights smaller where nobody has set them."""

    def run(team):
        net = network(inputs=5)
        if trained:
            fitted(team, net)
        more = {"rows": 100 * X, "optimizer": None, "callbacks": Begin(start) if team.rank == 0 else ()}
        return fitted(team, net, **more)[0]

    alone = run(gn.Team("alone"))
    assert good(on_ranks(2, run)) == [alone] * 2


def test_a_callback_that_fails_at_its_start_stops_all():
    def fail(net):
        doubled(net)
        raise LookupError("no such thing")

    first, second = on_ranks(2, lambda team: fitted(team, network(inputs=5), callbacks=Begin(fail)))
    assert isinstance(first, LookupError)
    assert isinstance(second, gn.RankFailed)


def test_other_weights_at_the_start_are_told():
    def run(team):
        net = network(inputs=5)
        if team.rank == 1:
            net.set_parameters([(W + 1, b) for W, b in net.parameters])
        return fitted(team, net)

    for error in on_ranks(2, run):
        assert isinstance(error, gn.RanksDiffer)
        assert "starting weights" in str(error)


@pytest.mark.parametrize("optimizer", [gn.Adam(0.01), gn.GradientDescent(gn.Cosine(0.1))])
def test_another_state_of_the_optimizer_is_told(optimizer, tmp_path):
    """The network of one rank has just been trained, those of the others have its weights alone."""
    trained = network()
    fitted(None, trained, optimizer=optimizer)
    path = tmp_path / "net.safetensors"
    trained.save(path)

    def run(team):
        return fitted(team, trained if team.rank == 0 else gn.load(path, "numpy"), optimizer=optimizer)

    weights = [p.tobytes() for p in host(trained)]
    for error in on_ranks(2, run):
        assert isinstance(error, gn.RanksDiffer)
        assert re.search(
            "optimizer's state is '(float32 .*|no slots) after 15 updates' on rank 0, "
            "'that of the start' on rank 1$",
            str(error),
        )
    assert [p.tobytes() for p in host(trained)] == weights


def test_slots_of_other_updates_are_told():
    def run(team):
        net = network()
        fitted(None, net, rows=X + (team.rank == 1))
        return fitted(team, net)

    for error in on_ranks(2, run):
        assert isinstance(error, gn.RanksDiffer)
        known = r"'float32 \(\d+,\) \w+ after 15 updates'"
        assert re.search(f"optimizer's state is {known} on rank 0, {known} on rank 1$", str(error))


@pytest.mark.parametrize("change", [{"mean": 0.1}, {"deviation": 0.1}])
def test_another_standardizer_is_told(change):
    def run(team):
        net = network(standardizer=gn.Standardizer())
        fitted(None, net)
        net.set_parameters(network(inputs=5).parameters)
        for name, by in change.items():
            setattr(net.standardizer, name, getattr(net.standardizer, name) + by * (team.rank == 2))
        return fitted(team, net)

    for error in on_ranks(3, run):
        assert isinstance(error, gn.RanksDiffer)
        assert "the standardizer has other numbers on rank 2 than on rank 0" in str(error)


def test_a_standardizer_need_not_be_the_same_to_the_last_bit():
    """Ranks on several kinds of processor measure it with other last bits."""

    def run(team):
        net = network(standardizer=gn.Standardizer())
        net.fit(X, Y, epochs=1, batch_size=20)
        net.set_parameters(network(inputs=5).parameters)
        net.standardizer.mean = net.standardizer.mean * (1 + 1e-7 * team.rank)
        return fitted(team, net)

    good(on_ranks(2, run))


def test_another_version_is_told(monkeypatch):
    from gpunet.training import same_start

    def run(team):
        return same_start.require_same(team, {"version": "1" if team.rank else "2"})

    assert all(isinstance(error, gn.RanksDiffer) for error in on_ranks(2, run))


def test_callbacks_need_not_be_the_same():
    def run(team):
        return fitted(team, callbacks=gn.ReduceOnPlateau(monitor="loss") if team.rank == 0 else ())[0]

    assert len(set(good(on_ranks(2, run)))) == 1


def test_bad_input_on_one_rank_stops_all():
    def run(team):
        return fitted(team, y=Y[:-1] if team.rank == 1 else Y)

    first, second, third = on_ranks(3, run)
    assert isinstance(second, ValueError)
    for error in (first, third):
        assert isinstance(error, gn.RankFailed)
        assert "rank 1 raised ValueError: y has 82 labels for 83 examples" in str(error)


def test_bad_input_on_all_ranks_is_the_same_error_on_each():
    for error in on_ranks(3, lambda team: fitted(team, batch_size=5)):
        assert isinstance(error, ValueError)
        assert "a batch of 5 can't be cut into 8 lanes" in str(error)


def test_another_library_on_one_rank_is_told():
    pytest.importorskip("torch")
    for error in on_ranks(2, lambda team: fitted(team, network(backend=("numpy", "torch")[team.rank]))):
        assert isinstance(error, gn.RanksDiffer)
        assert str(error).endswith("backend is 'numpy' on rank 0, 'torch' on rank 1")


def test_a_rank_whose_script_ends_is_not_waited_for():
    def run(team):
        if team.rank == 2:
            return team.leave()
        return fitted(team)

    first, second, third = on_ranks(3, run)
    assert third is None
    for error in (first, second):
        assert isinstance(error, gn.RankFailed)
        assert str(error) == "rank 2 has ended without this call of fit: make it on every rank"


@pytest.mark.parametrize("fails", [False, True])
def test_ranks_whose_scripts_end_together(fails):
    """Nobody waits, not after an error of one of them either."""

    def run(team):
        outcome = fitted_or_failed(team, Y[:-1] if fails and team.rank == 1 else Y)
        team.leave()
        return outcome

    assert [type(one) for one in on_ranks(2, run)] == (
        [gn.RankFailed, ValueError] if fails else [tuple, tuple]
    )


def fitted_or_failed(team, y):
    try:
        return fitted(team, y=y)
    except Exception as error:
        return error


@pytest.mark.parametrize(("size", "waits", "calls"), [(2, True, 1), (1, True, 0), (2, False, 0)])
def test_who_says_that_its_script_has_ended(monkeypatch, size, waits, calls):
    engine = Threads(0, size, None, {})
    engine.end_together, registered = waits, []
    monkeypatch.setattr("gpunet.teams.team.engine_of", lambda name: engine)
    monkeypatch.setattr("atexit.register", registered.append)
    team = gn.Team("mpi")
    assert registered == [team.leave] * calls


def test_a_callback_that_fails_stops_all():
    def fail(net, history):
        raise LookupError("no such thing")

    first, second = on_ranks(2, lambda team: fitted(team, callbacks=fail))
    assert isinstance(first, LookupError)
    assert isinstance(second, gn.RankFailed)
    assert "rank 0 raised LookupError: no such thing" in str(second)


def test_a_rank_that_fails_while_training_ends_the_job():
    reported = {}

    def run(team):
        reported[team.rank] = team.engine

        def transform(rows, rng):
            if team.rank == 1:
                raise OSError("the disk is gone")
            return rows

        return fitted(team, transform=transform)

    errors = on_ranks(3, run)
    assert isinstance(errors[1], OSError)
    assert reported[1].aborted_by is errors[1]
    assert isinstance(errors[0], Aborted)
    assert isinstance(errors[2], Aborted)


def test_a_team_that_failed_can_train_again():
    def run(team):
        with pytest.raises((ValueError, gn.RankFailed)):
            fitted(team, y=Y[:-1] if team.rank == 1 else Y)
        return fitted(team)[0]

    assert set(good(on_ranks(2, run))) == {fitted(gn.Team("alone"))[0]}


def test_a_divergence_is_the_same_on_all_ranks():
    def run(team):
        net = gn.Network([gn.Dense(6, "relu"), gn.Dense(1)], seed=0, backend="numpy")
        with pytest.raises(gn.Diverged) as raised:
            fitted(team, net, y=Y.astype("float32"), optimizer=gn.GradientDescent(1e4), epochs=20)
        return str(raised.value), b"".join(p.tobytes() for p in host(net))

    assert set(good(on_ranks(2, run))) == {run(gn.Team("alone"))}


class StopAt:
    """Ends the run with an error after an epoch, once."""

    def __init__(self, epoch):
        self.epoch = epoch

    def __call__(self, net, history):
        if history.epochs == self.epoch:
            raise InterruptedError


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 5)])
def test_a_run_goes_on_with_another_number_of_ranks(tmp_path, before, after):
    def run(team, epoch=2, folder=tmp_path / "run"):
        callbacks = [StopAt(epoch), gn.ReduceOnPlateau(patience=1, monitor="val_loss")]
        checkpoint = gn.Checkpoint(folder, every="epoch")
        return fitted(
            *(team, None, X),
            **{"epochs": 6, "validation_fraction": 0.2, "callbacks": callbacks, "checkpoint": checkpoint},
        )

    def ranks(size):
        return on_ranks(size, run) if size > 1 else [stopped(run)]

    def stopped(run):
        try:
            return run(gn.Team("alone"))
        except InterruptedError as error:
            return error

    assert all(isinstance(error, InterruptedError | gn.RankFailed) for error in ranks(before))
    StopAt.__call__, kept = (lambda *_: None), StopAt.__call__
    try:
        results = good(ranks(after))
        whole = run(gn.Team("alone"), folder=tmp_path / "whole")
        again = good(ranks(after))
    finally:
        StopAt.__call__ = kept
    for weights, history in results:
        assert weights == whole[0]
        assert history.loss == whole[1].loss
        assert history.learning_rate == whole[1].learning_rate
    assert [history.loss for _, history in again] == [whole[1].loss] * after


def test_another_run_in_the_folder_is_refused_on_all_ranks(tmp_path):
    fitted(gn.Team("alone"), checkpoint=tmp_path)
    first, second = on_ranks(2, lambda team: fitted(team, checkpoint=tmp_path), lanes=4)
    assert isinstance(first, gn.AnotherRun)
    assert "lanes was 8, now it is 4" in str(first)
    assert isinstance(second, gn.RankFailed)
    assert "rank 0 raised gpunet.errors.AnotherRun" in str(second)


def test_rank_0_alone_shows_progress(capsys):
    good(on_ranks(3, lambda team: fitted(team, progress=True)))
    assert capsys.readouterr().err.count("epoch 3/3") == 1


def test_tables_train_on_a_team():
    rows = {"size": [1.0, 1.2, 3.1, 3.3] * 9, "animal": ["cat", "cat", "dog", "dog"] * 9}
    table = gn.datasets.read_table(rows, target="animal")

    def run(team):
        net = gn.Network.for_table(table, hidden=(8,), seed=0, backend="numpy")
        net.fit(table, epochs=3, team=team)
        return b"".join(p.tobytes() for p in host(net))

    assert set(good(on_ranks(2, run))) == {run(gn.Team("alone"))}


def test_what_is_no_team_is_refused():
    with pytest.raises(TypeError, match="team must be a gpunet"):
        fitted("mpi")
    assert require_team(None).size == 1


@pytest.mark.parametrize("lanes", [0, -1, 2.5, "8"])
def test_lanes_are_a_positive_number(lanes):
    with pytest.raises((ValueError, TypeError), match=r"^lanes "):
        gn.Team("alone", lanes=lanes)


def test_unknown_engines_are_refused():
    with pytest.raises(ValueError, match=r"unknown engine 'mpj'\. Did you mean 'mpi'"):
        gn.Team("mpj")


def test_each_rank_needs_a_lane():
    engine = Threads(0, 3, None, {})
    assert gn.Team.of(engine, 3).size == 3
    with pytest.raises(ValueError, match="3 ranks need as many lanes at least, got lanes=2"):
        gn.Team.of(engine, 2)


def test_a_team_says_what_it_is():
    team = gn.Team("alone", lanes=3)
    assert repr(team) == "<Team alone, rank 0 of 1, 3 lanes>"
    assert (team.rank, team.size, team.lanes) == (0, 1, 3)
