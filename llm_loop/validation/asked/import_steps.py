"""What running a source file is sure to import, in order, and where that ceases to be sure.

Standard library only, for any Python from 3.8. Steps are tuples:

    ("import", name, line)                    ("from", level, name, names, line)
    ("maybe", level, name, names, line)       an import that hangs on a condition
    ("calls", module, line)                   code of that package runs here, and may do anything
    ("bends", line)                           where modules are found may be changed from here on
    ("ends", line)                            from here on it is not sure that anything runs
"""

from __future__ import annotations

import ast

TYPE_CHECKING = False  # typing costs time to import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_SEARCH = {"path", "meta_path", "path_hooks", "path_importer_cache"}
_RUNS_TEXT = {"__import__", "exec", "eval"}
_BENDING_CALLS = {"addsitedir", "extend_path", "addpackage", "module_from_spec"}
_STARTING_CALLS = {"system", "popen", "run", "call", "check_call", "check_output", "Popen", "main", "getoutput"}
_INSTALLERS = ("pip", "conda", "mamba", "easy_install", "setup.py", "apt")
_ENDING_CALLS = {"exit", "quit", "_exit", "abort", "main", "cli", "app", "run", "train", "launch"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def steps_of(tree: ast.Module, is_main: bool) -> list[tuple[Any, ...]]:
    """Return the steps of a module; ``is_main``: it is what Python was started with."""
    reading = _Reading(is_main)
    reading.body(tree.body)
    return reading.steps


def bound_names(tree: ast.Module) -> set[str] | None:
    """Return all names that a module may bind; None where it may bind any."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, (*_DEFINITIONS, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
    return None if names & {"*", "__getattr__", "globals", "setattr", "vars"} else names


class _Reading:
    """Go through a module as Python would run it. ``origins`` says which package a name comes from."""

    def __init__(self, is_main: bool) -> None:
        self.is_main = is_main
        self.steps: list[tuple[Any, ...]] = []
        self.origins: dict[str, str] = {}

    def body(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node, is_sure=True)
        elif isinstance(node, _DEFINITIONS):
            self._definition(node)
        elif isinstance(node, ast.If):
            self._if(node)
        elif isinstance(node, ast.Try) and not node.handlers:
            self.body(node.body)
            self.body(node.finalbody)
        elif isinstance(node, ast.Try):
            self._scan([*node.body, *node.orelse, *node.finalbody], hangs=True)
            self._scan(node.handlers, hangs=True, may_end=False)
        elif not isinstance(node, ast.ClassDef) and (hasattr(node, "body") or hasattr(node, "cases")):
            self._scan([node], hangs=True)  # for, while, with, match, and what later Pythons have
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            self._scan([node], hangs=False)
            self._bind(node)
            if isinstance(node, ast.Raise):
                self.steps.append(("ends", node.lineno))

    def _if(self, node: ast.If) -> None:
        test = ast.dump(node.test)
        if "'TYPE_CHECKING'" in test and isinstance(node.test, (ast.Name, ast.Attribute)):
            self.body(node.orelse)
        elif _asks_for_main(node.test, test):
            self.body(node.body if self.is_main else node.orelse)
        else:
            self._scan([node], hangs=True)

    def _import(self, node: ast.Import | ast.ImportFrom, *, is_sure: bool) -> None:
        if isinstance(node, ast.Import):
            for one in node.names:
                step = ("import", one.name, node.lineno) if is_sure else ("maybe", 0, one.name, (), node.lineno)
                self.steps.append(step)
                top = one.name.partition(".")[0]
                self.origins[one.asname or top] = top
            return
        names = tuple(one.name for one in node.names)
        if node.module == "sys" and _SEARCH & set(names):
            self.steps.append(("bends", node.lineno))
        if node.module != "__future__":
            kind = "from" if is_sure else "maybe"
            self.steps.append((kind, node.level, node.module or "", names, node.lineno))
        for one in node.names:
            self.origins[one.asname or one.name] = "" if node.level else (node.module or "").partition(".")[0]

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function runs later, if at all; what it may change counts from here on."""
        self._scan([*node.decorator_list, *node.args.defaults], hangs=False)
        self.origins.pop(node.name, None)
        self._note_bends(node)

    def _note_bends(self, node: ast.AST) -> None:
        self.steps += [("bends", _line(one)) for one in ast.walk(node) if self._bends(one)][:1]

    def _scan(self, nodes: Iterable[ast.AST], *, hangs: bool, may_end: bool = True) -> None:
        """Look through code; ``hangs``: on a condition."""
        waiting = list(nodes)[::-1]
        while waiting:
            node = waiting.pop()
            if isinstance(node, (*_DEFINITIONS, ast.Lambda)):
                self._note_bends(node)
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node, is_sure=False)
                continue
            if self._bends(node):
                self.steps.append(("bends", _line(node)))
            if isinstance(node, ast.Call):
                self._call(node, may_end=may_end)
            if may_end and isinstance(node, ast.Raise) and hangs and "SystemExit" in ast.dump(node):
                self.steps.append(("ends", node.lineno))
            waiting += list(ast.iter_child_nodes(node))[::-1]

    def _call(self, node: ast.Call, *, may_end: bool) -> None:
        root, last = _root(node.func), _last(node.func)
        origin = self.origins.get(root, "" if root else None)
        ends = last in _ENDING_CALLS and (isinstance(node.func, ast.Name) or origin in ("sys", "os"))
        if (ends and may_end) or (origin == "os" and last.startswith(("exec", "spawn"))):
            self.steps.append(("ends", node.lineno))
        elif origin:
            self.steps.append(("calls", origin, node.lineno))

    def _bind(self, node: ast.stmt) -> None:
        """Remember what assigned names come from: ``parser = argparse.ArgumentParser()``."""
        value = getattr(node, "value", None)
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        origin = self.origins.get(_root(value)) if isinstance(value, ast.AST) else None
        for target in targets:
            for one in ast.walk(target) if isinstance(target, ast.AST) else ():
                if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                    if origin is None:
                        self.origins.pop(one.id, None)
                    else:
                        self.origins[one.id] = origin

    def _bends(self, node: ast.AST) -> bool:
        """Tell whether this node may change where modules are found, or which are installed."""
        if isinstance(node, ast.Attribute):
            is_sys = self.origins.get(_root(node.value), _root(node.value)) == "sys"
            if is_sys and isinstance(node.value, ast.Name) and node.attr in _SEARCH:
                return True
            return node.attr == "__path__" and isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Subscript):
            is_modules = isinstance(node.value, ast.Attribute) and node.value.attr == "modules"
            return is_modules and not isinstance(node.ctx, ast.Load)
        if isinstance(node, ast.Name):
            return node.id == "__path__" and isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Call):
            last = _last(node.func)
            runs_text = last in _RUNS_TEXT and isinstance(node.func, ast.Name)  # a model has a method eval too
            return runs_text or last in _BENDING_CALLS or (last in _STARTING_CALLS and _installs(node))
        return False


def _asks_for_main(test: ast.expr, dumped: str) -> bool:
    """Tell whether a condition is ``__name__ == "__main__"``."""
    is_equal = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
    return is_equal and "'__name__'" in dumped and "'__main__'" in dumped


def _installs(node: ast.Call) -> bool:
    texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return any(tool in text for text in texts for tool in _INSTALLERS)


def _line(node: ast.AST) -> int:
    line: int = getattr(node, "lineno", 0)
    return line


def _root(node: Any) -> str:
    """Return the name that an expression begins with: ``a`` of ``a.b(c)[d].e``; "" without one."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript, ast.Await)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.AST) -> str:
    """Return the last part of a called name: ``c`` of ``a.b.c``; "" without one."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
