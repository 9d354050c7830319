"""Read a PowerShell script without PowerShell: syntax by two grammars, param block, help, and the words that it passes.

Each grammar alone refuses some valid scripts, so an error counts only when both refuse. The param block is read with
tree-sitter-powershell: the other grammar merges parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter_powershell
import tree_sitter_pwsh
from tree_sitter import Language, Node, Parser

_STRICT = Parser(Language(tree_sitter_powershell.language()))
_LOOSE = Parser(Language(tree_sitter_pwsh.language()))
_END = b"\n\nreturn\n"  # a param block at the very end of a file is a false error in one grammar


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter: lower-case type, default as written ("" without one), its ValidateRange or None."""

    type: str
    default: str
    range: tuple[float, float] | None


def syntax_problems(text: str) -> list[str]:
    """Return what both grammars refuse, and three things that both let through."""
    strict, loose = (_root(parser, text) for parser in (_STRICT, _LOOSE))
    if strict.has_error and loose.has_error:
        broken = [node for node in _walk(loose) if node.type == "ERROR" or node.is_missing]
        return [f"line {node.start_point[0] + 1}: {_text(node)[:40]!r}" for node in broken] or ["refused by both"]
    problems = []
    for node in _walk(loose):
        line = node.start_point[0] + 1
        if node.type == "command_name" and _text(node).lower() in ("else", "elseif", "catch", "finally", "param"):
            problems.append(f"line {line}: {_text(node)} as a command")
        kinds = {child.type for child in node.children}
        if node.type == "try_statement" and not kinds & {"catch_clauses", "finally_clause"}:
            problems.append(f"line {line}: try without catch")
    for block in (node for node in _walk(strict) if node.type == "param_block"):
        names = [_name(node).lower() for node in _walk(block) if node.type == "script_parameter"]
        if len(names) != len(set(names)):
            problems.append(f"line {block.start_point[0] + 1}: a parameter twice")
    return problems


def parameters(text: str) -> dict[str, Parameter]:
    """Return the parameters of the script's own param block by name, in their order."""
    block = next((child for child in _root(_STRICT, text).children if child.type == "param_block"), None)
    nodes = [node for node in _walk(block) if node.type == "script_parameter"] if block else []
    return {_name(node): _parameter(node) for node in nodes}


def _parameter(node: Node) -> Parameter:
    attributes = [_text(part) for part in _walk(node) if part.type == "attribute"]
    types = [text.strip("[] ").lower() for text in attributes if "(" not in text]
    default = next((_text(part) for part in node.children if part.type == "script_parameter_default"), "")
    spans = [re.search(r"ValidateRange\(\s*([\d.]+)\s*,\s*([\d.]+)\s*\)", text) for text in attributes]
    span = next((found for found in spans if found), None)
    return Parameter(
        type=types[-1] if types else "",
        default=default.removeprefix("=").strip(),
        range=(float(span[1]), float(span[2])) if span else None,
    )


def help_sections(text: str) -> dict[str, str]:
    """Return the comment-based help: `SYNOPSIS`, `PARAMETER Name`, `EXAMPLE` and so on, each with its text."""
    block = re.search(r"<#(.*?)#>", text, re.DOTALL)
    if block is None:
        return {}
    parts = re.split(r"(?m)^[ \t]*\.([A-Z]+)[ \t]*(\S*)[ \t]*$", block[1])
    return {f"{key} {name}".strip(): body.strip() for key, name, body in zip(*[iter(parts[1:])] * 3, strict=True)}


def code_of(text: str) -> str:
    """Return the script without comments and without the contents of its string literals."""
    bare = re.sub(r"(?s)<#.*?#>", "", text)
    bare = re.sub(r"'(?:[^'\n]|'')*'|\"(?:[^\"\n`]|`.)*\"", "''", bare)
    return re.sub(r"(?m)(?<!`)#(?!Requires).*$", "", bare)


def passed_flags(text: str) -> set[str]:
    """Return the `--flags` among the script's string literals."""
    bare = re.sub(r"(?s)<#.*?#>", "", text)
    return set(re.findall(r"['\"](--[a-z][a-z-]*)", bare))


def commands(text: str) -> list[str]:
    """Return the names of the commands that the script calls."""
    return [_text(node) for node in _walk(_root(_LOOSE, text)) if node.type == "command_name"]


def read(path: Path) -> str:
    """Return a script's text; a byte that is not ASCII raises UnicodeDecodeError."""
    return path.read_bytes().decode("ascii")


def _root(parser: Parser, text: str) -> Node:
    return parser.parse(text.encode().rstrip() + _END).root_node


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _name(node: Node) -> str:
    return next(_text(child) for child in node.children if child.type == "variable").lstrip("$")


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
