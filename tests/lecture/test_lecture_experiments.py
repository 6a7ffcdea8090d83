"""Every experiment is run once, and its figures must say what its claim says."""

import functools
import math

import numpy as np
import pytest

from gpunet.lecture import EXPERIMENTS, Result, find

NAMES = [one.name for one in EXPERIMENTS]


@pytest.fixture(autouse=True)
def small_digits(monkeypatch, tmp_path):
    """No MNIST: the digits that come with scikit-learn are enough here, and nothing is downloaded."""
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path))


@functools.cache
def run(name):
    [one] = [one for one in EXPERIMENTS if one.name == name]
    return one.run(backend="numpy", seed=0)


def test_every_claim_of_the_lecture_has_an_experiment():
    covered = {claim for one in EXPERIMENTS for claim in one.claims}
    assert covered == {f"C{k}" for k in range(1, 23)}


def test_they_stand_in_the_lectures_order():
    first = [int(one.claims[0][1:]) for one in EXPERIMENTS]
    assert first == sorted(first)


@pytest.mark.parametrize("name", NAMES)
def test_each_returns_figures_a_picture_and_words(name):
    result = run(name)
    assert isinstance(result, Result)
    assert len(result.figures) >= 3
    for value in result.figures.values():
        for number in value if isinstance(value, list) else [value]:
            assert isinstance(number, str) or math.isfinite(number)
    assert result.picture.axes
    assert len(result.alt) > 60
    assert len(result.seen) > 60


@pytest.mark.parametrize("name", ["needle", "softmax", "backprop", "depth", "starts"])
def test_where_the_notes_slip_the_cost_is_shown(name):
    assert "notes" in run(name).slip


def test_c1_c2_one_neuron_learns_the_needle():
    f = run("needle").figures
    assert f["numbers in one image's column"] == 256
    assert f["accuracy on test pictures"] > 0.95
    assert f["correlation of weights and needle"] > 0.8
    assert f["mean weight on the needle"] > 10 * abs(f["mean weight elsewhere"])
    assert f["difference, images or columns"] == 0.0
    assert f["slip: accuracy without the minus"] < 0.6
    assert f["slip: cost without the minus"] > 10.0


def test_c3_c4_detectors_are_independent_and_a_softmax_is_not():
    f = run("detectors").figures
    assert min(f["share found, three detectors"]) > 0.95
    one, two, three = f["share found, softmax"]
    assert one > 0.95
    assert two <= 0.5
    assert three <= 1 / 3
    assert f["difference, trained together or alone"] < 1e-4 * f["largest weight of the three detectors"]
    assert f["change of other gradients, three detectors"] == 0.0
    assert f["change of other gradients, softmax"] > 0.1


def test_c4_softmax_of_z_sums_to_one_and_stays_finite():
    f = run("softmax").figures
    assert f["accuracy on test pictures"] > 0.98
    assert f["largest distance of a sum from 1"] < 1e-5
    assert f["outputs for logits 10⁴, 0, −10⁴"] == [1.0, 0.0, 0.0]
    assert f["the plain formula gives"] == "nan"
    assert f["slip: cost after training"] > f["slip: no cost below"] > 5 * f["cost after training"]


def test_c5_l1_withstands_outliers_and_relu_has_a_floor():
    f = run("regression").figures
    assert abs(f["slope by L1"] - f["true slope"]) < 0.2
    assert abs(f["slope by L2"] - f["true slope"]) > 0.5
    assert f["smallest output of ReLU"] == 0.0
    assert f["mean error below 0, ReLU"] > 3 * f["mean error below 0, identity"]
    assert "can't reach" in f["ReLU with targets below 0"]


def test_c6_shapes_and_the_equation_by_hand():
    f = run("shapes").figures
    assert f["difference, by hand and by the network"] < 1e-5
    assert f["columns of every Z[l] and A[l]"] == [40]
    assert f["parameters"] == 64 * 32 + 32 + 32 * 16 + 16 + 16 * 3 + 3
    assert f["each gradient shaped as its parameter"] == "yes"


