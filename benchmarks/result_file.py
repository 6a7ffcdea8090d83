"""Reading and writing stored results: pytest-benchmark's JSON, with each benchmark's figures in ``extra_info``."""

from __future__ import annotations

import json
from pathlib import Path

# Keys that had other names in results stored before 2026-12
RENAMED_KEYS = {
    "contenders": "implementations",
    "share_of_peak": "fraction_of_peak",
    "left_out": "unsupported",
    "absent": "excluded",
    "way": "method",
}


def read(path):
    """The results, with today's keys whatever their age."""
    return json.loads(
        Path(path).read_text(),
        object_pairs_hook=lambda pairs: {RENAMED_KEYS.get(key, key): value for key, value in pairs},
    )


def write(path, results):
    """Write JSON so that the file has all of the old content or all of the new, whenever this process ends."""
    whole = Path(path).with_suffix(".new")
    whole.write_text(json.dumps(results, indent=1))
    whole.replace(path)


def rows_of(results, kind):
    """What the benchmarks of one kind, such as ``"throughput"``, have stored."""
    stored = [one["extra_info"] for one in results["benchmarks"]]
    return [row for row in stored if row.get("kind") == kind]
