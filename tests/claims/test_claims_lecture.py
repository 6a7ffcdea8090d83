"""The lecture stays true: no sentence of an experiment is false, whichever seed and backend.

Each sentence has a condition on the measured values. The tests run the experiments and check the values independently,
with thresholds of their own, and that the claim holds: the sentence on the page is then the one that claims it.

``GPUNET_SEEDS=10 python -m pytest tests/claims/test_claims_lecture.py`` runs seeds 0 to 9, with and without compiled
programs; ``GPUNET_LECTURE_BACKENDS=numpy,torch,jax`` adds backends. Without these variables: seed 0, NumPy.
"""

import math
import os

import numpy as np
import pytest

from gpunet.lecture import EXPERIMENTS, Sentence

pytestmark = pytest.mark.slow

SEEDS = range(int(os.environ.get("GPUNET_SEEDS", "1")))
BACKENDS = os.environ.get("GPUNET_LECTURE_BACKENDS", "numpy").split(",")
SETTINGS = [("numpy", "wait"), ("numpy", "never")] if "numpy" in BACKENDS else []
SETTINGS += [(name, "never") for name in BACKENDS if name != "numpy"]

# Sentences about speed: what is faster depends on the machine, so only their figures are checked.
ABOUT_SPEED = ("examples per second",)


def check_c01_c02_needle(v):
    assert v["numbers in one image's column"] == 256
    assert v["accuracy on test images"] > 0.95
    assert v["correlation of weights and needle"] > 0.8
    assert v["mean weight on the needle"] > 10 * abs(v["mean weight elsewhere"])
    assert v["difference, images or columns"] == 0.0
    assert v["mistake: accuracy without the minus"] < 0.6
    assert v["mistake: cost without the minus"] > 10.0


def check_c03_c04_detectors(v):
    assert min(v["fraction found, three detectors"]) > 0.95
    one, two, three = v["fraction found, softmax"]
    assert one > 0.95
    assert two <= 0.5
    assert three <= 1 / 3
    assert v["difference, trained together or alone"] < 1e-4 * v["largest weight of the three detectors"]
    assert v["change of other gradients, three detectors"] == 0.0
    assert v["change of other gradients, softmax"] > 0.1


def check_c04_softmax(v):
    assert v["accuracy on test images"] > 0.98
    assert v["smallest mean weight on the own needle"] > 0.2
    assert v["largest mean weight on another needle"] < -0.1
    assert v["largest difference of a sum from 1"] < 1e-5
    assert v["outputs for logits 10⁴, 0, −10⁴"] == [1.0, 0.0, 0.0]
    assert v["the plain formula gives"] == "nan"
    floor = v["mistake: lower bound of the cost"]
    assert v["mistake: cost after training"] > floor > 5 * v["cost after training"]
    assert v["mistake: largest output"] < math.e / (math.e + 2) + 1e-6


def check_c05_regression(v):
    assert abs(v["slope with L1"] - v["true slope"]) < 0.2
    assert abs(v["slope with L2"] - v["true slope"]) > 0.5
    assert v["smallest output of ReLU"] == 0.0
    assert v["mean error below 0, ReLU"] > 3 * v["mean error below 0, identity"]
    assert "can't reach" in v["ReLU with targets below 0"]


def check_c06_shapes(v):
    assert v["difference, in NumPy and by the network"] < 1e-5
    assert v["columns of every Z[l] and A[l]"] == [40]
    assert v["parameters"] == 64 * 32 + 32 + 32 * 16 + 16 + 16 * 3 + 3
    assert v["each gradient has the shape of its parameter"] == "yes"


def check_c06_c01_features(v):
    assert v["data"] == "digits"
    assert v["accuracy with hidden features"] > v["accuracy from pixels only"]
    assert abs(v["smoothness before training"]) < 0.1
    assert v["smoothness after training"] > 0.2


