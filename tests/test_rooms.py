"""The rooms of the house: imports go down, without cycles, and not into private names.

The test reads imports as text, those inside functions and for type checkers too.
"""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import gpunet

ROOT = Path(gpunet.__file__).parents[1]

# From the bottom up. A room may import from the rooms below it, and from itself.
ROOMS = [
    ["gpunet.errors", "gpunet.installation", "gpunet.paths", "gpunet.version"],
    ["gpunet.core"],
    ["gpunet.devices", "gpunet.tables"],
    ["gpunet.inputs", "gpunet.teams"],
    ["gpunet.files", "gpunet.plots", "gpunet.summary"],
    ["gpunet.exchange", "gpunet.training"],
    ["gpunet.prediction"],
    ["gpunet.network_base"],
    ["gpunet.network"],
    ["gpunet.conversion"],
    ["gpunet.datasets", "gpunet.estimators"],
    ["gpunet"],  # the public names
    ["gpunet.lecture"],
    ["gpunet.cli"],
    ["gpunet.__main__"],
]
NAMED_TUPLE = {"_replace", "_fields", "_asdict"}  # public, in spite of their names
# What a library offers under no public name: tqdm's clock; what
# numba makes machine code with.
LIBRARIES = {
    "gpunet.training.progress": {"_time"},
    "gpunet_numpy.compiled.compiler": {
        "_data_layout",
        "_module_pass_manager",
        "_get_module_for_linking",
        "_final_module",
        "_tm",
    },
}
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
# A backend is a package of its own, beside the network: it knows what a plan, a program and a backend are.
FOR_BACKENDS = ("gpunet.core", "gpunet.devices", "gpunet.errors", "gpunet.installation")
BACKENDS = ("gpunet_numpy", "gpunet_cupy", "gpunet_torch", "gpunet_jax")


def modules():
    """Name and syntax tree of each module of the framework and its backends."""
    found = {}
    for folder in (ROOT / "gpunet", *(ROOT / "backends" / name for name in BACKENDS)):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(tree, known=MODULES):
    """The modules of `known` that a tree imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module


def room_of(module):
    """The room of a module: its longest prefix among the rooms."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if (room := ".".join(parts[:end])) in FLOOR and (room != "gpunet" or end == len(parts)):
            return room
    return None


def wrong_arrows(graph):
    """Imports of a graph {module: imported modules} that do not go down."""
    wrong = []
    for module, imported in graph.items():
        for other in imported:
            here, there = room_of(module), room_of(other)
            if here is None or there is None:
                wrong.append(f"{module} or {other} is in no room")
            elif here != there and FLOOR[there] >= FLOOR[here]:
                wrong.append(f"{module} imports {other}")
    return wrong


def circle(graph):
    """One circle of a graph, as a list of modules; empty if there is none."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        path.append(module)
        for other in sorted(graph[module]):
            if other != module and (found := visit(other)):
                return found
        path.pop()
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module))), [])


def graph_of(*packages):
    graph = defaultdict(set)
    for name, tree in MODULES.items():
        if name.split(".")[0] in packages:
            # A package's own __init__ lists what it offers, and its modules may not ask it for anything.
            graph[name] = set(imports(tree))
    return graph


def test_imports_go_down():
    assert wrong_arrows(graph_of("gpunet")) == []


@pytest.mark.parametrize("package", ["gpunet", *BACKENDS])
def test_no_circles(package):
    graph = graph_of(package)
    assert circle({m: {o for o in others if o in graph} for m, others in graph.items()}) == []


@pytest.mark.parametrize("package", BACKENDS)
def test_backends_know_plans_and_devices_alone(package):
    for module, imported in graph_of(package).items():
        for other in imported:
            allowed = other.startswith(FOR_BACKENDS) or other.split(".")[0] == package
            assert allowed, f"{module} imports {other}"


@pytest.mark.parametrize("module", MODULES)
def test_underscores_stay_in_their_module(module):
    tree = MODULES[module]
    own = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.startswith("_")
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("gpunet", *BACKENDS):
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            assert not private, f"{module} imports {private} from {node.module}"
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            owner = ast.unparse(node.value)
            allowed = own | NAMED_TUPLE | LIBRARIES.get(module, set())
            assert owner in ("self", "cls") or node.attr in allowed, (
                f"{module}:{node.lineno} reaches into {owner}.{node.attr}"
            )


def test_the_search_finds_arrows_and_circles():
    assert wrong_arrows({"gpunet.core.plan": {"gpunet.devices.backend"}})
    assert wrong_arrows({"gpunet.files.atomic": {"gpunet.summary"}})
    assert wrong_arrows({"gpunet.core.plan": {"gpunet.core.losses"}}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    text = "def f():\n    from gpunet.core import plan\n    import gpunet.network"
    assert list(imports(ast.parse(text))) == ["gpunet.core.plan", "gpunet.network"]
