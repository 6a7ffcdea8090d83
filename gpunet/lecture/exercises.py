"""One exercise per experiment. ``gpunet lecture needle --answer 100`` checks an answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Exercise:
    """A question whose answer is a number.

    Attributes
    ----------
    question : str
    answer : callable
        Computes the number.
    reason : str
        How it is computed: shown after a right answer.
    """

    question: str
    answer: Callable[[], float]
    reason: str

    def check(self, given: float) -> bool:
        """Whether an answer is right: within half a percent, counts exactly."""
        expected = self.answer()
        if isinstance(expected, int):
            return given == expected
        return math.isclose(given, expected, rel_tol=5e-3)


def sigmoid(z: float) -> float:
    """The logistic function."""
    return 1.0 / (1.0 + math.exp(-z))


EXERCISES = {
    "needle": Exercise(
        "One neuron looks at colour images of 32 × 32 pixels with three channels. How many parameters does "
        "it have?",
        lambda: 32 * 32 * 3 + 1,
        "the column has w·l·b = 32 · 32 · 3 numbers, w has as many weights, and there is one bias (C1, C2)",
    ),
    "detectors": Exercise(
        "An image has the first and the third needle, and three detectors answer ŷ = (0.9, 0.2, 0.8). What "
        "is the loss L of this example?",
        lambda: -(math.log(0.9) + math.log(1 - 0.2) + math.log(0.8)),
        "L = −log 0.9 − log(1 − 0.2) − log 0.8: the sum of three logistic losses (C3)",
    ),
    "softmax": Exercise(
        "A softmax gets z = (3, 1, 0). What is its first output?",
        lambda: math.exp(3) / (math.exp(3) + math.exp(1) + 1),
        "e³ / (e³ + e + 1) (C4)",
    ),
    "regression": Exercise(
        "Five examples have the same x and the targets 1, 2, 3, 4 and 100. With L2 the best output for this "
        "x is their mean, 22. Which output is best with L1?",
        lambda: 3,
        "L1 estimates the median (C5)",
    ),
    "shapes": Exercise(
        "A network has 784 inputs and layers of 128, 64 and 10 neurons. How many parameters does it have?",
        lambda: 128 * (784 + 1) + 64 * (128 + 1) + 10 * (64 + 1),
        "layer l has n[l] rows of n[l−1] weights and one bias each (C6)",
    ),
    "features": Exercise(
        "A network for images of 28 × 28 pixels has 25 hidden neurons and 10 outputs. How many of its "
        "parameters are not in W[1]?",
        lambda: 25 + 10 * 25 + 10,
        "b[1], W[2] and b[2]: 25 + 10 · 25 + 10, beside 25 · 784 in W[1] (C6)",
    ),
    "batch": Exercise(
        "A batch has two examples. The losses of the three outputs are 0.1, 0.2 and 0.3 for the first, and "
        "0.4, 0.5 and 0.1 for the second. What is the cost J?",
        lambda: (0.6 + 1.0) / 2,
        "the sum over outputs inside L, the mean over examples outside: (0.6 + 1.0) / 2 (C8)",
    ),
    "backprop": Exercise(
        "A neuron with a sigmoid and the logistic loss has w = 0.5 and b = 0. For the one example x = 2, y "
        "= 1: what is ∂J/∂w?",
        lambda: (sigmoid(1.0) - 1.0) * 2.0,
        "δ = a − y = σ(1) − 1, and ∂J/∂w = δ x (C9)",
    ),
    "saturation": Exercise(
        "What is the derivative of the sigmoid at z = 4?",
        lambda: sigmoid(4.0) * (1.0 - sigmoid(4.0)),
        "σ′ = a (1 − a) with a = σ(4) (C11)",
    ),
    "collapse": Exercise(
        "Three layers of one neuron each have g(z) = z, the weights W[1] = 2, W[2] = 3, W[3] = 0.5 and the "
        "biases b[1] = 1, b[2] = −1, b[3] = 2. What is the bias B of the one layer that computes the same?",
        lambda: 0.5 * 3 * 1 + 0.5 * -1 + 2.0,
        "B = W[3] W[2] b[1] + W[3] b[2] + b[3] (C12)",
    ),
    "separation": Exercise(
        "Two hidden neurons compute h₁ = ReLU(x₁ + x₂) and h₂ = ReLU(x₁ + x₂ − 1), and the output is ŷ = h₁ "
        "+ v h₂. For which v is ŷ the XOR of x₁ and x₂, where both are 0 or 1?",
        lambda: -2,
        "for x = (1, 1) the output is 2 + v and must be 0; the other three are right for any v (C13)",
    ),
    "depth": Exercise(
        "Every layer multiplies the error by 0.9. How many layers does it take until less than a thousandth "
        "is left?",
        lambda: math.ceil(math.log(1000) / -math.log(0.9)),
        "0.9^L < 1/1000 for L > log 1000 / −log 0.9 = 65.6 (C14)",
    ),
    "normalise": Exercise(
        "The cost is a quadratic function with curvatures 0.04 and 1. What is the best constant learning "
        "rate?",
        lambda: 2 / (0.04 + 1),
        "2/(λ_min + λ_max) (C15)",
    ),
    "starts": Exercise(
        "A layer of ReLU neurons has 200 inputs. What standard deviation does He initialisation give its "
        "weights?",
        lambda: math.sqrt(2 / 200),
        "√(2/n[l−1]) (C16)",
    ),
    "symmetry": Exercise(
        "A network has two inputs, six hidden neurons and one output: 6 · 3 + 7 = 25 parameters. All of "
        "W[1], and all of W[2], are equal at the start, and biases are 0. At most how many different values "
        "do the 25 parameters have after training?",
        lambda: 2 + 1 + 1 + 1,
        "the six rows of W[1] stay equal (2 values), so do b[1] (1) and W[2] (1), and there is b[2] (1) "
        "(C17)",
    ),
    "descent": Exercise(
        "How many updates are 10 epochs over 50,500 examples with the lecture's B = 1000?",
        lambda: 10 * math.ceil(50_500 / 1000),
        "51 updates per epoch, the last one with 500 examples (C19)",
    ),
    "noise": Exercise(
        "With batches of 20 the weights stay at a mean distance of 0.06 from the minimum. The learning rate "
        "stays the same. With which batch size is the distance about 0.03?",
        lambda: 80,
        "the distance is proportional to √(α/B), so B must be four times as large (C18)",
    ),
    "momentum": Exercise(
        "β = 0.9, v is 0 at the start, and the gradient is 1 in every update. What is v after three updates "
        "of the lecture's form?",
        lambda: 1 - 0.9**3,
        "v = 0.1, then 0.19, then 0.271 = 1 − β³ (C20)",
    ),
    "decay": Exercise(
        "α = 0.1, λ = 0.5, and the gradient of a weight is 0. What fraction of the weight is left after 10 "
        "updates?",
        lambda: (1 - 0.1 * 0.5) ** 10,
        "every update multiplies it by 1 − αλ = 0.95 (C21)",
    ),
    "check": Exercise(
        "J(θ) = θ³. What is the central difference at θ = 1 with h = 0.5? (The derivative is 3.)",
        lambda: (1.5**3 - 0.5**3) / 1.0,
        "(3.375 − 0.125) / 1, an error of h² (C22)",
    ),
}
