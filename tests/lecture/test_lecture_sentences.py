"""Sentences say what came out: each of them changes when the values contradict it."""

import math

import pytest

from gpunet.lecture import (
    EXPERIMENTS,
    Sentence,
    at_least,
    at_most,
    bound,
    equality,
    fixed,
    number,
    percent,
    power,
)
from gpunet.lecture.result import format_value

# Values that contradict a sentence each, and words of the sentence that then stands on the page.
CONTRADICTIONS = {
    "needle": [
        ({"accuracy on test images": 0.6}, "only 60.0% of the test images"),
        ({"mean weight elsewhere": 0.1}, "has not learned the position"),
        ({"correlation of weights and needle": 0.2}, "correlation of weights and needle is 0.20"),
        ({"mistake: cost without the minus": 0.4}, "updates it is 0.40"),
        ({"mistake: accuracy without the minus": 0.9}, "on the test images 90.0%"),
    ],
    "detectors": [
        ({"fraction found, three detectors": [1.0, 0.9, 0.4]}, "and a softmax trained"),
        ({"fraction found, softmax": [1.0, 0.5, 0.4]}, "40.0%."),
        ({"change of other gradients, three detectors": 1e-7}, "change by 10⁻⁷ of their"),
        ({"difference, trained together or alone": 0.3}, "differ by up to 0.3"),
    ],
    "softmax": [
        ({"largest mean weight on another needle": 0.1}, "on another 0.10 or less"),
        ({"accuracy on test images": 0.9}, "Only 90.0% of the test images"),
        ({"outputs for logits 10⁴, 0, −10⁴": [0.5, 0.5, 0.0]}, "[0.5, 0.5, 0.0]"),
        ({"cost after training": 0.7}, "has not brought below"),
    ],
    "regression": [
        ({"slope with L1": 0.5}, "L1 is not much nearer"),
        ({"ReLU with targets below 0": "no error"}, "took negative targets"),
        ({"mean error below 0, ReLU": 0.3}, "not much more"),
    ],
    "shapes": [({"difference, in NumPy and by the network": 0.1}, "differ by up to 0.1")],
    "features": [
        ({"smoothness after training": 0.1}, "not become much smoother"),
        ({"accuracy with hidden features": 0.5}, "do not raise the accuracy"),
    ],
    "batch": [
        ({"difference of gradients": 0.01}, "differ by up to 0.01"),
        ({"speedup": 0.8}, "0.8 times as many"),
    ],
    "backprop": [
        ({"relative difference, in NumPy and by gpunet": 0.1}, "by 0.1 of their size"),
        ({"matrix products, backward": 7}, "the backward pass 7"),
        ({"mistake: cost with W for Wᵀ": 9.0}, "to 9.000 with W"),
    ],
    "saturation": [
        ({"largest gradient, sigmoid": 0.3}, "sigmoid is 0.3000"),
        ({"updates from z = −6 to ŷ > ½, L2": 20}, "needs 20 updates with L2"),
    ],
    "collapse": [
        ({"difference, three layers and one": 0.5}, "differ by up to 0.5"),
        ({"cost, three layers with tanh": 0.2}, "has not fitted the curve"),
    ],
    "separation": [
        ({"accuracy on XOR, with tanh": 0.883}, "at least 88.3% and"),
        ({"accuracy on triangle, with tanh": 0.883}, "has not found the three sides: 88.3%"),
        ({"accuracy on disc in a ring, without": 0.9}, "at most 90%: not"),
    ],
    "depth": [
        ({"largest relative difference from 1.5^L": 0.1}, "which is not 1.5"),
        ({"δ[1] / δ[L] for 12 layers, σ, LeCun": 0.5}, "more than expected"),
        ({"δ[1] / δ[L] for 100 layers, ReLU, He": 2e5}, "far from 1"),
        ({"δ[1] / δ[L] for 100 layers, 0.5·I, ReLU": 1.0}, "is multiplied by 1·10⁰"),
    ],
    "normalise": [
        ({"updates to 1/10,000 of the cost, not normalised": 3}, "in 3 updates, and with"),
        ({"test cost with the test set's own": 1e-9}, "no clear difference"),
    ],
    "starts": [
        ({"signal after 30 layers, tanh, LeCun": 1e-5}, "the signal is 1.0·10⁻⁵ for tanh"),
        ({"cost after training, ReLU, LeCun": 1e-5}, "ReLU with LeCun initialisation: a signal"),
        ({"cost after training, tanh, value 1/n*": 0.3}, "cost is then 0.30"),
        ({"cost after training, tanh, He*": 0.9}, "The cost is then 0.9 instead"),
    ],
    "symmetry": [
        ({"largest difference between neurons, all 0.5": 0.2}, "differ by 0.2 after"),
        ({"largest change of W[1] from all 0": 0.1}, "has changed by 0.1"),
        ({"accuracy, random": 0.5}, "not more than with equal ones"),
    ],
    "descent": [
        ({"cost after 3 epochs, B = 1": 9.0}, "and 2000 are 9, "),
        ({"cost after 63 updates, B = 32": 9.0}, "and 2000 are 9, "),
        ({"examples per second, plain NumPy, B = 32": 1.0}, "In plain NumPy the loop of C19 handles"),
        ({"difference of W, gpunet and plain NumPy, B = 1": 0.5}, "by 0.5 at most"),
        ({"examples per second, gpunet, B = 1": 1.0}, "is not broken here"),
    ],
    "noise": [
        ({"mean distance at the end, full batch": 0.5}, "are too few"),
        ({"mean distance at the end, batch of 20": 0.5}, "a batch of 20 0.50"),
        (
            {"mean distance at the end, one example, falling rate": 0.9},
            "no improvement",
        ),
    ],
    "momentum": [
        ({"distance after 150 updates, momentum": 1.0}, "has not helped much"),
        ({"difference of the two forms, in NumPy": 1.0}, "differ by up to 1."),
        ({"mistake: distance after 30 updates, α without (1 − β)": 0.5}, "is then 0.5 after"),
    ],
    "decay": [
        ({"cost on 80 training images": [0.7, 0.7, 0.7, 0.7]}, "is 0.700 on the training images"),
        ({"cost on test images": [0.5, 0.6, 0.7, 0.8]}, "λ = 0 gives the lowest cost on test images, 0.50."),
        ({"one update: effect of λ on b": 0.1}, "changes b by 0.1"),
    ],
    "check": [
        ({"largest relative difference": 0.01}, "as large as 0.01"),
        ({"mistake: smallest relative difference": 1e-9}, "only 1.0·10⁻⁹"),
    ],
}  # fmt: skip


