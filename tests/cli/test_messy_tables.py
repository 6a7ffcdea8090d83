"""``gpunet train``, ``evaluate`` and ``predict`` on files as people have them."""

import csv
import io
import re

import pytest

from messy_tables import CASES, M, write

pytestmark = pytest.mark.slow


def arguments(options):
    """Options of `read_table` as a command line has them."""
    for name, value in options.items():
        yield f"--{name}={','.join(map(str, value)) if isinstance(value, list) else value}"


@pytest.mark.parametrize("name", CASES)
def test_train_on(good, tmp_path, name):
    case = CASES[name]
    path, net = write(case, tmp_path), tmp_path / "net"
    out = good(
        *("train", path, *arguments(case.options), "--hidden", 4, "--epochs", 2, "--backend", "numpy"),
        *("--save", net),
    )
    m = M - case.without_target
    flat = " ".join(out.split())
    training, test = map(int, re.search(r": (\d+) training examples, (\d+) test examples", flat).groups())
    assert (training + test, test) == (m, round(0.2 * m))
    for column, kind in case.kinds.items():
        plural = {"number": "numbers", "category": "categories", "boolean": "booleans"}.get(kind, kind)
        assert re.search(rf"{plural}[^:]*: [^:]*{re.escape(column)}", flat), (column, kind)
    for column, reason in case.left_out.items():
        assert f"{column or 'unnamed column'} ({reason})" in flat
    if case.without_target:
        assert f"left out: {case.without_target} rows without a target" in flat
    if case.classes is None:
        assert "values (mean" in flat
        assert re.search(r"^test R²: -?[\d.]+$", out, re.M)
    else:
        assert f"{len(case.classes)} classes ({', '.join(case.classes)})" in flat
    last = out.splitlines()[-1]
    assert re.fullmatch(r"test (accuracy: [\d.]+|loss: [\d.e+]+ \(.+²\))", last)

    # The same file, by name: the same figures, and one prediction per row in the target's words.
    evaluated = good(
        "evaluate", net, path, *arguments({k: v for k, v in case.options.items() if k == "missing"})
    )
    assert f"{test} test examples" in evaluated
    assert last.removeprefix("test ") == evaluated.splitlines()[-1]
    head, *rows = csv.reader(io.StringIO(good("predict", net, path)))
    assert len(rows) == M
    if case.classes is None:
        assert head == ["value"]
        assert all(float(row[0]) == float(row[0]) for row in rows)
    else:
        assert head == ["class", "probability"]
        assert {row[0] for row in rows} <= set(case.classes)
