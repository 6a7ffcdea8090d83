"""About fifty table files as people have them, made in memory, each with what must come out.

All but a few hold the same 24 rows: a size, a count, a color and what is to be predicted. `CASES` maps a name to a
`Case`; `write` puts one into a folder; `check` compares a table with one.
"""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from gpunet.tables import TableEncoder, Target

M = 24
SIZES = [round(1.5 + 0.25 * k, 2) for k in range(M)]
COUNTS = [(7 * k) % 11 - 3 for k in range(M)]
COLORS = [("red", "green", "blue")[k % 3] for k in range(M)]
WORDS = [("cat", "dog")[k % 2] for k in range(M)]
NUMBERS, CATEGORIES = {"size": "number", "count": "number"}, {"color": "category"}


@dataclass
class Case:
    """A file, how it is read, and what must come out."""

    source: (
        bytes | Callable[[], bytes]
    )  # made when asked for: Polars' threads, once started, would not survive a fork
    suffix: str = ".csv"
    options: dict = field(default_factory=lambda: {"target": "animal"})
    kinds: dict = field(
        default_factory=lambda: {**NUMBERS, **CATEGORIES}
    )  # of the columns that become inputs
    left_out: dict = field(default_factory=dict)
    values: dict = field(default_factory=lambda: {"size": SIZES, "count": COUNTS})  # of number columns
    classes: tuple | None = ("cat", "dog")
    target: list = field(default_factory=lambda: WORDS)  # words, or numbers
    without_target: int = 0

    @property
    def data(self):
        return self.source() if callable(self.source) else self.source


def lines(header, *columns, separator=",", end="\n", tail=""):
    rows = [separator.join(map(str, cells)) + tail for cells in zip(*columns, strict=True)]
    return (header + end if header is not None else "") + end.join(rows) + end


def comma(values):
    return [str(value).replace(".", ",") for value in values]


HEADER = "size,count,color,animal"
PLAIN = lines(HEADER, SIZES, COUNTS, COLORS, WORDS)


def replaced(values, at, by):
    return [by if k in at else value for k, value in enumerate(values)]


def frame():
    return pl.DataFrame({"size": SIZES, "count": COUNTS, "color": COLORS, "animal": WORDS})


def written(method, **options):
    buffer = io.BytesIO()
    getattr(frame(), method)(buffer, **options)
    return buffer.getvalue()


def target(column, **options):
    """The same table with another target column."""
    return Case(lines("size,count,color,animal", SIZES, COUNTS, COLORS, column).encode(), **options)


SEMICOLONS = lines("size;count;color;animal", comma(SIZES), COUNTS, COLORS, WORDS, separator=";")
GERMAN = [f"{k + 1}.{k:03d},5" for k in range(M)]
BIG = [str(2**60 + 1 + k % 2) for k in range(M)]
DATES = [f"2024-{1 + k % 12:02d}-{1 + k:02d}" for k in range(M)]
DOTTED = [f"{1 + k:02d}.{1 + k % 12:02d}.2024" for k in range(M)]
CLOCKS = [f"{k}:{(7 * k) % 60:02d}" for k in range(M)]
NAMES = [f"animal number {k}" for k in range(M)]
UNQUOTED = [('6" nail', "plain", "thin")[k % 3] for k in range(M)]
QUOTED = [('"red, light"', '"a ""b"""', '"two\nlines"')[k % 3] for k in range(M)]
POSITIONS = {"column 0": "number", "column 1": "number", "column 2": "category"}
SPARSE = replaced(SIZES, (3, 5), "NA")
ZIPS = [("02139", "10001")[k % 2] for k in range(M)]

