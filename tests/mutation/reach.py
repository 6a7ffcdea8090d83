"""Which tests reach which lines: marks in the functions of the modules, put in in memory.

A mark is a call before a statement. Tests with marks take as long as without them; under `sys.settrace`, which is
called at every call of every function, they take twice as long.
"""

import ast
import time
import types
from importlib import import_module

MARK = "__reached__"  # its name in the modules


class Reach:
    """Marks for mutants, and which of them have been reached.

    Attributes
    ----------
    places : set of (str, int)
        Path and line of each mark that has been reached since the last test.
    tests : dict
        ``{(path, line): ids of tests}``.
    seconds : dict
        Processor time of each test, by its id.
    """

    def __init__(self, mutants):
        self.lines = {mutant.path: set() for mutant in mutants}
        for mutant in mutants:
            self.lines[mutant.path].update(mutant.lines)
        # For faults that act on import, all tests count that call any function of the module.
        self.any_call = {mutant.path for mutant in mutants if not mutant.in_function}
        self.places, self.tests, self.seconds = set(), {}, {}

    def put_marks(self, root):
        """Put the marks into the modules, which are imported."""
        for path, lines in self.lines.items():
            tree = ast.parse((root / path).read_text(encoding="utf-8"))
            mark_functions(tree.body, lines, path in self.any_call)
            put_into_memory(path, compile(tree, str(root / path), "exec"))
            vars(import_module(module_name(path)))[MARK] = lambda line, p=path: self.places.add((p, line))

    def begin(self):
        """Before a test."""
        self.places.clear()
        self.started = time.process_time()

    def end(self, test):
        """After it."""
        self.seconds[test] = time.process_time() - self.started
        for place in tuple(self.places):  # a thread may go on
            self.tests.setdefault(place, set()).add(test)


def mark_functions(body, lines, first):
    """Put marks for these lines into all functions among some statements; with `first`, at each one's start too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = marked(node.body, lines)
            if first:
                node.body.insert(int(ast.get_docstring(node) is not None), mark(node.body[0], node.lineno))
        else:
            for inner in blocks(node):
                mark_functions(inner, lines, first)


def marked(body, lines):
    """The statements of a function, each with a mark before it for every one of these lines that is its own."""
    found = []
    for node in body:
        begins = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
        own = set(range(begins, node.end_lineno + 1))
        for inner in blocks(node):
            own -= {number for one in inner for number in range(one.lineno, one.end_lineno + 1)}
            inner[:] = marked(inner, lines)
        found += [*(mark(node, number) for number in sorted(own & lines)), node]
    return found


def blocks(node):
    """The lists of statements directly in a statement."""
    for _, value in ast.iter_fields(node):
        for one in value if isinstance(value, list) else ():
            if isinstance(one, ast.ExceptHandler | ast.match_case):
                yield one.body
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value


def mark(place, line):
    """The statement that says that a line is reached, at the place of another in the source."""
    call = ast.parse(f"{MARK}({line})").body[0]
    for node in ast.walk(call):
        ast.copy_location(node, place)
    return call


def module_name(path):
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def put_into_memory(path, code):
    """Give the functions of a module the code of another version of its source.

    Parameters
    ----------
    path : str
        Of the module, from the repository's root.
    code : types.CodeType
        Of the whole module.
    """
    module = import_module(module_name(path))
    for qualified, codes in functions(code).items():
        owner = module
        *names, last = qualified.split(".")
        for name in names:
            owner = vars(owner)[name]
        function = vars(owner)[last]
        if hasattr(function, "cache_clear"):
            function.cache_clear()
        targets = [plain(function)]
        if isinstance(function, property):
            targets = [one for one in (function.fget, function.fset, function.fdel) if one is not None]
        for target, new in zip(targets, codes[-len(targets) :], strict=True):
            plain(target).__code__ = new


def functions(code, path=""):
    """Code of the functions and methods of a module, by qualified name; not of those inside functions.

    A property and its setter have one name, in the order of the source.
    """
    found = {}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType) and not inner.co_name.startswith("<"):
            if inner.co_flags & 0x1:  # CO_OPTIMIZED: a function, no class body
                found.setdefault(path + inner.co_name, []).append(inner)
            else:
                for name, codes in functions(inner, f"{path}{inner.co_name}.").items():
                    found.setdefault(name, []).extend(codes)
    return found


def plain(function):
    """The function inside class methods, cached properties and wrappers."""
    for name in ("func", "__func__", "__wrapped__"):
        if hasattr(function, name):
            return plain(getattr(function, name))
    return function
