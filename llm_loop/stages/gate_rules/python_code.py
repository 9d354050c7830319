"""Read Python code for the names it uses, the calls it makes and the commands it starts."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field

_RUNS_TEXT = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")
_RUNS_WORDS = tuple(f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen"))
_DECODERS = ("b64decode", "decompress", "unhexlify", "b85decode", "fromhex", "a85decode")
_PATHS = ("pathlib.Path", "pathlib.PurePath", "Path", "str", "os.path.expanduser", "os.path.abspath")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonCall:
    """Hold one call: the dotted name and the path that it is given, None when that is computed."""

    name: str
    target: str | None = None
    has_target: bool = False


@dataclass(slots=True)
class PythonFacts:
    """Hold what a piece of code names and does; ``parsed`` is False when it is not Python."""

    parsed: bool = True
    names: list[str] = field(default_factory=list)
    calls: list[PythonCall] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    commands: list[str | tuple[str, ...]] = field(default_factory=list)
    hidden: bool = False


def read_python(code: str) -> PythonFacts:
    """Read ``code`` without running it; code that does not parse gives empty facts."""
    facts = PythonFacts()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        facts.parsed = False
        return facts
    nodes = list(ast.walk(tree))
    aliases = _aliases(nodes, facts)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            facts.texts.append(node.value)
        elif isinstance(node, ast.Name | ast.Attribute):
            facts.names.append(_dotted(node, aliases))
        elif isinstance(node, ast.Call):
            _note_call(node, aliases, facts)
    return facts


def _aliases(nodes: list[ast.AST], facts: PythonFacts) -> dict[str, str]:
    """Return what the imported names stand for, and note what is imported."""
    aliases: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                facts.names.append(name.name)
                if name.asname:
                    aliases[name.asname] = name.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                facts.names.append(f"{node.module}.{name.name}")
                aliases[name.asname or name.name] = f"{node.module}.{name.name}"
    return aliases


def _dotted(node: ast.AST, aliases: dict[str, str]) -> str:
    """Return a dotted name such as ``os.path.join`` or ``pathlib.Path().unlink``; "" for other things."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append("." + node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            parts.append("()")
            node = node.func
        else:
            break
        if len(parts) > 40:
            return ""
    head = aliases.get(node.id, node.id) if isinstance(node, ast.Name) else "?"
    return head + "".join(reversed(parts))


def _note_call(node: ast.Call, aliases: dict[str, str], facts: PythonFacts) -> None:
    name = _dotted(node.func, aliases)
    first = node.args[0] if node.args else None
    if name in _RUNS_TEXT or name in _RUNS_WORDS:
        _note_command(first, aliases, facts)
    if name in ("exec", "eval", "builtins.exec") and first is not None:
        inner = (_dotted(one.func, aliases) for one in ast.walk(first) if isinstance(one, ast.Call))
        facts.hidden = facts.hidden or any(one.rpartition(".")[2] in _DECODERS for one in inner)
    target: ast.AST | None = first
    if isinstance(node.func, ast.Attribute) and "Path()" in name:
        target = node.func.value
    if name == "open" and not _writes(node):
        return
    text = None if target is None else _path_text(target, aliases)
    facts.calls.append(PythonCall(name=name, target=text, has_target=target is not None))


def _writes(node: ast.Call) -> bool:
    modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in modes)


def _note_command(first: ast.AST | None, aliases: dict[str, str], facts: PythonFacts) -> None:
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        facts.commands.append(first.value)
    elif isinstance(first, ast.List | ast.Tuple):
        words = [_path_text(one, aliases) for one in first.elts]
        if first.elts and _dotted(first.elts[0], aliases) == "sys.executable":
            words[0] = "python"
        if words and words[0] is not None:
            facts.commands.append(tuple("$unknown" if word is None else word for word in words))


def _path_text(node: ast.AST, aliases: dict[str, str], depth: int = 0) -> str | None:
    """Return the path that an expression spells out, or None when it is computed."""
    if depth > 20:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _joined([node.left, node.right], aliases, depth)
    if isinstance(node, ast.Subscript) and _dotted(node.value, aliases) == "os.environ":
        name = _path_text(node.slice, aliases, depth + 1)
        return f"${name}" if name else None
    if isinstance(node, ast.Call):
        name = _dotted(node.func, aliases)
        if name.endswith("Path.home"):
            return "~"
        if name in ("os.getenv", "os.environ.get") and node.args:
            return f"${_path_text(node.args[0], aliases, depth + 1)}"
        if name == "os.path.join" or name in _PATHS:
            return _joined(node.args, aliases, depth) if node.args else "."
    return None


def _joined(nodes: list[ast.expr], aliases: dict[str, str], depth: int) -> str | None:
    parts = [_path_text(node, aliases, depth + 1) for node in nodes]
    return None if any(part is None for part in parts) else "/".join(part for part in parts if part)