def sentences(script, values):
    """All sentences for these values, with those about the mistake."""
    return [*script["observations"](values), *script.get("mistakes", lambda values: [])(values)]


@pytest.mark.slow
@pytest.mark.parametrize("one", EXPERIMENTS, ids=lambda one: one.name)
def test_each_sentence_changes_when_the_values_contradict_it(one, run, copied):
    script, values = copied(one.name), dict(run(one.name).values)
    contradicted = set()
    for change, words in CONTRADICTIONS[one.name]:
        assert change.keys() <= values.keys()
        changed = sentences(script, values | change)
        wrong = {
            k for k, sentence in enumerate(changed) if isinstance(sentence, Sentence) and not sentence.holds
        }
        assert any(words in str(changed[k]) for k in wrong), (words, [str(changed[k]) for k in wrong])
        assert all(changed[k].text not in map(str, changed) for k in wrong)
        contradicted |= wrong
    every = {k for k, sentence in enumerate(sentences(script, values)) if isinstance(sentence, Sentence)}
    assert contradicted == every


def test_percentages_are_not_rounded_to_a_false_sentence():
    assert percent(1.0) == "100%"
    assert percent(0.0) == "0%"
    assert percent(0.9997) == percent(0.9995) == "more than 99.9%"
    assert percent(2.8697) == "287%"
    assert percent(0.0002) == "less than 0.1%"
    assert percent(0.998) == "99.8%"
    assert at_least(0.9986) == "at least 99.8%"
    assert at_least(1.0) == "at least 100%"
    assert at_most(0.6541) == "at most 65.5%"
    for fraction in (0.1234, 0.5, 0.998, 0.99999):
        assert float(at_least(fraction).split()[-1].rstrip("%")) <= 100 * fraction + 1e-9
        assert float(at_most(fraction).split()[-1].rstrip("%")) >= 100 * fraction - 1e-9


def test_equality_says_whether_there_is_rounding():
    assert equality(0.0) == "bit for bit"
    assert equality(3e-8) == "but for rounding (10⁻⁷ at most)"


def test_bounds_are_rounded_up():
    assert bound(2e-10) == "10⁻⁹"
    assert bound(1.0) == "10⁰"
    assert bound(0.0) == "0"
    for value in (3e-5, 1e-4, 0.7):
        exponent = math.ceil(math.log10(value))
        assert value <= 10.0**exponent <= 10 * value


def test_numbers():
    shown = {
        0.0: "0",
        0.0123: "0.012",
        9.96: "10",
        255.4: "255",
        12345.6: "12,346",
        2.04e-8: "2.0·10⁻⁸",
        -0.5: "−0.5",
    }
    assert {value: number(value) for value in shown} == shown
    assert number(2.04e-8, 1) == "2·10⁻⁸"
    assert number(3.7, 1) == "4"
    assert number(37.0, 1) == "37"
    assert number(3e9) == "3.0·10⁹"
    for value, digits, text in (
        (99.6, 2, "100"),
        (-99.6, 2, "−100"),
        (9.7, 1, "10"),
        (99.4, 2, "99"),
        (999.7, 3, "1,000"),
    ):
        assert number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"), [(math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "not a number")], ids=str
)
def test_what_is_no_number(value, text):
    """As when a run diverges: the page says so, and is made."""
    assert number(value) == power(value) == power(value, 1) == bound(value) == format_value(value) == text
    assert format_value([value, 1.5]) == f"{text}, 1.5"


def test_powers_and_fixed_decimals():
    assert power(2.4e-30) == "2·10⁻³⁰"
    assert power(-1.5e12, 1) == "−1.5·10¹²"
    assert power(0.0) == "0"
    assert fixed(-0.151) == "−0.15"
    assert fixed(-0.001) == "0.00"
    assert fixed(1.25, 1) == "1.2"


def test_a_sentence_is_the_one_that_holds():
    assert str(Sentence(True, "yes", "no")) == "yes"
    assert str(Sentence(False, "yes", "no")) == "no"
