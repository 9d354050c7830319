"""Change single values of a config text and leave every other character of it, comments among them, as it is. Pure.

The YAML library says where each value stands; only those characters are replaced. Then both texts are read again: what
differs by more than the wanted changes, through an anchor for instance, is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from llm_loop.errors import LoopError

_MOST_NODES = 20_000
_DEEPEST = 30
_TIED_TO_ITS_FOLDER = ("defaults", "_base_")
"""Keys under which Hydra and the OpenMMLab trainers name other files, relative to the config's own folder."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]{0,80}", re.ASCII)

Path = tuple[str, ...]
Leaf = tuple[str, str]


class ConfigNotPatched(LoopError):
    """Say why a config file is left without a patched copy."""


def patched_yaml(text: str, changes: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the text with new values by dotted key, and the values as they were (None: a new key).

    A new key goes to the end of its section. Raises ConfigNotPatched for a text that is no mapping, a key that holds
    more than one value, and a change that would change something else too.
    """
    before = _leaves(_root(text))
    if tied := next((key for key in _TIED_TO_ITS_FOLDER if any(path[0] == key for path in before)), None):
        raise _refused(f"it names other files under {tied!r}, relative to its own folder")
    old: dict[str, Any] = {}
    wanted = dict(before)
    for key, value in changes.items():
        root = _root(text)
        path, node = _find(root, key)
        old[key] = None if node is None else _constructed(node)
        rendered = _rendered(value)
        text = _replaced(text, node, rendered) if node is not None else _added(text, root, path, rendered)
        for depth in range(len(path)):
            wanted.pop(path[:depth], None)  # an empty section that is not empty any more
        wanted[path] = _leaf(_compose(rendered))
    if _leaves(_root(text)) != wanted:
        raise _refused("a change would change something else too")
    return text, old


def patched_json(text: str, changes: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return JSON text with new values by dotted key, and the values as they were. Raises ConfigNotPatched."""
    try:
        root = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(f"it is no JSON: {error}") from error
    old: dict[str, Any] = {}
    for key, value in changes.items():
        *sections, last = key.split(".")
        place = root
        for section in sections:
            place = place.setdefault(section, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict) or isinstance(place.get(last), dict | list):
            raise _refused(f"{key} is no single value in it")
        old[key] = place.get(last)
        place[last] = value
    return json.dumps(root, indent=2, ensure_ascii=False) + "\n", old


def _replaced(text: str, node: ScalarNode, rendered: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        raise _refused("the value to change is a text of several lines")
    blank = " " if start == end else ""
    return text[:start] + blank + rendered + text[end:]


def _added(text: str, root: MappingNode, path: Path, rendered: str) -> str:
    """Return the text with a new key in the deepest of its sections that is there."""
    if not all(_PLAIN_KEY.fullmatch(key) for key in path):
        raise _refused(f"{'.'.join(path)} is no key that can be added")
    section, rest = root, path
    while len(rest) > 1 and (inner := _value_of(section, rest[0])) is not None:
        if not isinstance(inner, MappingNode):
            raise _refused(f"{'.'.join(path)}: {rest[0]} is no section in it")
        section, rest = inner, rest[1:]
    if section.flow_style:
        at = text.index("{", section.start_mark.index) + 1  # an anchor or a tag may stand before it
        opened, closed = "".join(f"{key}: {{" for key in rest[:-1]), "}" * (len(rest) - 1)
        return f"{text[:at]}{opened}{rest[-1]}: {rendered}{closed}{', ' if section.value else ''}{text[at:]}"
    if not section.value:
        raise _refused(f"{'.'.join(path)} cannot be added")
    indent = section.value[0][0].start_mark.column
    lines = [f"{' ' * (indent + 2 * depth)}{key}:" for depth, key in enumerate(rest)]
    at = text.find("\n", _end_of(section))
    at = len(text) if at < 0 else at
    return text[:at] + "\n" + "\n".join(lines) + f" {rendered}" + text[at:]


def _end_of(node: Node) -> int:
    """Return where the last value of a node ends; a block's own end lies behind the comments that follow it."""
    while isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1]
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        return int(node.end_mark.index) - 1
    return int(node.end_mark.index)


def _find(root: MappingNode, key: str) -> tuple[Path, ScalarNode | None]:
    """Return the path of a dotted key, in which a key may hold dots itself, and its value where it is there."""
    for path, node in _paths(root, key):
        if not isinstance(node, ScalarNode):
            raise _refused(f"{key} is no single value in it")
        return path, node
    return tuple(key.split(".")), None


def _paths(mapping: MappingNode, key: str, above: Path = ()) -> Iterator[tuple[Path, Node]]:
    for key_node, value in mapping.value:
        name = key_node.value
        if name == key:
            yield (*above, name), value
        elif isinstance(name, str) and key.startswith(f"{name}.") and isinstance(value, MappingNode):
            yield from _paths(value, key[len(name) + 1 :], (*above, name))


def _value_of(mapping: MappingNode, key: str) -> Node | None:
    return next((value for key_node, value in mapping.value if key_node.value == key), None)


def _root(text: str) -> MappingNode:
    node = _compose(text)
    if not isinstance(node, MappingNode):
        raise _refused("it is no mapping of keys")
    return node


def _compose(text: str) -> Node:
    try:
        node: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise _refused(f"it is no YAML that can be read: {' '.join(str(error).split())[:200]}") from error
    if node is None:
        raise _refused("it is empty")
    return node


def _leaves(root: Node) -> dict[Path, Leaf]:
    """Return every single value by its path, aliases followed. Raises ConfigNotPatched beyond 20,000 of them."""
    found: dict[Path, Leaf] = {}
    todo: list[tuple[Path, Node]] = [((), root)]
    count = 0
    while todo:
        path, node = todo.pop()
        count += 1
        if count > _MOST_NODES or len(path) > _DEEPEST:
            raise _refused("it is too large or too deep")
        if isinstance(node, MappingNode) and node.value:
            todo += [((*path, str(key.value)), value) for key, value in node.value]
        elif isinstance(node, SequenceNode) and node.value:
            todo += [((*path, f"[{place}]"), value) for place, value in enumerate(node.value)]
        else:
            found[path] = _leaf(node)
    return found


def _leaf(node: Node) -> Leaf:
    return str(node.tag), str(node.value)


def _constructed(node: ScalarNode) -> Any:
    try:
        value = yaml.safe_load(yaml.serialize(node))
    except (yaml.YAMLError, ValueError):
        return node.value
    return value if isinstance(value, bool | int | float | str | None) else node.value


def _rendered(value: Any) -> str:
    if not isinstance(value, bool | int | float | str | None) or (isinstance(value, str) and not value.isprintable()):
        raise _refused(f"{value!r} is no value that can be set")
    return str(yaml.safe_dump(value, width=10**6, allow_unicode=True)).split("\n")[0]


def _refused(why: str) -> ConfigNotPatched:
    return ConfigNotPatched(f"the config file is not patched: {why}")
