"""Networks as scikit-learn's estimators: ``MLPClassifier`` and ``MLPRegressor`` (extra ``sklearn``).

They take the place of those of ``sklearn.neural_network``: the same parameters, attributes, methods and results, with
gpunet's programs underneath.
"""

from gpunet.installation import install_command

try:
    from gpunet.estimators.classifier import MLPClassifier
    from gpunet.estimators.regressor import MLPRegressor
except ImportError as error:
    raise ImportError(
        f"gpunet.estimators needs scikit-learn 1.7 or later, and SciPy: {install_command('sklearn')} ({error})"
    ) from error

__all__ = ["MLPClassifier", "MLPRegressor"]
