"""Seconds of an epoch on texts as sparse rows, 100,000 TF-IDF features, against scikit-learn; and the peak memory."""

import pytest

from benchmarks import process_memory
from benchmarks.fresh_process import printed
from benchmarks.interleaved import InterleavedRounds

MEASURED = ("gpunet", "sklearn_mlp")


@pytest.mark.skipif(not process_memory.available(), reason="only Linux tells a process's peak memory")
def test_sparse(benchmark, suite, tmp_path):
    pytest.importorskip("sklearn")
    if suite.settings.backend != "numpy":
        pytest.skip("other backends make a batch at a time dense")
    from benchmarks import text_set

    about = text_set.write(tmp_path)
    names = list(dict.fromkeys([*suite.among(MEASURED), *MEASURED]))  # in quick mode too
    measured = InterleavedRounds(
        names, lambda name: measure(name, tmp_path, suite.settings, 2 if suite.quick else 5)
    )
    measured.run(benchmark, 1 if suite.quick else 3)
    for name, samples in measured.samples.items():
        measured.details[name] = {key: value for key, value in samples[-1].items() if key != "seconds"}
    benchmark.extra_info.update(
        kind="sparse",
        net=f"{about['features']}-100-{about['classes']}, ReLU, Adam",
        batch=200,
        texts=about,
        **measured.result(lambda sample: sample["seconds"], more_is_better=False),
    )


def measure(name, folder, settings, epochs):
    """What :mod:`benchmarks.text_worker` prints."""
    return printed("benchmarks.text_worker", [name, str(folder), str(epochs)], settings, name)
