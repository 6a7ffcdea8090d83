"""The answers of the exercises, worked out by hand, and wrong answers that people give."""

import pytest

from gpunet.cli import main
from gpunet.lecture import EXPERIMENTS, find

# Experiment: the answer by hand, and wrong ones with what was mistaken.
ANSWERS = {
    "needle": (3073, [3072, 1025, 1024]),  # without b; one channel
    "detectors": (0.5516, [-0.5516, 0.1839, 0.3285]),  # the minus lost; a mean; absent needles left out
    "softmax": (0.8438, [0.9526, 0.75]),  # a sigmoid; z divided by the sum
    "regression": (3, [22, 2]),
    "shapes": (109_386, [109_184]),  # without biases
    "features": (285, [260, 250]),  # without b[1]; without biases
    "batch": (0.8, [0.2667, 1.6]),  # the mean over outputs too; the sum over examples
    "backprop": (-0.5379, [0.5379, -0.2689, -0.1058]),  # y − a; without x; with σ′
    "saturation": (0.01766, [0.982, 0.25]),
    "collapse": (3, [2.5, 4]),
    "separation": (-2, [2, -1]),
    "depth": (66, [65, 44]),
    "normalise": (1.923, [2.0, 50.0]),
    "starts": (0.1, [0.01, 0.0707]),  # the variance; LeCun
    "symmetry": (5, [25, 4]),
    "descent": (510, [505, 500]),
    "noise": (80, [40, 10]),
    "momentum": (0.271, [2.71, 0.3]),  # without 1 − β; without the average
    "decay": (0.5987, [0.5, 0.95]),
    "check": (3.25, [3.0, 4.75]),  # the derivative; a forward difference
}


@pytest.mark.parametrize("one", EXPERIMENTS, ids=lambda one: one.name)
def test_answers(one):
    right, wrong = ANSWERS[one.name]
    assert one.exercise.question.count("?") == 1
    assert one.exercise.check(right)
    for answer in wrong:
        assert not one.exercise.check(answer), answer


def test_counts_are_exact_and_other_numbers_need_three_digits():
    [shapes], [softmax] = find("shapes"), find("softmax")
    assert not shapes.exercise.check(109_387)
    assert softmax.exercise.check(0.844)
    assert not softmax.exercise.check(0.85)


@pytest.mark.parametrize("name", ["depth", "Backprop"])
def test_the_command_checks_an_answer(name, capsys):
    right, [wrong, *_] = ANSWERS[name.lower()]
    assert main(["lecture", name, f"--answer={right}"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Right: ")
    assert max(map(len, out.splitlines())) <= 80
    assert main(["lecture", name, f"--answer={wrong}"]) == 2
    assert f"{wrong:g} is not right. " in capsys.readouterr().err


def test_an_answer_is_for_one_experiment(capsys):
    assert main(["lecture", "C16", "--answer", "1"]) == 2
    assert "--answer needs one experiment, got 2: depth, starts" in capsys.readouterr().err
    assert main(["lecture", "--answer", "1"]) == 2
    assert "--answer needs one experiment" in capsys.readouterr().err
