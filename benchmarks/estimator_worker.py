"""A process that fits one implementation's estimators: ``python -m benchmarks.estimator_worker NAME FILE_DESCRIPTOR``.

It answers as :mod:`benchmarks.worker` does. What is imported and compiled is timed before the first sample.
"""

from __future__ import annotations

import time
import warnings

from benchmarks.worker import serve

MODULES = {"gpunet": "gpunet.estimators", "sklearn_mlp": "sklearn.neural_network"}


class EstimatorWorker:
    """One implementation.

    Parameters
    ----------
    name : {"gpunet", "sklearn_mlp"}
    settings : Settings
    """

    def __init__(self, name, settings):
        self.name, self.settings = name, settings
        started = time.perf_counter()
        self.module = __import__(MODULES[name], fromlist=["MLPClassifier"])
        self.importing = time.perf_counter() - started

    def prepare(self, case):
        """Make data and estimator; the seconds of the import and of the first fit, which compiles."""
        self.X, self.y = case.data(self.settings.folder)
        one = self.module.MLPClassifier if case.classes else self.module.MLPRegressor
        more = {"backend": self.settings.backend} if self.name == "gpunet" else {}
        self.estimator = one(random_state=0, **case.parameters, **more)
        if case.search:
            from sklearn.model_selection import GridSearchCV

            alphas = {"alpha": [1e-4, 1e-2]}
            self.estimator = GridSearchCV(self.estimator, alphas, cv=2, n_jobs=2, refit=False)
        first = self.time_fit()["seconds"]
        return {
            "importing": self.importing,
            "first_fit": first,
            "program": getattr(self.estimator, "program_", ""),
        }

    def time_fit(self):
        """One sample: a whole call of `fit`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of epochs that were not enough
            started = time.perf_counter()
            self.estimator.fit(self.X, self.y)
            seconds = time.perf_counter() - started
        return {"seconds": seconds, "epochs": getattr(self.estimator, "n_iter_", None)}


if __name__ == "__main__":
    serve(EstimatorWorker)
