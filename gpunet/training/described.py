"""Settings as text and numbers: to write them down, and to tell whether they are the same later on."""

from __future__ import annotations

import contextlib
import dataclasses
import dis
import functools
import hashlib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from gpunet.devices.registry import backend_of
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.inputs.digest import digest

PLAIN = (str, bool, int, float, np.generic, tuple, type(None), FunctionType, functools.partial)


def described(value: Any, constants: bool = True) -> Any:
    """A setting as JSON holds it.

    Numbers and text are themselves; a dataclass is its type and fields, another object its type and the parameters of
    its class that it keeps as attributes, also with an underscore before their names; a function is its name, a digest
    of its code, its defaults and the numbers that it has from where it is defined, and the global numbers and functions
    that it reads; arrays and tables are digests of what they hold. Without `constants`, numbers of functions, and
    attributes with an underscore, do not count: those of a callback may be a deadline, or change from epoch to epoch.
    """
    return _described(value, (), constants)


def _described(value: Any, within: tuple[int, ...], constants: bool) -> Any:
    """The same; `within` are the objects that this one is an attribute of, to which it may lead back."""
    if isinstance(value, float) and value != value:
        return "nan"  # which equals itself
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if id(value) in within:
        return {"type": type(value).__qualname__}
    describe = functools.partial(_described, within=(*within, id(value)), constants=constants)
    if isinstance(value, list | tuple):
        return [describe(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(map(describe, value), key=repr)  # their own order changes from process to process
    if isinstance(value, dict):
        return {str(key): describe(one) for key, one in value.items()}
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return describe(value.item())
    if backend_of(value) is not None or is_sparse(value) or hasattr(type(value), "to_numpy"):
        return digest("a setting", value)
    if isinstance(value, functools.partial):
        return {
            "type": "partial",
            **describe({"of": value.func, "args": value.args, "keywords": value.keywords}),
        }
    if callable(value) and hasattr(value, "__qualname__"):
        read = _globals(value, describe) if constants else {}
        return {**read, **_function(value, describe, constants)}
    read = _globals(type(value).__call__, describe) if constants and callable(value) else {}
    return {**read, "type": type(value).__qualname__, **_settings(value, describe, constants)}


def _settings(value: Any, describe: Callable[[Any], Any], private: bool) -> dict[str, Any]:
    """The fields of a dataclass; of another object the parameters of its class that it keeps as attributes."""
    if dataclasses.is_dataclass(value):
        return {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
    try:
        names = list(inspect.signature(type(value)).parameters)
    except (ValueError, TypeError):  # some classes that are not written in Python have no signature
        text = repr(value)
        return {} if " at 0x" in text else {"value": text}
    settings = {}
    for name in names:
        if hasattr(value, name):
            settings[name] = describe(getattr(value, name))
        elif private and hasattr(value, f"_{name}"):
            settings[name] = describe(getattr(value, f"_{name}"))
    return settings


def _function(function: Any, describe: Callable[[Any], Any], constants: bool) -> dict[str, str]:
    about = {"function": f"{function.__module__}.{function.__qualname__}"}
    code = getattr(function, "__code__", None)
    if code is not None:
        found = _constants(function, code) if constants else ()
        known = _code(code), [(name, describe(value)) for name, value in found]
        about["code"] = hashlib.sha256(repr(known).encode()).hexdigest()[:16]
    return about


def _code(code: CodeType) -> list[Any]:
    """Instructions, the names in them, and constants, functions that are defined within among them."""
    return [code.co_code.hex(), code.co_names, [_constant(one) for one in code.co_consts]]


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, tuple):
        return [_constant(one) for one in value]
    # The order of a set, as `x in {"a", "b"}` has it, changes from process to process.
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


def _constants(function: Any, code: CodeType) -> Iterator[tuple[str, Any]]:
    """Defaults, and what a function has from where it is defined: what cannot change from epoch to epoch."""
    defaults = getattr(function, "__defaults__", None) or ()
    named = getattr(function, "__kwdefaults__", None) or {}
    given = [*((str(i), value) for i, value in enumerate(defaults)), *named.items()]
    counted = {one.argval for one in dis.get_instructions(code) if one.opname == "STORE_DEREF"}
    for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False):
        if name not in counted:
            with contextlib.suppress(ValueError):  # not set yet
                given.append((name, cell.cell_contents))
    for name, value in given:
        if isinstance(value, PLAIN):
            yield name, value


def _globals(function: Any, describe: Callable[[Any], Any]) -> dict[str, Any]:
    """Global numbers, text and functions that a function reads, also where functions of its module do that it calls.

    What it sets itself does not count: it may have counted when the run goes on.
    """
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    found: dict[str, Any] = {}
    pending, changed = [] if code is None else [code], set[str]()
    while pending:
        one = pending.pop()
        pending += [part for part in one.co_consts if isinstance(part, CodeType)]
        for instruction in dis.get_instructions(one):
            name = instruction.argval
            if instruction.opname == "STORE_GLOBAL":
                changed.add(name)
            elif instruction.opname == "LOAD_GLOBAL" and name not in found:
                value = known.get(name, ...)  # a builtin has no value there
                if isinstance(value, FunctionType):
                    found[name] = _function(value, describe, constants=True)
                    if value.__globals__ is known:
                        pending.append(value.__code__)
                elif isinstance(value, PLAIN):
                    found[name] = describe(value)
    return {name: value for name, value in found.items() if name not in changed}


CHANGED = "{name} was {before}, now it is {now}"


def differences(before: dict[str, Any], now: dict[str, Any], line: str = CHANGED) -> list[str]:
    """A line for each setting that is not what it was."""
    lines = []
    for name in dict.fromkeys([*before, *now]):
        old: Any = before.get(name)
        new: Any = now.get(name)
        if _are_of_one_kind(old, new):
            lines += [f"{name}: {one}" for one in differences(old, new, line)]
        elif _are_objects(old) and _are_objects(new) and len(old) == len(new):
            numbered = [f"{name}[{k}]" for k in range(len(old))]
            lines += differences(
                dict(zip(numbered, old, strict=True)), dict(zip(numbered, new, strict=True)), line
            )
        elif old != new:
            lines.append(line.format(name=name, before=_short(old), now=_short(new)))
    return lines


def _are_of_one_kind(old: Any, new: Any) -> bool:
    """Whether these are described objects of one type, or one function: their settings differ, or what it reads."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    parts = ("function", "code") if "function" in old else ("type",)
    return parts[0] in old and all(old.get(part) == new.get(part) for part in parts)


def _are_objects(value: Any) -> bool:
    """Whether it is a list of described objects, such as layers, or of functions."""
    return isinstance(value, list) and all(
        isinstance(one, dict) and ("type" in one or "function" in one) for one in value
    )


def _short(value: Any) -> str:
    if isinstance(value, dict) and "type" in value:
        settings = ", ".join(f"{name}={_short(one)}" for name, one in value.items() if name != "type")
        return f"{value['type']}({settings})"
    if isinstance(value, dict) and "function" in value:
        return f"{value['function']} ({value.get('code')})"
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return repr(value)