def test_c6_hidden_neurons_find_features():
    f = run("features").figures
    assert f["data"] == "digits"
    assert f["accuracy with hidden features"] > f["accuracy from pixels alone"]
    assert abs(f["smoothness before training"]) < 0.1
    assert f["smoothness after training"] > 0.2


def test_c7_c8_a_batch_is_the_same_numbers():
    f = run("batch").figures
    assert f["parameters, for any m"] == 256 * 64 + 64 + 64 * 3 + 3
    for what in ("outputs, loop and batch", "J and the mean of L", "gradients"):
        assert f[f"difference of {what}"] < 1e-5


def test_c9_c10_c22_backpropagation_by_hand():
    f = run("backprop").figures
    assert f["relative difference, by hand and by gpunet"] < 1e-12
    assert f["relative difference, by hand and numerical"] < 1e-7
    assert f["matrix products, backward"] == 2 * f["matrix products, forward"] - 1
    assert f["slip: relative error without (1 − σ)"] > 0.1
    assert f["slip: relative error with W for Wᵀ"] > 0.1
    assert f["slip: cost without (1 − σ)"] > 2 * f["cost after training"]
    assert f["slip: cost with W for Wᵀ"] > f["cost after training"]


def test_c11_saturated_neurons_pass_no_gradient():
    f = run("saturation").figures
    assert f["largest gradient, sigmoid"] == pytest.approx(0.25)
    assert f["largest gradient, tanh"] == pytest.approx(1.0)
    assert f["largest for |z| ≥ 6, sigmoid"] < 0.003
    assert f["largest for |z| ≥ 6, tanh"] < 1e-4
    assert f["largest for z ≥ 6, relu"] == 1.0
    late, soon = (f[f"updates from z = −6 to ŷ > ½, {loss}"] for loss in ("L2", "logistic loss"))
    assert late == "more than 1,000" or late > 10 * soon


def test_c12_three_layers_without_activations_are_one():
    f = run("collapse").figures
    assert f["difference, three layers and one"] < 1e-5
    assert f["difference where there is tanh"] > 0.1
    assert f["cost, three layers without activations"] == pytest.approx(
        f["cost, best straight line"], rel=1e-2
    )
    assert f["cost, three layers with tanh"] < 0.1 * f["cost, best straight line"]


@pytest.mark.parametrize("shape", ["XOR", "disc in a ring", "triangle"])
def test_c13_activations_separate_what_a_line_cannot(shape):
    f = run("separation").figures
    assert f[f"accuracy on {shape}, with tanh"] > 0.95
    assert f[f"accuracy on {shape}, without"] < 0.75


def test_c14_a_product_of_jacobians_vanishes_or_explodes():
    f = run("depth").figures
    assert f["layers"][-1] == 100
    assert f["largest relative distance from 1.5^L"] < 1e-9
    np.testing.assert_allclose(f["ŷ / x with 0.5·I"], 0.5 ** np.array(f["layers"]), rtol=1e-9)
    left = {
        name: f[f"error left after 100 layers, {name}"] for name in ("σ, LeCun", "ReLU, He", "ReLU, LeCun")
    }
    assert left["σ, LeCun"] < 1e-30 < left["ReLU, LeCun"] < 1e-10 < 1e-4 < left["ReLU, He"]
    # The notes' cause is none: an activation changes nothing.
    without, relu = (f[f"error left after 100 layers, 0.5·I{more}"] for more in ("", ", ReLU"))
    assert relu == pytest.approx(without)


def test_c15_normalised_inputs_need_fewer_updates():
    f = run("normalise").figures
    assert f["updates to 1/10,000 of the cost, normalised"] <= 5
    assert f["updates to 1/10,000 of the cost, as it is"] > 30
    assert f["deviation used for the constant feature"] == 1.0
    assert f["test cost with the training set's μ and σ"] < 1e-6 < f["test cost with the test set's own"]


