"""A set of texts that everybody has: the functions and classes of Python's standard library, and the module of each.

Words and pairs of words, weighted by TF-IDF, make sparse rows of 100,000 features.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import numpy as np

FEATURES = 100_000
FEWEST = 120  # texts of a module that is a class
TEST_FRACTION = 0.1
LEFT_OUT = {"test", "tests", "site-packages", "idlelib", "lib2to3", "__pycache__", "ensurepip", "turtledemo"}


def documents():
    """Texts and the modules that they are from, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    texts, modules = [], []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] not in sys.stdlib_module_names or LEFT_OUT & set(parts):
            continue
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (UnicodeDecodeError, SyntaxError):
            continue
        lines = source.splitlines()
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
                if len(text) > 200:
                    texts.append(text)
                    modules.append(parts[0])
    return texts, modules


def write(folder):
    """Write training and test set into `folder`; what the results say of them."""
    from scipy.sparse import save_npz
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, modules = documents()
    counts = Counter(modules)
    names = sorted(name for name in counts if counts[name] >= FEWEST)
    chosen = [i for i, name in enumerate(modules) if name in names]
    order = np.random.default_rng(0).permutation(chosen)
    held = int(TEST_FRACTION * len(order))
    labels = np.array([names.index(modules[i]) for i in order])
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), max_features=FEATURES, sublinear_tf=True, dtype=np.float32
    )
    train = vectorizer.fit_transform([texts[i] for i in order[held:]])
    test = vectorizer.transform([texts[i] for i in order[:held]])
    for name, X, y in (("train", train, labels[held:]), ("test", test, labels[:held])):
        save_npz(Path(folder) / f"{name}.npz", X, compressed=False)
        np.save(Path(folder) / f"{name}_labels.npy", y)
    return {
        "texts": len(order),
        "classes": len(names),
        "features": train.shape[1],
        "entries": train.nnz / train.shape[0],
        "python": sys.version.split()[0],
    }


def read(folder, name):
    """``(X, y)`` of the set ``"train"`` or ``"test"``."""
    from scipy.sparse import load_npz

    return load_npz(Path(folder) / f"{name}.npz"), np.load(Path(folder) / f"{name}_labels.npy")
