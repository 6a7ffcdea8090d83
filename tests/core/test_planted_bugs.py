"""Bugs planted one at a time in copies of the math: the checks must catch every one.

A bug is a list of replacements in one module's source. Each replaced text must stand there exactly once, so
that this page breaks loudly when the code has moved on.
"""

import importlib
import re
import sys
from pathlib import Path

import pytest

import core_checks as checks
import gpunet

pytestmark = pytest.mark.slow

SOURCE = Path(gpunet.__file__).parent
COPIED = [
    *checks.MODULES.values(),
    "core.checks",
    "core.other_names",
    "core.penalty",
    "core.columns",
    "inputs.dtypes",
    "inputs.moments",
]

# What went wrong: (module, old text, new text, old text, new text, …)
BUGS = {
    # The slips that the lecture's notes hold.
    "logistic without its minus": ("losses", "return -(Y * xp.log(A) +", "return (Y * xp.log(A) +"),
    "cross-entropy without its minus": (
        "losses",
        "return -Y * xp.log(_inside",
        "return Y * xp.log(_inside",
    ),
    "cross-entropy from Z without its minus": ("losses", "return -Y * (Z -", "return Y * (Z -"),
    "1 − σ lost in σ′": ("activations", "return dA * A * (1.0 - A)\n", "return dA * A\n"),
    "1 − a lost in ∂L/∂a": ("losses", "/ (A * (1.0 - A))\n", "/ A\n"),
    "1/m lost in δ": ("losses", "return delta / Y.shape[1]", "return delta"),
    "1/m lost in J": ("losses", "return xp.sum(L) / Y.shape[1]", "return xp.sum(L)"),
    "1/m lost in both": (
        "losses",
        "return delta / Y.shape[1]",
        "return delta",
        "return xp.sum(L) / Y.shape[1]",
        "return xp.sum(L)",
    ),
    "W not transposed on the way back": (
        "propagation",
        "parameters[l][0].T @ delta",
        "parameters[l][0] @ delta",
    ),
    "√(4/n) for sigmoid": (
        "initializers",
        "math.sqrt(1.0 / n_in) * rng.standard",
        "math.sqrt(4.0 / n_in) * rng.standard",
    ),
    "softmax of y, without the exponential of z": (
        "activations",
        "E = xp.exp(Z - xp.max(Z, axis=0, keepdims=True))",
        "E = Z - xp.min(Z, axis=0, keepdims=True) + 1.0",
    ),
    # Activations.
    "sigmoid upside down": (
        "activations",
        "xp.exp(xp.minimum(Z, 0.0)) /",
        "xp.exp(-xp.maximum(Z, 0.0)) /",
    ),
    "tanh′ = 1 − a": ("activations", "dA * (1.0 - A * A)", "dA * (1.0 - A)"),
    "ReLU passes everything back": ("activations", "return xp.where(Z > 0, dA, 0.0)", "return dA"),
    "leaky ReLU does not leak back": (
        "activations",
        "xp.where(Z > 0, dA, LEAK * dA)",
        "xp.where(Z > 0, dA, 0.0)",
    ),
    "ELU′ = a": ("activations", "dA * (A + 1.0)", "dA * A"),
    "SELU′ without λ": (
        "activations",
        "xp.where(Z > 0, SELU_SCALE, A",
        "xp.where(Z > 0, 1.0, A",
    ),
    "GELU's cube loses its 3": ("activations", "3.0 * GELU_CUBIC", "GELU_CUBIC"),
    "SiLU′ = σ": ("activations", "S + A * (1.0 - S)", "S"),
    "softmax with the diagonal of its Jacobian": (
        "activations",
        "A * (dA - xp.sum(A * dA, axis=0, keepdims=True))",
        "dA * A * (1.0 - A)",
    ),
    "softmax along the examples": (
        "activations",
        "E / xp.sum(E, axis=0, keepdims=True)",
        "E / xp.sum(E, axis=1, keepdims=True)",
    ),
    "softmax without the shift": (
        "activations",
        "xp.exp(Z - xp.max(Z, axis=0, keepdims=True))",
        "xp.exp(Z)",
    ),
    # Losses.
    "cross-entropy without the shift": ("losses", "Z = Z - xp.max(Z, axis=0, keepdims=True)", "Z = Z"),
    "logistic from Z with the wrong sign": ("losses", "- Z * Y +", "+ Z * Y +"),
    "logistic forgets the negatives": ("losses", " + (1.0 - Y) * xp.log1p(-A))", ")"),
    "L2 without its ½": ("losses", "0.5 * (A - Y) * (A - Y)", "(A - Y) * (A - Y)"),
    "L1 pulls the wrong way": ("losses", "xp.sign(A - Y)", "xp.sign(Y - A)"),
    "δ = Y − A": ("losses", "delta = A - Y\n", "delta = Y - A\n"),
    "every output taken for a natural one": (
        "losses",
        "    if activation == loss.canonical:\n        delta",
        "    if True:\n        delta",
    ),
    "mean over outputs": ("losses", "return xp.sum(L) / Y.shape[1]", "return xp.mean(L)"),
    "mean over outputs, in the gradient too": (
        "losses",
        "return xp.sum(L) / Y.shape[1]",
        "return xp.mean(L)",
        "return delta / Y.shape[1]",
        "return delta / Y.shape[1] / Y.shape[0]",
    ),
    "example weights left out of δ": ("losses", "delta = delta * weights", "delta = delta * 1.0"),
    # Propagation.
    "A[l] for A[l−1] in dW": (
        "propagation",
        "delta @ caches[l].inputs.T",
        "delta @ caches[l].A.T",
    ),
    "db of the first example only": (
        "propagation",
        "xp.sum(delta, axis=1, keepdims=True)",
        "delta[:, :1]",
    ),
    "g′ of the wrong layer": (
        "propagation",
        "ACTIVATIONS[activations[l - 1]].backward",
        "ACTIVATIONS[activations[l]].backward",
    ),
    "Z of the wrong layer": (
        "propagation",
        "_, Z, A = caches[l - 1]",
        "_, Z, A = caches[l]",
    ),
    "bias left out": ("propagation", "Z = W @ inputs + b", "Z = W @ inputs"),
    "dropout forgotten on the way back": ("propagation", "dA = dA * masks[l]", "dA = dA * 1.0"),
    "dropout forgotten in the cache": (
        "propagation",
        "Cache(inputs, Z, A)",
        "Cache(caches[-1].A if caches else X, Z, A)",
    ),
    # Dropout.
    "dropout not rescaled": ("dropout", ", (n, m)) / (1.0 - rate)", ", (n, m))"),
    "dropout keeps what it should drop": ("dropout", ">= round(rate", "< round(rate"),
    "dropout forgets its key": ("dropout", "* GOLDEN + key", "* GOLDEN"),
    "mask on the wrong layer": ("reference", "enumerate(plan.layers)", "enumerate(plan.layers[::-1])"),
    "the same mask in every step": (
        "reference",
        "keys[t, :]",
        "keys[0, :]",
    ),
    # Update rules.
    "uphill": ("optimizers", "theta - c[0] * gradient, ()", "theta + c[0] * gradient, ()"),
    "momentum without 1 − β": (
        "optimizers",
        "v = beta * slots[0] + (1.0 - beta) * gradient",
        "v = beta * slots[0] + gradient",
    ),
    "momentum forgotten": ("optimizers", "c[0] * direction, (v,)", "c[0] * direction, (slots[0],)"),
    "Nesterov with the old v": (
        "optimizers",
        "direction = beta * v +",
        "direction = beta * slots[0] +",
    ),
    "decay on biases": (
        "optimizers",
        "            W = (1.0 - c[0] * optimizer.weight_decay) * W\n",
        "            W = (1.0 - c[0] * optimizer.weight_decay) * W\n"
        "            b = (1.0 - c[0] * optimizer.weight_decay) * b\n",
    ),
    "decay after the step": (
        "optimizers",
        "            W = (1.0 - c[0] * optimizer.weight_decay) * W\n",
        "            pass\n",
        "        W, slots_W = optimizer.update(xp, W, dW, slots_W, c)\n",
        "        W, slots_W = optimizer.update(xp, W, dW, slots_W, c)\n"
        "        W = (1.0 - c[0] * optimizer.weight_decay) * W\n",
    ),
    "decay without α": ("optimizers", "(1.0 - c[0] * optimizer", "(1.0 - 1.0 * optimizer"),
    "W and b share their slots": (
        "optimizers",
        "optimizer.update(xp, b, db, slots_b, c)",
        "optimizer.update(xp, b, db, tuple(s[:, :1] for s in slots_W), c)",
    ),
    "Adam without bias correction": (
        "optimizers",
        "rate / (1.0 - beta1**i)",
        "rate",
        "1.0 / sqrt(1.0 - beta2**i)",
        "1.0",
    ),
    "Adam counts from 2": (
        "optimizers",
        "t = range(updates + 1, updates + 1",
        "t = range(updates + 2, updates + 2",
    ),
    "Adam without the root": ("optimizers", "c[2] * xp.sqrt(s)", "c[2] * s"),
    "RMSprop of g, not g²": (
        "optimizers",
        "(1.0 - self.decay) * gradient * gradient",
        "(1.0 - self.decay) * gradient",
    ),
    "clipping lengthens too": (
        "optimizers",
        "xp.where(norm > longest, longest / xp.maximum(norm, longest), 1.0)",
        "longest / norm",
    ),
    "clipping forgets the biases": (
        "optimizers",
        "xp.sum(dW * dW) + xp.sum(db * db)",
        "xp.sum(dW * dW)",
    ),
    "cosine without its ½": ("schedules", "0.5 * (self.initial", "(self.initial"),
    "exponential by the whole step": ("schedules", "[step / every for", "[step for"),
    # Starting.
    "He's start with √(1/n)": (
        "initializers",
        "math.sqrt(2.0 / n_in) * rng.standard",
        "math.sqrt(1.0 / n_in) * rng.standard",
    ),
    "He's start with √(4/n)": (
        "initializers",
        "math.sqrt(2.0 / n_in) * rng.standard",
        "math.sqrt(4.0 / n_in) * rng.standard",
    ),
    "He's start counts outputs": (
        "initializers",
        "math.sqrt(2.0 / n_in) * rng.standard",
        "math.sqrt(2.0 / n_out) * rng.standard",
    ),
    "Glorot's start with 1 for 2": (
        "initializers",
        "math.sqrt(2.0 / (n_in + n_out))",
        "math.sqrt(1.0 / (n_in + n_out))",
    ),
    "Glorot's limit taken for a deviation": (
        "initializers",
        "math.sqrt(6.0 / (n_in + n_out)) * rng.uniform(-1.0, 1.0, (n_out, n_in))",
        "math.sqrt(6.0 / (n_in + n_out)) * rng.standard_normal((n_out, n_in))",
    ),
    "weights all positive": (
        "initializers",
        "math.sqrt(6.0 / n_in) * rng.uniform(-1.0,",
        "math.sqrt(6.0 / n_in) * rng.uniform(0.0,",
    ),
    # Descent.
    "the rest of the examples is dropped": (
        "plan",
        "for i in range(begin, end, self.batch_size)]",
        "for i in range(begin, end - self.batch_size + 1, self.batch_size)]",
    ),
    "the last batch counts as a full one": (
        "reference",
        "    return update(xp, plan, state, J, gradients, batch.coefficients)\n",
        "    part = batch.X.shape[1] / plan.batch_size\n"
        "    gradients = [(W * part, b * part) for W, b in gradients]\n"
        "    return update(xp, plan, state, J, gradients, batch.coefficients)\n",
    ),
    "the order is not used": (
        "reference",
        "slice(first, last) if inputs.order is None else",
        "slice(first, last) or",
    ),
    "targets are not shuffled along": (
        "reference",
        "columns(xp, inputs.Y, chosen)",
        "columns(xp, inputs.Y, slice(first, last))",
    ),
    "example weights are not shuffled along": (
        "reference",
        "columns(xp, weights, chosen)",
        "columns(xp, weights, slice(first, last))",
    ),
    "the learning rate stands still": ("reference", "inputs.coefficients[t, :]", "inputs.coefficients[0, :]"),
    "the loss is taken after the update": (
        "reference",
        "    return update(xp, plan, state, J, gradients, batch.coefficients)\n",
        "    state, _ = update(xp, plan, state, J, gradients, batch.coefficients)\n"
        "    return state, batch_gradients(xp, plan, state.parameters, batch)[0]\n",
    ),
    "the optimizer's state is lost": (
        "reference",
        "state, J = step(xp, self.plan, state, batch)",
        "(now, _), J = step(xp, self.plan, state, batch)\n            state = TrainState(now, state.slots)",
    ),
    # Normalising and measuring.
    "variance for deviation": (
        "standardizer",
        "full(n, variance.mean())\n        deviation = np.sqrt(variance)",
        "full(n, variance.mean())\n        deviation = variance",
    ),
    "constant features divide by 0": (
        "standardizer",
        "        deviation = _without_rounding(deviation, mean, xp.finfo(getattr(xp, dtype)))\n",
        "",
    ),
    "σ but no μ": ("standardizer", "(rows - mean) / deviation", "rows / deviation"),
    "sums that drift with m": (
        "standardizer",
        "origin = self._read(self.rows[0, :])",
        "origin = self._read(self.rows[0, :] * 0)",
    ),
    "classes counted along the examples": (
        "accuracy",
        "xp.argmax(A, axis=0) == xp.argmax(Y, axis=0)",
        "xp.argmax(A, axis=1) == xp.argmax(Y, axis=1)",
    ),
    "labels decided at 0": ("accuracy", "(A > 0.5) == (Y > 0.5)", "(A > 0.0) == (Y > 0.5)"),
}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Makes a copy of the math modules under another name, with one of them changed."""
    names = []

    def plant(module, *replacements):
        name = f"planted_{re.sub(r'[^a-z0-9]', '_', tmp_path.name.lower())}"
        for folder in ("core", "inputs"):
            (tmp_path / name / folder).mkdir(parents=True)
        for one in COPIED:
            path = f"{one.replace('.', '/')}.py"
            text = (SOURCE / path).read_text(encoding="utf-8")
            if one.endswith(f".{module}"):
                for old, new in zip(replacements[::2], replacements[1::2], strict=True):
                    assert text.count(old) == 1, f"{module}.py must hold this once: {old!r}"
                    text = text.replace(old, new)
            text = re.sub(r"^from gpunet\.", f"from {name}.", text, flags=re.MULTILINE)
            (tmp_path / name / path).write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        names.append(name)
        return checks.room_of(name)

    yield plant
    for name in names:
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            del sys.modules[module]


def notices(check, room):
    """Whether `check` fails on `room`: with a wrong number, a shape that does not fit or an overflow.

    Any other error is a bug of this page's own, and is raised.
    """
    try:
        check(room)
    except (AssertionError, ValueError, ArithmeticError, Warning):
        return True
    return False


def test_a_copy_without_a_bug_passes(planted):
    room = planted(None)
    assert [check.__name__ for check in checks.CHECKS if notices(check, room)] == []


@pytest.mark.parametrize("bug", BUGS)
def test_bug_is_caught(planted, bug):
    room = planted(*BUGS[bug])
    assert any(notices(check, room) for check in checks.CHECKS), f"no check noticed: {bug}"