def check_c07_c08_batch(v):
    assert v["parameters, for any m"] == 256 * 64 + 64 + 64 * 3 + 3
    for what in ("outputs, loop and batch", "J and the mean of L", "gradients"):
        assert v[f"difference of {what}"] < 1e-5


def check_c09_c10_c22_backprop(v):
    assert v["relative difference, in NumPy and by gpunet"] < 1e-12
    assert v["relative difference, in NumPy and numerical"] < 1e-7
    assert v["matrix products, backward"] == 2 * v["matrix products, forward"] - 1
    assert v["mistake: relative error without (1 − σ)"] > 0.1
    assert v["mistake: relative error with W for Wᵀ"] > 0.02
    assert v["mistake: cost with W for Wᵀ"] < v["cost before training"]
    assert v["cost after training"] < v["cost before training"]


def check_c11_saturation(v):
    assert v["largest gradient, sigmoid"] == pytest.approx(0.25)
    assert v["largest gradient, tanh"] == pytest.approx(1.0)
    assert v["largest for |z| ≥ 6, sigmoid"] < 0.003
    assert v["largest for |z| ≥ 6, tanh"] < 1e-4
    assert v["largest for z ≥ 6, relu"] == 1.0
    l2, logistic = (v[f"updates from z = −6 to ŷ > ½, {loss}"] for loss in ("L2", "logistic loss"))
    assert l2 == "more than 1,000" or l2 > 10 * logistic


def check_c12_collapse(v):
    assert v["difference, three layers and one"] < 1e-5
    assert v["difference with tanh"] > 0.1
    line = v["cost, best straight line"]
    assert v["cost, three layers without activations"] == pytest.approx(line, rel=1e-2)
    assert v["cost, three layers with tanh"] < 0.1 * line


def check_c13_separation(v):
    for shape in ("XOR", "disc in a ring", "triangle"):
        assert v[f"accuracy on {shape}, with tanh"] > 0.97
        assert v[f"accuracy on {shape}, without"] < 0.75


def check_c14_c16_depth(v):
    layers = v["layers"]
    assert layers[-1] == 100
    assert v["largest relative difference from 1.5^L"] < 1e-9
    np.testing.assert_allclose(v["ŷ / x with 1.5·I"], 1.5 ** np.array(layers), rtol=1e-9)
    np.testing.assert_allclose(v["ŷ / x with 0.5·I"], 0.5 ** np.array(layers), rtol=1e-9)
    sigmoid, he, lecun = (
        v[f"δ[1] / δ[L] for 100 layers, {name}"] for name in ("σ, LeCun", "ReLU, He", "ReLU, LeCun")
    )
    assert sigmoid < 1e-30 < lecun < 1e-10 < 1e-3 < he < 1e3
    # Not the cause that the notes name: ReLU changes nothing.
    without, relu = (v[f"δ[1] / δ[L] for 100 layers, 0.5·I{more}"] for more in ("", ", ReLU"))
    assert relu == pytest.approx(without)


def check_c15_normalise(v):
    assert v["updates to 1/10,000 of the cost, normalised"] <= 6
    assert v["updates to 1/10,000 of the cost, not normalised"] > 30
    assert v["deviation used for the constant feature"] == 1.0
    assert v["test cost with the training set's μ and σ"] < 1e-6 < v["test cost with the test set's own"]


def check_c16_starts(v):
    for start, variance in (
        ("lecun_normal", 1.0),
        ("he_normal", 2.0),
        ("glorot_normal", 1.6),
        ("glorot_uniform", 1.6),
    ):
        assert v[f"variance of W times n[l−1], {start}"] == pytest.approx(variance, rel=0.05)
    signal = {name.removeprefix("signal after 30 layers, "): value for name, value in v.items()}
    assert signal["tanh, LeCun"] > 0.01
    assert signal["ReLU, He"] > 0.01 > 100 * signal["ReLU, LeCun"]
    assert signal["tanh, value 1/n*"] < 1e-10
    for activation, start in (("tanh", "LeCun"), ("ReLU", "He")):
        assert v[f"cost after training, {activation}, value 1/n*"] == pytest.approx(math.log(3), rel=0.05)
        assert v[f"cost after training, {activation}, {start}"] < 0.2
    assert v["cost after training, ReLU, He"] < v["cost after training, ReLU, LeCun"]


