"""The Poisson deviance and its exponential output against PyTorch and scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import mean_poisson_deviance

from gpunet.core.losses import cost, output_delta
from gpunet.core.poisson import EXP, POISSON

Z = np.array([[-3.0, 0.2, 1.5, -0.7, 0.0, 2.5]])
Y = np.array([[0.0, 1.0, 4.0, 0.0, 2.0, 9.0]])
WEIGHTS = np.array([[1.0, 2.0, 0.5, 3.0, 1.0, 0.25]])


@pytest.mark.parametrize("activation", [EXP, "softplus"], ids=str)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_cost_and_delta_are_those_of_torch(activation, weights):
    torch = pytest.importorskip("torch")
    A = np.exp(Z) if activation is EXP else np.log1p(np.exp(Z))
    z = torch.tensor(Z, requires_grad=True)
    a = torch.exp(z) if activation is EXP else torch.nn.functional.softplus(z)
    w = torch.ones_like(z) if weights is None else torch.tensor(weights)
    y = torch.tensor(Y)
    L = torch.nn.functional.poisson_nll_loss(a, y, log_input=False, eps=0.0, reduction="none")
    J = (w * (L + torch.xlogy(y, y) - y)).sum() / 6
    J.backward()
    assert_allclose(cost(np, POISSON, activation, Z, A, Y, weights), J.item(), rtol=1e-12)
    assert_allclose(output_delta(np, POISSON, activation, Z, A, Y, weights), z.grad.numpy(), rtol=1e-10)


def test_it_is_half_of_scikit_learns_deviance():
    A = np.exp(Z)
    expected = mean_poisson_deviance(Y[0], A[0]) / 2
    assert_allclose(POISSON.value(np, A, Y).mean(), expected)
    assert_allclose(POISSON.value_from_Z(np, Z, Y).mean(), expected)


def test_the_activation_is_exp():
    A = EXP.forward(np, Z)
    assert_allclose(A, np.exp(Z))
    assert_allclose(EXP.backward(np, Y, Z, A), Y * np.exp(Z))
    assert (EXP.low, EXP.high) == (0.0, np.inf)
    assert str(EXP) == "exp" and str(POISSON) == "poisson"


def test_a_zero_prediction_of_a_zero_is_no_loss():
    """The canonical pair stays finite where e^z is 0."""
    Z = np.full((1, 2), -1000.0)
    A, Y = np.exp(Z), np.zeros((1, 2))
    assert cost(np, POISSON, EXP, Z, A, Y, None) == 0.0
    assert (output_delta(np, POISSON, EXP, Z, A, Y, None) == 0.0).all()
