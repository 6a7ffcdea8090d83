"""Mutants: copies of one module's source with one small fault each, made from its syntax tree."""

import ast
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = [
    *("core", "devices", "inputs", "teams", "training", "tables", "files", "exchange"),
    *(
        f"estimators/{name}.py"
        for name in (
            *("base", "batches", "callbacks", "classifier", "epochs", "initial", "inputs", "interface"),
            *("lbfgs", "optimizers", "prediction", "settings", "weights"),
        )
    ),
    *("prediction.py", "network_base.py", "network.py"),
]

# Run by processes of their own alone, whose coverage is not seen.
ELSEWHERE = {"teams/mpi.py", "teams/ray_train.py"}

COMPARISONS = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
ARITHMETIC = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.Mod: "*", ast.Pow: "*",
    ast.BitAnd: "|", ast.BitOr: "&", ast.LShift: ">>", ast.RShift: "<<",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One module with one fault.

    Attributes
    ----------
    name : str
        ``module.function | line | old → new``; does not change when the code around it moves.
    path : str
        Of the module, from the repository's root.
    source : str
        The whole module with the fault.
    lines : range
        Lines of the original that must run for the fault to matter.
    in_function : bool
        False where the fault acts on import: constants, defaults, decorators, class attributes.
    tests : tuple of str
        Files and folders of tests that must notice; empty where coverage tells.
    """

    name: str
    path: str
    source: str
    lines: range
    in_function: bool
    tests: tuple[str, ...] = ()


def room_files(root=ROOT):
    """The modules that are mutated."""
    found = [root / "gpunet" / room for room in ROOMS]
    files = (file for path in found for file in ([path] if path.is_file() else path.rglob("*.py")))
    return sorted(file for file in files if str(file.relative_to(root / "gpunet")) not in ELSEWHERE)


def mutants_of(path, root=ROOT):
    """All mutants of one module."""
    source = path.read_text(encoding="utf-8")
    module = ".".join(path.relative_to(root / "gpunet").with_suffix("").parts)
    search = Search(source)
    search.visit(ast.parse(source))
    seen, found = Counter(), []
    for change in search.changes:
        name = f"{module}{change.where} | {change.line} | {change.old} → {change.new}"
        seen[name] += 1
        name += f" #{seen[name]}" if seen[name] > 1 else ""
        mutated = search.text[: change.first] + change.new_text.encode() + search.text[change.last :]
        found.append(
            Mutant(name, str(path.relative_to(root)), mutated.decode(), change.statement, change.in_function)
        )
    return found


def planted(file):
    """The rows of a table of faults, ``[[fault]]`` with name, file, old, new and tests.

    Raises
    ------
    ValueError
        If the old text does not stand in its file exactly once.
    """
    rows = tomllib.loads(Path(file).read_text(encoding="utf-8")).get("fault", [])
    return [_planted(row) for row in rows]


def _planted(row):
    source = (ROOT / row["file"]).read_text(encoding="utf-8")
    if source.count(row["old"]) != 1:
        raise ValueError(f"{row['name']}: {row['file']} must hold this text once: {row['old']!r}")
    first = source[: source.index(row["old"])].count("\n") + 1
    lines = range(first, first + row["old"].count("\n") + 1)
    in_function = row["file"].endswith(".py") and any(
        first >= f.body[0].lineno and lines[-1] <= f.end_lineno
        for f in ast.walk(ast.parse(source))
        if isinstance(f, ast.FunctionDef)
    )
    new = source.replace(row["old"], row["new"])
    return Mutant(row["name"], row["file"], new, lines, in_function, tuple(row.get("tests", ())))


@dataclass(frozen=True)
class Change:
    """Bytes ``[first, last)`` of a source that become `new_text`, and how the change is described."""

    first: int
    last: int
    new_text: str
    old: str
    new: str
    where: str
    line: str
    statement: range
    in_function: bool


class Search(ast.NodeVisitor):
    """Finds every change that the operators allow.

    Left alone: docstrings, annotations, strings that are no identifiers (texts of messages).
    """

    def __init__(self, source):
        self.text = source.encode()
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.names = []
        self.functions = 0
        self.assigned = set()
        self.statement = None
        self.in_raise = False
        self.changes = []

    def at(self, line, column):
        return self.starts[line - 1] + column

    def old(self, node):
        first = self.at(node.lineno, node.col_offset)
        return self.text[first : self.at(node.end_lineno, node.end_col_offset)].decode()

    def change(self, node, new_text, old=None, new=None):
        """Replace a node; `old` and `new` describe it where the whole node says too little or too much."""
        short = [re.sub(r"\s+", " ", s)[:70] for s in (old or self.old(node), new or new_text)]
        line = self.text.splitlines()[node.lineno - 1].decode().strip()
        body = getattr(self.statement, "body", None)
        last = body[0].lineno - 1 if body else self.statement.end_lineno
        lines = range(self.statement.lineno, max(last, self.statement.lineno) + 1)
        self.changes.append(
            Change(
                self.at(node.lineno, node.col_offset),
                self.at(node.end_lineno, node.end_col_offset),
                new_text,
                *short,
                "".join(f".{name}" for name in self.names),
                line,
                lines,
                self.functions > 0,
            )
        )

    # --- what is visited ---

    def visit(self, node):
        if isinstance(node, ast.stmt):
            outer, self.statement = self.statement, node
            super().visit(node)
            self.statement = outer
        else:
            super().visit(node)

    def visit_ClassDef(self, node):
        for one in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(one)
        self.names.append(node.name)
        self.block(node.body)
        self.names.pop()

    def visit_FunctionDef(self, node):
        for one in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(one)
        self.names.append(node.name)
        self.functions += 1
        assigned, self.assigned = (
            self.assigned,
            {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)},
        )
        self.block(node.body)
        self.assigned = assigned
        self.functions -= 1
        self.names.pop()

    def block(self, body):
        for i, statement in enumerate(body):
            if not (i == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                self.visit(statement)

    def visit_Module(self, node):
        self.block(node.body)

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self.visit(node.value)

    # --- statements ---

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call):
            self.change(node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        self.change(node, "pass")
        operator = ARITHMETIC.get(type(node.op))
        if operator:
            self.change(node, f"{self.old(node.target)} {operator}= {self.old(node.value)}")
        self.generic_visit(node)

    def visit_Raise(self, node):
        self.change(node, "pass")
        outer, self.in_raise = self.in_raise, True
        self.generic_visit(node)
        self.in_raise = outer

    def visit_Continue(self, node):
        self.change(node, "pass")

    def visit_Break(self, node):
        self.change(node, "pass")

    def visit_Assign(self, node):
        names = {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        stored = any(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets)
        if self.functions and (stored or names <= self.assigned):
            self.change(node, "pass")
        self.assigned |= names
        self.visit(node.value)

    def visit_Return(self, node):
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.change(node, "return None")
        self.generic_visit(node)

    # --- expressions ---

    def condition(self, node):
        self.change(node, f"(not ({self.old(node)}))")

    def visit_If(self, node):
        self.condition(node.test)
        self.generic_visit(node)

    visit_IfExp = visit_If

    def visit_comprehension(self, node):
        for test in node.ifs:
            self.condition(test)
        self.generic_visit(node)

    def visit_Compare(self, node):
        left = node.left
        for i, (operator, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
            new = COMPARISONS[type(operator)]
            whole = [self.old(node.left)]
            for j, (op, value) in enumerate(zip(node.ops, node.comparators, strict=True)):
                whole += [new if i == j else OPERATORS[type(op)], self.old(value)]
            self.change(
                node,
                f"({' '.join(whole)})",
                f"{self.old(left)} {OPERATORS[type(operator)]} {self.old(right)}",
                new,
            )
            left = right
        self.visit(node.left)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            # In `kind in "biuf"` the string is a set of characters: "biuf_" has one more, which no value is.
            if not (isinstance(operator, ast.In | ast.NotIn) and is_string(right)):
                self.visit(right)

    def visit_BinOp(self, node):
        operator = ARITHMETIC.get(type(node.op))
        if operator:
            self.change(
                node,
                f"(({self.old(node.left)}) {operator} ({self.old(node.right)}))",
                None,
                f"with {operator}",
            )
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        operator = " or " if isinstance(node.op, ast.And) else " and "
        values = operator.join(f"({self.old(value)})" for value in node.values)
        self.change(node, f"({values})", None, f"with{operator.rstrip()}")
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if not isinstance(node.operand, ast.Constant):
            self.change(node, f"({self.old(node.operand)})")
        self.generic_visit(node)

    def visit_Constant(self, node):
        value = node.value
        if isinstance(value, bool):
            self.change(node, str(not value))
        elif isinstance(value, int):
            self.change(node, str(value + 1))
        elif isinstance(value, float):
            self.change(node, repr(2 * value) if value else "1.0")
        elif isinstance(value, str) and not self.in_raise and re.fullmatch(r"\w+", value):
            self.change(node, repr(value + "_"))

    def visit_JoinedStr(self, node):
        """Text of a message: its positions are not exact before Python 3.12."""

    def visit_Call(self, node):
        for keyword in node.keywords:
            if keyword.arg is None:
                continue
            others = [self.old(a) for a in node.args] + [
                self.old(k) for k in node.keywords if k is not keyword
            ]
            self.change(
                node,
                f"{self.old(node.func)}({', '.join(others)})",
                self.old(keyword),
                "no such argument",
            )
        self.generic_visit(node)

    def visit_Slice(self, node):
        for bound in (node.lower, node.upper):
            if bound is not None:
                self.change(bound, f"({self.old(bound)}) + 1")
        self.generic_visit(node)


def is_string(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


OPERATORS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
