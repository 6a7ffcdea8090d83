"""Network files whose digest is right and whose description is not.

By hand, 5,000 of them: ``python tests/support/crafted_files.py 5000``.
"""

import copy
import json
import random
import sys
import tempfile
import warnings
from pathlib import Path

from file_parts import parts_of, write_parts

VALUES = (
    *(None, True, False, 0, 1, -1, 7, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "a", "relu", "softmax", "float64", "cross_entropy", "mean", "\x00", "x" * 1000),
    *([], {}, [[]], [None], {"a": 1}, [1, 2], {"units": 3}, {"dropout": 0.5}, {"array": "/a"}),
)


def places(value, path=()):
    """The paths of all values in nested dicts and lists."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def mutated(description, choose):
    """The text of a description in which something has been changed, removed, repeated or nested."""
    about = copy.deepcopy(description)
    for _ in range(choose.choice((1, 1, 1, 2, 4))):
        path = choose.choice([one for one in places(about) if one] or [()])
        if not path:
            break
        inside = about
        for key in path[:-1]:
            inside = inside[key]
        how = choose.randrange(6)
        if how == 0:
            del inside[path[-1]]
        elif how == 1 and isinstance(inside, list):
            inside.append(copy.deepcopy(inside[path[-1]]))
        elif how == 2:
            inside[path[-1]] = copy.deepcopy(about[choose.choice(list(about))]) if about else None
        elif how == 3 and isinstance(inside, dict):
            inside[f"{path[-1]}s"] = inside.pop(path[-1])
        else:
            inside[path[-1]] = copy.deepcopy(choose.choice(VALUES))
    text = json.dumps(about)
    how = choose.randrange(20)
    if how == 0:
        at = choose.randrange(len(text))
        return text[:at] + choose.choice('{}[]",:0\\') + text[at + 1 :]
    if how == 1:
        return choose.choice(
            ("", "null", "[]", "7", "[" * 10**5, '{"layers":' * 10**5, text[: len(text) // 2])
        )
    return text


def saved_networks(folder):
    """Paths of networks of several kinds."""
    import numpy as np

    import gpunet as gn

    rng = np.random.default_rng(0)
    X, y = rng.random((30, 3)), np.arange(30) % 2
    plain = gn.Network(
        [gn.Dense(4, "relu"), gn.Dropout(0.5), gn.Dense(2, "softmax")], seed=0, backend="numpy"
    )
    scaled = gn.Network([gn.Dense(1)], seed=0, backend="numpy", standardizer=gn.Standardizer())
    for net, target in ((plain, y), (scaled, X[:, 0])):
        net.fit(X, target, optimizer=gn.Adam(), epochs=1)
    plain.notes = {"classes": ["a", "b"]}
    made = {"plain": plain, "scaled": scaled}
    (folder / "table.csv").write_text(
        "a,b,c\n" + "".join(f"{i},{'xyz'[i % 3]},{['no', 'yes'][i % 2]}\n" for i in range(30))
    )
    for name, target in (("classes", "c"), ("values", "a")):
        layers = [gn.Dense(2, "softmax") if target == "c" else gn.Dense(1)]
        net = made[name] = gn.Network(layers, seed=0, backend="numpy", encoder=gn.TableEncoder())
        net.fit(gn.datasets.read_table(folder / "table.csv", target=target), epochs=1)
    for name, net in made.items():
        net.save(folder / name, training_state=True)
    return [folder / name for name in made]


def load_mutated(count, seed=0, networks=saved_networks):
    """Load so many; how many were refused. Raises whatever is not FileRefused, with the text that led to it."""
    import gpunet as gn

    choose, refused = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        originals = [parts_of(path) for path in networks(Path(name))]
        path = Path(name) / "mutated"
        for i in range(count):
            tensors, about = originals[i % len(originals)]
            text = mutated(about, choose)
            write_parts(path, text, tensors)
            try:
                net = gn.load(path, "numpy")
                if net.encoder is None:
                    net.predict([[0.1] * net.inputs])
            except gn.FileRefused:
                refused += 1
            except Exception as error:
                raise AssertionError(f"{type(error).__name__}: {error}, for {text[:2000]}") from error
    return refused


def main():
    """Print how many were refused."""
    root = Path(__file__).parents[2]
    sys.path[:0] = [str(root), str(root / "backends")]
    count = int(sys.argv[1])
    print(load_mutated(count), "of", count, "refused; the others were networks all the same")


if __name__ == "__main__":
    main()
