"""Settings as text and numbers: to write them down, and to tell whether they are the same later on."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
from typing import Any


def described(value: Any) -> Any:
    """A setting as JSON holds it.

    Numbers and text are themselves; a dataclass is its type and fields, another object its type and the parameters of
    its class that it keeps as attributes; a function is its name and a digest of its code.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [described(one) for one in value]
    if isinstance(value, dict):
        return {str(key): described(one) for key, one in value.items()}
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return described(value.item())
    if isinstance(value, functools.partial):
        return {
            "type": "partial",
            **described({"of": value.func, "args": value.args, "keywords": value.keywords}),
        }
    if callable(value) and hasattr(value, "__qualname__"):
        return _function(value)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    else:
        names = [name for name in inspect.signature(type(value)).parameters if hasattr(value, name)]
    settings = {name: described(getattr(value, name)) for name in names}
    return {"type": type(value).__qualname__, **settings}


def _function(function: Any) -> dict[str, str]:
    about = {"function": f"{function.__module__}.{function.__qualname__}"}
    code = getattr(function, "__code__", None)
    if code is not None:
        constants = [repr(one) for one in code.co_consts if not inspect.iscode(one)]
        about["code"] = hashlib.sha256(code.co_code + "".join(constants).encode()).hexdigest()[:16]
    return about


CHANGED = "{name} was {before}, now it is {now}"


def differences(before: dict[str, Any], now: dict[str, Any], line: str = CHANGED) -> list[str]:
    """A line for each setting that is not what it was."""
    lines = []
    for name in dict.fromkeys([*before, *now]):
        old: Any = before.get(name)
        new: Any = now.get(name)
        if (
            isinstance(old, dict)
            and isinstance(new, dict)
            and "type" in old
            and old["type"] == new.get("type")
        ):
            lines += [f"{name}: {one}" for one in differences(old, new, line)]
        elif _are_objects(old) and _are_objects(new) and len(old) == len(new):
            numbered = [f"{name}[{k}]" for k in range(len(old))]
            lines += differences(
                dict(zip(numbered, old, strict=True)), dict(zip(numbered, new, strict=True)), line
            )
        elif old != new:
            lines.append(line.format(name=name, before=_short(old), now=_short(new)))
    return lines


def _are_objects(value: Any) -> bool:
    """Whether it is a list of described objects, such as layers."""
    return isinstance(value, list) and all(isinstance(one, dict) and "type" in one for one in value)


def _short(value: Any) -> str:
    if isinstance(value, dict) and "type" in value:
        settings = ", ".join(f"{name}={_short(one)}" for name, one in value.items() if name != "type")
        return f"{value['type']}({settings})"
    if isinstance(value, dict) and "function" in value:
        return f"{value['function']} ({value.get('code')})"
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return repr(value)
