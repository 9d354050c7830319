"""Say whether what a run is sure to import compiles and is there: ``python code_child.py < question``.

Standard library only, for any Python from 3.8; nothing of the repository is imported or run, but for what Python itself
runs when it starts there, as it will in the run (``sitecustomize``, ``.pth`` files). Reads
``{"script": path or null, "module": name or null, "needs": [module], "edited": [path], "first": [folder],
"roots": [folder], "names": [module], "seconds": n}`` and prints one line, marked: ``{"errors": [{"file", "line",
"text", "edited"}], "missing": [{"module", "file", "line"}], "unsure": text or null, "files": n, "origins": {name: path
or null}}``.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import sys
import time
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from llm_loop.validation.asked import import_steps, looking

MARK = "llm-loop-code:"
MOST_FILES = 200
_STANDARD = frozenset(getattr(sys, "stdlib_module_names", ())) | set(sys.builtin_module_names)
_QUIET = frozenset(
    (
        "torch torchvision torchaudio torchmetrics numpy matplotlib pylab pandas scipy sklearn skimage cv2 PIL imageio"
        " tensorflow keras jax flax yaml tqdm timm transformers datasets accelerate lightning pytorch_lightning hydra"
        " omegaconf dotenv absl click typer fire loguru rich colorama seaborn albumentations einops monai mmcv mmengine"
        " mmdet mmseg detectron2 fvcore iopath ultralytics segmentation_models_pytorch wandb mlflow tensorboard apex"
        " colorlog psutil thop pycocotools safetensors huggingface_hub optuna ray tap simple_parsing attrs pydantic"
    ).split()
)
"""Packages whose functions, called while modules load, are known to bring no other modules."""


class Walk:
    """Go through what is sure to be imported, as Python would, from file to file."""

    def __init__(self, roots: list[str], until: float) -> None:
        self.roots, self.until = roots, until
        self.errors: list[dict[str, Any]] = []
        self.missing: list[dict[str, Any]] = []
        self.unsure: str | None = None
        self.files = 0
        self.is_over = self.misses_may_come = False
        self._specs: dict[str, Any] = {}
        self._bound: dict[str, set[str] | None] = {}
        self._done: set[tuple[str, bool]] = set()
        self._waiting: list[tuple[dict[str, Any], Iterator[tuple[Any, ...]]]] = []

    def edited(self, files: list[str]) -> None:
        """Compile what was edited: that it is broken is told, whoever imports it."""
        for file in files:
            if os.path.isfile(file):  # noqa: PTH113
                self.tree(file, is_edited=True)

    def needs(self, names: list[str]) -> None:
        """Look for modules alone, not into them."""
        self.missing += [{"module": name, "file": "", "line": 0} for name in names if self._spec(name) is None]

    def script(self, file: str) -> None:
        """Go through a script and what it imports."""
        self._go({"file": file, "name": "__main__", "package": "", "is_sure": True}, [("file", True)])

    def module(self, name: str) -> None:
        """Go through a module that is started by its name: its packages first."""
        parts = name.split(".")
        steps: list[tuple[Any, ...]] = [("module", ".".join(parts[:count])) for count in range(1, len(parts))]
        self._go({"file": "", "name": "", "package": "", "is_sure": True}, [*steps, ("main", name)])

    def tree(self, file: str, *, is_edited: bool = False) -> Any:
        """Return the syntax tree of a file, None where it has none; what does not compile is remembered."""
        try:
            source = looking.read(file)
        except OSError:
            return None
        self.files += 1
        try:
            tree: Any = compile(source, file, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
            compile(tree, file, "exec", 0, dont_inherit=True)
        except SyntaxError as error:
            self._error(file, error.lineno or 1, type(error).__name__ + ": " + str(error.msg), is_edited)
            return None
        except ValueError as error:  # a zero byte, for Pythons before 3.12
            self._error(file, 1, "ValueError: " + str(error), is_edited)
            return None
        except (RecursionError, MemoryError):
            self.unsure = self.unsure or file + " is nested too deeply to be looked into"
            return None
        return tree

    def _error(self, file: str, line: int, text: str, is_edited: bool) -> None:
        self.errors.append({"file": file, "line": line, "text": text, "edited": is_edited})
        self.is_over = True

    def _go(self, context: dict[str, Any], steps: list[tuple[Any, ...]]) -> None:
        self._waiting.append((context, iter(steps)))
        while self._waiting and not self.is_over:
            here, rest = self._waiting[-1]
            step = next(rest, None)
            if step is None:
                self._waiting.pop()
            elif time.monotonic() > self.until or self.files >= MOST_FILES:
                self.is_over = True
            else:
                getattr(self, "_" + step[0])(here, *step[1:])

    def _push(self, context: dict[str, Any], steps: list[tuple[Any, ...]]) -> None:
        self._waiting.append((context, iter(steps)))

    # ------------------------------------------------------------ steps of a file

    def _import(self, here: dict[str, Any], name: str, line: int) -> None:
        self._from(here, 0, name, (), line)

    def _from(self, here: dict[str, Any], level: int, name: str, names: tuple[str, ...], line: int) -> None:
        whole = name
        if level:
            above = here["package"].split(".") if here["package"] else []
            if level - 1 >= len(above):
                return  # a relative import without a package: what comes of that is Python's to say
            whole = ".".join([*above[: len(above) - level + 1], *([name] if name else [])])
        top = whole.partition(".")[0]
        spec = self._spec(top)
        if spec is None:
            self._miss(here, top, line)
        elif top not in _STANDARD and looking.is_own(spec):
            parts = whole.split(".")
            steps: list[tuple[Any, ...]] = [("module", ".".join(parts[: at + 1])) for at in range(len(parts))]
            self._push(here, [*steps, ("names", whole, names)])

    def _maybe(self, here: dict[str, Any], level: int, name: str, names: tuple[str, ...], line: int) -> None:
        self._from({**here, "is_sure": False}, level, name, names, line)

    def _calls(self, here: dict[str, Any], module: str, line: int) -> None:
        if module in _STANDARD or module in _QUIET or self.misses_may_come:
            return
        spec = self._spec(module)
        if spec is not None and not looking.is_own(spec):
            self.misses_may_come = True
            self.unsure = self.unsure or "{} may bring modules of its own (line {} of {})".format(
                module, line, here["file"]
            )

    def _bends(self, here: dict[str, Any], line: int) -> None:
        self.unsure = self.unsure or "{} may change where modules are found (line {})".format(here["file"], line)
        self.is_over = True

    def _ends(self, here: dict[str, Any], line: int) -> None:
        self.is_over = self.is_over or here["is_sure"]

    # ------------------------------------------------------------ steps of our own

    def _module(self, here: dict[str, Any], name: str) -> None:
        """Run a module once; what hangs on a condition may be run again as something sure."""
        spec = self._spec(name)
        if spec is None or (name, here["is_sure"]) in self._done or (name, True) in self._done:
            return
        self._done.add((name, here["is_sure"]))
        if spec.origin is not None and spec.origin.endswith((".py", ".pyw")):
            package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
            inner = {"file": spec.origin, "name": name, "package": package, "is_sure": here["is_sure"]}
            self._push(inner, [("file", False)])

    def _main(self, here: dict[str, Any], name: str) -> None:
        spec = self._spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name += ".__main__"
            spec = self._spec(name)
        parent = self._spec(name.rpartition(".")[0]) if "." in name else None
        if spec is None:
            if "." not in name or (parent is not None and looking.is_own(parent)):
                self._miss(here, name, 0)
        elif spec.origin is not None and spec.origin.endswith(".py") and looking.is_own(spec):
            package = name.rpartition(".")[0]
            self._push({"file": spec.origin, "name": name, "package": package, "is_sure": True}, [("file", True)])

    def _file(self, here: dict[str, Any], is_main: bool) -> None:
        before = len(self.errors)
        tree = self.tree(here["file"])
        if tree is None:
            if len(self.errors) > before and not here["is_sure"]:
                del self.errors[before:]
                self.is_over = False
            return
        self._bound[here["name"]] = import_steps.bound_names(tree)
        self._push(here, import_steps.steps_of(tree, is_main))

    def _names(self, here: dict[str, Any], module: str, names: tuple[str, ...]) -> None:
        """``from package import name`` imports a module of that name where the package binds none."""
        spec = self._spec(module)
        bound = self._bound.get(module, set())
        if spec is not None and spec.submodule_search_locations is not None and bound is not None:
            self._push(here, [("module", module + "." + one) for one in names if one not in bound])

    # ------------------------------------------------------------ where modules are

    def _spec(self, name: str) -> Any:
        """Return where Python finds a module, None where it does not; no parent is imported for that."""
        if name not in self._specs:
            parent, _, _ = name.rpartition(".")
            if not parent:
                self._specs[name] = looking.ask(name)
            else:
                found = self._spec(parent)
                where = None if found is None else found.submodule_search_locations
                self._specs[name] = None if where is None else looking.within(name, where)
        return self._specs[name]

    def _miss(self, here: dict[str, Any], name: str, line: int) -> None:
        if not here["is_sure"] or self.misses_may_come or any(one["module"] == name for one in self.missing):
            return
        if line and looking.lies_around(name, self.roots, self.until):
            self.unsure = self.unsure or name + " lies in the repository, where Python does not look by itself"
            return
        self.missing.append({"module": name, "file": here["file"], "line": line})


def sibling(name: str) -> Any:
    """Return a module of this folder, which is on no search path."""
    file = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")  # noqa: PTH100, PTH118, PTH120
    spec = importlib.util.spec_from_file_location("llm_loop_" + name, file)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def main() -> None:
    """Answer the question on standard input."""
    global import_steps, looking
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    question = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    import_steps, looking = sibling("import_steps"), sibling("looking")
    own = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    # with -I and -P a script's folder is not searched
    if sys.path and os.path.abspath(sys.path[0]) == own:  # noqa: PTH100
        sys.path[:1] = question["first"]
    walk = Walk(question["roots"], time.monotonic() + question["seconds"])
    walk.edited(question["edited"])
    walk.needs(question["needs"])
    if question["script"] is not None:
        walk.script(question["script"])
    elif question["module"] is not None:
        walk.module(question["module"])
    origins = {name: getattr(looking.ask(name), "origin", None) for name in question["names"]}
    answer = {
        "errors": walk.errors,
        "missing": walk.missing[:20],
        "unsure": walk.unsure,
        "files": walk.files,
        "origins": origins,
    }
    sys.stdout.buffer.write(("\n" + MARK + json.dumps(answer) + "\n").encode("utf-8"))


if __name__ == "__main__":
    main()
