"""Trains one implementation on the texts of :mod:`benchmarks.text_set`, in a process of its own.

``python -m benchmarks.text_worker gpunet|sklearn_mlp FOLDER EPOCHS``; prints JSON.
"""

import gc
import json
import sys
import time
import warnings

UNITS, BATCH, RATE = 100, 200, 1e-3  # scikit-learn's defaults


def gpunet(epochs):
    """``(fit, accuracy, parameters, program)`` of a network."""
    import gpunet as gn

    class_count = 1 + int(max(y))
    net = gn.Network([gn.Dense(UNITS, "relu"), gn.Dense(class_count, "softmax")], seed=0, backend="numpy")

    def fit():
        return net.fit(X, y, optimizer=gn.Adam(RATE), epochs=epochs, batch_size=BATCH)

    return fit, lambda X, y: net.evaluate(X, y)["accuracy"], lambda: net.parameters, lambda end: end.program


def sklearn_mlp(epochs):
    """The same of scikit-learn, without the L2 penalty, which gpunet's network does not have either."""
    from sklearn.neural_network import MLPClassifier

    mlp = MLPClassifier((UNITS,), alpha=0.0, learning_rate_init=RATE, batch_size=BATCH, max_iter=epochs,
                        n_iter_no_change=epochs, random_state=0)  # fmt: skip
    warnings.simplefilter("ignore")  # that it has not converged
    return (
        lambda: mlp.fit(X, y),
        mlp.score,
        lambda: zip(mlp.coefs_, mlp.intercepts_, strict=True),
        lambda _: "",
    )


if __name__ == "__main__":
    name, folder, epochs = sys.argv[1:]
    from benchmarks import process_memory, text_set

    X, y = text_set.read(folder, "train")
    test = text_set.read(folder, "test")
    make = {"gpunet": gpunet, "sklearn_mlp": sklearn_mlp}[name]
    make(1)[0]()  # compiles and loads everything
    fit, accuracy, parameters, program = make(int(epochs))
    gc.collect()
    before = process_memory.resident_mb()
    process_memory.reset_peak()
    started, cpu = time.perf_counter(), time.process_time()
    end = fit()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(
        json.dumps(
            {
                "seconds": seconds / int(epochs),
                "cpu_seconds": cpu / int(epochs),
                "peak": process_memory.peak_mb() - before,
                "matrix": (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 1e6,
                "weights": sum(p.nbytes for pair in parameters() for p in pair) / 1e6,
                "accuracy": accuracy(*test),
                "program": program(end),
            }
        )
    )