CASES = {
    "plain": Case(PLAIN.encode()),
    "semicolons": Case(lines("size;count;color;animal", SIZES, COUNTS, COLORS, WORDS, separator=";").encode()),
    "tabs": Case(PLAIN.replace(",", "\t").encode(), ".tsv"),
    "bars": Case(PLAIN.replace(",", "|").encode(), ".txt"),
    "decimal commas": Case(SEMICOLONS.encode()),
    "decimal commas and points for thousands": Case(
        lines("size;count;color;animal", GERMAN, COUNTS, COLORS, WORDS, separator=";").encode(),
        values={"size": [1000 * (k + 1) + k + 0.5 for k in range(M)]},
    ),
    "thousands in quotation marks": Case(
        lines(HEADER, [f'"{k + 1},{k:03d}.5"' for k in range(M)], COUNTS, COLORS, WORDS).encode(),
        values={"size": [1000 * (k + 1) + k + 0.5 for k in range(M)]},
    ),
    "gzip": Case(gzip.compress(PLAIN.encode()), ".csv.gz"),
    "byte-order mark": Case(PLAIN.encode("utf-8-sig")),
    "CRLF": Case(PLAIN.replace("\n", "\r\n").encode()),
    "CR": Case(PLAIN.replace("\n", "\r").encode()),
    "UTF-16": Case(PLAIN.encode("utf-16")),
    "UTF-16 without a mark": Case(PLAIN.encode("utf-16-le")),
    "Latin-1": Case(
        PLAIN.replace("cat", "kätzchen").encode("latin-1"),
        classes=("dog", "kätzchen"),
        target=[word.replace("cat", "kätzchen") for word in WORDS],
    ),
    "comment lines": Case(("# made by hand\n# in May\n" + PLAIN + "# the end\n").encode()),
    "names in a comment": Case(("# " + lines("a,b,label", SIZES, COUNTS, [k % 2 for k in range(M)])).encode(),
        options={"target": "label"}, kinds={"a": "number", "b": "number"}, values={"a": SIZES},
        classes=("0", "1"), target=[str(k % 2) for k in range(M)],
    ),
    "a header that begins with #": Case(
        lines("#," + HEADER, range(1, M + 1), SIZES, COUNTS, COLORS, WORDS).encode(),
        kinds={"#": "number", **NUMBERS, **CATEGORIES},
    ),
    "Excel's line with the separator": Case(("sep=;\n" + SEMICOLONS).encode()),
    "aligned with blanks": Case(
        lines(None, [f"  {size:<8}" for size in SIZES], [f" {count:>3} " for count in COUNTS],
              [f"{k % 2} " for k in range(M)], separator=" ")
        .encode(), ".txt", options={"target": -1}, kinds={"column 0": "number", "column 1": "number"},
        values={"column 0": SIZES, "column 1": COUNTS}, classes=("0", "1"), target=[str(k % 2) for k in range(M)],
    ),
    "money and percent": Case(
        lines(HEADER, [f"${size}" for size in SIZES], [f"{count} %" for count in COUNTS], COLORS, WORDS).encode()
    ),
    "trailing commas": Case(lines(HEADER + ",", SIZES, COUNTS, COLORS, WORDS, tail=",").encode()),
    "trailing commas below the header": Case(lines(HEADER, SIZES, COUNTS, COLORS, WORDS, tail=",").encode()),
    "a trailing comma in some rows": Case(PLAIN.replace("red,dog\n", "red,dog,\n").encode()),
    "blank lines and rows of commas": Case(
        "\n\n".join([*PLAIN.splitlines()[:-2], " ", ",,,", ",,,\n"]).encode(),
        values={"size": SIZES[:-2], "count": COUNTS[:-2]}, target=WORDS[:-2], without_target=2,
    ),
    "blanks around cells": Case(PLAIN.replace(",", " ,  ").encode()),
    "no line end at the end": Case(PLAIN.rstrip("\n").encode()),
    "quoted separators and line ends": Case(lines(HEADER, SIZES, COUNTS, QUOTED, WORDS).encode()),
    "a quotation mark inside a cell": Case(lines(HEADER, SIZES, COUNTS, UNQUOTED, WORDS).encode()),
    "everything quoted": Case(lines(*[f'"{name}"' for name in (HEADER.replace(",", '","'),)], *[
        [f'"{cell}"' for cell in column] for column in (SIZES, COUNTS, COLORS, WORDS)]).encode()),
    "no header": Case(
        lines(None, SIZES, COUNTS, COLORS, WORDS).encode(),
        options={"target": -1}, kinds=POSITIONS, values={"column 0": SIZES},
    ),
    "words alone, no header": Case(
        lines(None, COLORS, COLORS[::-1], WORDS).encode(),
        options={"target": -1}, kinds={"column 0": "category", "column 1": "category"}, values={},
    ),
    "header of numbers": Case(
        lines("0,1,2", SIZES, COUNTS, [k % 2 for k in range(M)]).encode(),
        options={"target": "2"}, kinds={"0": "number", "1": "number"}, values={"0": SIZES, "1": COUNTS},
        classes=("0", "1"), target=[str(k % 2) for k in range(M)],
    ),
    "header of years": Case(
        lines("2023,2024,trend", SIZES, COUNTS, WORDS).encode(),
        options={"target": "trend"}, kinds={"2023": "number", "2024": "number"}, values={"2023": SIZES},
    ),
    "header of years, target by number": Case(
        lines("2023,2024,trend", SIZES, COUNTS, WORDS).encode(),
        options={"target": -1}, kinds={"2023": "number", "2024": "number"}, values={"2024": COUNTS},
    ),
    "pandas' row numbers": Case(
        lines("," + HEADER, range(M), SIZES, COUNTS, COLORS, WORDS).encode(), left_out={"": "row numbers"}
    ),
    "R's row names": Case(
        lines(HEADER, range(1, M + 1), SIZES, COUNTS, COLORS, WORDS).encode(), left_out={"": "row numbers"}
    ),
    "id, constant, empty": Case(
        lines(HEADER + ",id,unit,note,name", SIZES, COUNTS, COLORS, WORDS, range(1000, 1000 + 3 * M, 3),
              ["cm"] * M, [""] * M, NAMES).encode(),
        left_out={"id": "one value per row", "unit": "constant", "note": "empty", "name": "one value per row"},
    ),
    "missing numbers": Case(
        lines(HEADER, SPARSE, COUNTS, COLORS, WORDS).encode(),
        values={"size": replaced(SIZES, (3, 5), None), "count": COUNTS},
    ),
    "missing words": Case(lines(HEADER, SIZES, COUNTS, replaced(COLORS, (4,), ""), WORDS).encode()),
    "a word among numbers": Case(
        lines(HEADER, SIZES, replaced(COUNTS, (7,), "n.d."), COLORS, WORDS).encode(),
        values={"count": replaced(COUNTS, (7,), None)},
    ),
    "own words for missing": Case(
        lines(HEADER, SIZES, replaced(COUNTS, (7, 9), "-99"), COLORS, replaced(WORDS, (2,), "unknown")).encode(),
        options={"target": "animal", "missing": "-99,unknown"},
        values={"count": [value for k, value in enumerate(replaced(COUNTS, (7, 9), None)) if k != 2]},
        target=WORDS[:2] + WORDS[3:],
        without_target=1,
    ),
    "booleans": Case(
        lines(HEADER + ",wild", SIZES, COUNTS, COLORS, WORDS, [("TRUE", "False")[k % 2] for k in range(M)]).encode(),
        kinds={**NUMBERS, **CATEGORIES, "wild": "boolean"},
    ),
    "dates": Case(
        lines(HEADER + ",day,seen,clock", SIZES, COUNTS, COLORS, WORDS, DATES, DOTTED, CLOCKS).encode(),
        kinds={**NUMBERS, **CATEGORIES, "day": "date", "seen": "date", "clock": "time"},
    ),
    "leading zeros": Case(
        lines(HEADER + ",zip", SIZES, COUNTS, COLORS, WORDS, ZIPS).encode(),
        kinds={**NUMBERS, **CATEGORIES, "zip": "category"},
    ),
    "NA among words": target(
        replaced(WORDS, range(7), "NA")[:7] + WORDS[7:], target=WORDS[7:], without_target=7,
        values={"size": SIZES[7:], "count": COUNTS[7:]},
    ),
    "every word for missing": target(
        ["NA", "null", "None", "N/A", "#N/A", "-", "", "?", "NaN", *WORDS[9:]], target=WORDS[9:], without_target=9,
        values={"size": SIZES[9:]},
    ),
    "plus and minus": target(
        [("+", "-")[k % 2] for k in range(M)], classes=("+", "-"), target=[("+", "-")[k % 2] for k in range(M)]
    ),
    "zip codes": target(ZIPS, classes=("02139", "10001"), target=ZIPS),
    "agents": target(
        [("007", "008")[k % 2] for k in range(M)], classes=("007", "008"), target=["007", "008"] * (M // 2)
    ),
    "codes with an E": target(
        [("1E2", "2E1")[k % 2] for k in range(M)], classes=("1E2", "2E1"), target=["1E2", "2E1"] * (M // 2)
    ),
    "integers beyond 2**53": target(BIG, classes=(BIG[0], BIG[1]), target=BIG),
    "numbers as target": target(
        [10 * size for size in SIZES], classes=None, target=[10 * size for size in SIZES]
    ),
    "all different integers as target": target(range(M), classes=None, target=list(range(M))),
    "integers of few values as target": target(
        [k % 3 for k in range(M)], classes=("0", "1", "2"), target=[str(k % 3) for k in range(M)]
    ),
    "1.0 and 0.0 as target": target(
        [float(k % 2) for k in range(M)], classes=("0.0", "1.0"), target=[str(float(k % 2)) for k in range(M)]
    ),
    "chosen columns": Case(PLAIN.encode(), options={"target": "animal", "columns": "color,size"},
        kinds={"color": "category", "size": "number"}, values={"size": SIZES}),
    "dropped columns": Case(PLAIN.encode(), options={"target": "animal", "drop": ["color", 1]},
        kinds={"size": "number"}, values={"size": SIZES}),
    "Parquet": Case(lambda: written("write_parquet"), ".parquet"),
    "Arrow": Case(lambda: written("write_ipc"), ".arrow"),
    "Feather": Case(lambda: written("write_ipc", compression="lz4"), ".feather"),
    "Arrow stream": Case(lambda: written("write_ipc_stream"), ".arrow"),
}  # fmt: skip


def write(case, folder, stem="table"):
    """Put a case into a folder; the path of its file."""
    path = folder / f"{stem}{case.suffix}"
    path.write_bytes(case.data)
    return path


def check(case, table):
    """What must come out of a case: its columns, kinds and values, and its target."""
    encoder, target = TableEncoder("standard").fit(table), Target().fit(table)
    kinds = {state["name"]: state["kind"] for state in encoder.to_state()[0]["columns"]}
    assert kinds == case.kinds
    assert encoder.left_out == case.left_out
    assert table.columns == list({**kinds, **case.left_out}) or set(table.columns) == {*kinds, *case.left_out}
    X = encoder.transform(table, "float64")
    for name, expected in case.values.items():
        column = X[:, encoder.feature_names.index(name)]
        known = np.array([value is not None for value in expected])
        values = np.array([value for value in expected if value is not None], float)
        np.testing.assert_allclose(column[known], (values - values.mean()) / values.std(), atol=1e-12)
        np.testing.assert_array_equal(column[~known], 0.0)
        if not known.all():
            indicator = X[:, encoder.feature_names.index(f"{name} is missing")]
            np.testing.assert_array_equal(indicator, ~known)
    assert target.class_names == case.classes
    assert table.left_out == case.without_target
    decoded = target.decode(target.encode(table))
    if case.classes is None:
        np.testing.assert_allclose(decoded, case.target, rtol=1e-12)
    else:
        assert decoded.tolist() == case.target
    assert len(table) == len(X) == len(case.target)