def test_c16_the_variance_of_the_start_decides():
    f = run("starts").figures
    assert f["variance of W, lecun_normal"] == pytest.approx(1.0, rel=0.05)
    assert f["variance of W, he_normal"] == pytest.approx(2.0, rel=0.05)
    for glorot in ("glorot_normal", "glorot_uniform"):
        assert f[f"variance of W, {glorot}"] == pytest.approx(2 * 400 / 500, rel=0.05)
    assert f["signal after 30 layers, tanh, LeCun"] > 0.01
    assert f["signal after 30 layers, ReLU, He"] > 0.01 > 100 * f["signal after 30 layers, ReLU, LeCun"]
    assert f["signal after 30 layers, tanh, value 1/n*"] < 1e-10
    for activation, start in (("tanh", "LeCun"), ("ReLU", "He")):
        assert f[f"cost after training, {activation}, value 1/n*"] == pytest.approx(math.log(3), rel=0.05)
        assert f[f"cost after training, {activation}, {start}"] < 0.2
    assert f["cost after training, ReLU, He"] < f["cost after training, ReLU, LeCun"]


def test_c17_equal_neurons_stay_equal():
    f = run("symmetry").figures
    assert f["largest change of W[1] from all 0"] == 0.0
    assert f["largest difference between neurons, all 0.5"] < 1e-8
    assert f["largest difference between neurons, random"] > 1.0
    assert f["accuracy, random"] > 0.95 > 0.8 > f["accuracy, all 0.5"]


def test_c18_c19_small_batches_get_further_in_an_epoch():
    f = run("descent").figures
    costs = [f[f"cost after 3 epochs, {way}"] for way in ("B = 1", "B = 32", "B = 1000", "full batch")]
    assert costs == sorted(costs)
    per_update = [f[f"cost after 63 updates, {way}"] for way in ("B = 32", "B = 1000", "full batch")]
    assert max(per_update) < 1.3 * min(per_update)
    assert f["updates an epoch, B = 1"] == 2000
    assert f["updates an epoch, full batch"] == 1


def test_c18_the_noise_ball():
    f = run("noise").figures
    ball = {name.rpartition("updates, ")[2]: value for name, value in f.items()}
    assert ball["full batch"] < 1e-4
    assert 2.5 < ball["one example"] / ball["batch of 20"] < 8.0
    assert (
        f["mean distance from the minimum, last 150 updates, one example, smaller and smaller steps"]
        < ball["one example"]
    )


def test_c20_momentum_gets_there_sooner():
    f = run("momentum").figures
    assert f["distance after 150 updates, momentum"] < 0.1 * f["distance after 150 updates, plain"]
    assert f["difference, gpunet and by hand"] < 1e-5
    assert f["difference, by hand in the two forms"] < 1e-12
    assert f["slip: distance after 30 updates, α without (1 − β)"] > 1e3


def test_c21_decay_shrinks_weights_and_leaves_biases_alone():
    f = run("decay").figures
    assert f["length of W"] == sorted(f["length of W"], reverse=True)
    assert f["cost on 80 training pictures"] == sorted(f["cost on 80 training pictures"])
    test = f["cost on test pictures"]
    assert min(test[1:-1]) < min(test[0], test[-1])
    assert f["one update: distance of W from (1 − αλ) W − α ∂J/∂W"] < 1e-6
    assert f["one update: effect of λ on b"] == 0.0


def test_c22_all_gradients_agree_with_differences():
    f = run("check").figures
    assert f["combinations"] == 48
    assert f["largest relative difference"] < 1e-6
    assert f["slip: smallest relative difference"] > 0.1


@pytest.mark.parametrize("name", ["shapes", "saturation", "depth", "momentum"])
def test_small_ones_say_the_same_on_every_backend(name, backend):
    [one] = find(name)
    got, expected = one.run(backend=backend.name, seed=0).figures, run(name).figures
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        if not isinstance(value, str) and "difference" not in key and "distance" not in key:
            np.testing.assert_allclose(got[key], value, rtol=2e-2, atol=1e-6)


def test_the_same_seed_gives_the_same_figures():
    [one] = find("regression")
    assert one.run(seed=0).figures == run("regression").figures
    assert one.run(seed=1).figures != run("regression").figures