def check_c17_symmetry(v):
    assert v["largest change of W[1] from all 0"] == 0.0
    assert v["largest difference between neurons, all 0.5"] < 1e-8
    assert v["largest difference between neurons, random"] > 1.0
    assert v["accuracy, random"] > 0.9 > 0.85 > v["accuracy, all 0.5"]


def check_c18_c19_descent(v):
    costs = [v[f"cost after 3 epochs, {way}"] for way in ("B = 1", "B = 32", "B = 1000", "full batch")]
    assert costs == sorted(costs)
    per_update = [v[f"cost after 63 updates, {way}"] for way in ("B = 32", "B = 1000", "full batch")]
    assert max(per_update) < 1.3 * min(per_update)
    assert v["updates per epoch, B = 1"] == 2000
    assert v["updates per epoch, B = 1000"] == 2
    assert v["updates per epoch, full batch"] == 1
    assert v["difference of W, gpunet and plain NumPy, B = 1"] < 1e-3


def check_c18_c19_noise(v):
    distance = {name.partition("at the end, ")[2]: value for name, value in v.items()}
    assert distance["full batch"] < 1e-4
    assert 2.5 < distance["one example"] / distance["batch of 20"] < 8.0
    falling = distance["one example, falling rate"]
    assert falling < distance["one example"]


def check_c20_momentum(v):
    assert v["distance after 150 updates, momentum"] < 0.1 * v["distance after 150 updates, plain"]
    assert v["difference, gpunet and NumPy"] < 1e-5
    assert v["difference of the two forms, in NumPy"] < 1e-12
    assert v["mistake: distance after 30 updates, α without (1 − β)"] > 1e3


def check_c21_decay(v):
    assert v["norm of W"] == sorted(v["norm of W"], reverse=True)
    assert v["cost on 80 training images"] == sorted(v["cost on 80 training images"])
    test = v["cost on test images"]
    assert min(test[1:-1]) < min(test[0], test[-1])
    assert v["one update: difference of W from (1 − αλ) W − α ∂J/∂W"] < 1e-6
    assert v["one update: effect of λ on b"] == 0.0


def check_c22_check(v):
    assert v["combinations"] == 48
    assert v["largest relative difference"] < 1e-6
    assert v["mistake: smallest relative difference"] > 0.1


CHECKS = {name.rpartition("_")[2]: check for name, check in globals().items() if name.startswith("check_")}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("backend", "compiled"), SETTINGS, ids=map(" ".join, SETTINGS))
@pytest.mark.parametrize("one", EXPERIMENTS, ids=lambda one: one.name)
def test_c01_c22_every_claim_holds_and_its_sentence_is_the_one_on_the_page(
    one, backend, compiled, seed, monkeypatch, tmp_path
):
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path))  # no MNIST: nothing is downloaded
    monkeypatch.setenv("GPUNET_COMPILE", compiled)
    result = one.run(backend=backend, seed=seed)
    CHECKS[one.name](result.values)
    page = f"{result.observation} {result.mistake}"
    for sentence in (*result.observations, *result.mistakes):
        if isinstance(sentence, Sentence):
            about_speed = any(words in sentence.text for words in ABOUT_SPEED)
            assert sentence.holds or about_speed, str(sentence)
            assert (sentence.text if sentence.holds else sentence.otherwise) in page


def test_c01_c22_every_experiment_has_a_check():
    assert set(CHECKS) == {one.name for one in EXPERIMENTS}
