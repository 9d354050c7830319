"""Find the torch build that fits this machine, by asking pip what it would install before anything is downloaded."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.nvidia import Nvidia
from environments.problem import SetupProblem
from environments.torch_index import PYTORCH_INDEX, fits, index_tag

PACKAGES = ("torch", "torchvision")
_KNOWN_TAG = re.compile(r"cpu|cu\d{3}|rocm[\d.]+|xpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchBuild:
    """What pip would install: its requirements and index options, torch's version and build, and the files' URLs."""

    requirements: tuple[str, ...]
    index_options: tuple[str, ...]
    version: str
    build: str
    urls: tuple[str, ...]


Ask = Callable[[list[str]], Mapping[str, Any]]


def choose(ask: Ask, pins: Mapping[str, str], nvidia: Nvidia | None, override: str | None, platform: str) -> TorchBuild:
    """Return the build to install.

    `ask` takes pip's arguments and returns its report (`pip install --dry-run --report`). `pins` maps torch and
    torchvision to their tested versions. `override` is the text of `--torch-index` (None: choose by the machine).
    Raises SetupProblem where a build cannot be had.
    """
    if override not in (None, "pip"):
        return _ask_index(ask, pins, str(override), platform)
    own = _ask(ask, tuple(f"{name}=={pins[name]}" for name in PACKAGES), (), platform)
    if override == "pip" or fits(own.build, nvidia):
        return own
    tag = index_tag(nvidia)
    try:
        return _ask_index(ask, pins, tag, platform)
    except SetupProblem as problem:
        mend = (
            f"Name another place with --torch-index URL, or take the build that your pip settings lead to "
            f"({own.version}, {own.build}) with --torch-index pip"
        )
        raise SetupProblem(f"The torch build for this machine ({tag}): {problem.what}", mend) from problem


def index_url(override: str) -> str:
    """Return the address of an index given as a tag (`cpu`, `cu126`) or as a URL."""
    return override if "/" in override else PYTORCH_INDEX + override


def build_of(report: Mapping[str, Any], platform: str) -> str:
    """Return the kind of torch in pip's report: the local part of its version, or what its companions tell."""
    versions = _versions(report)
    version = versions.get("torch", "")
    if "+" in version:
        return version.split("+", 1)[1]
    if platform in ("win32", "darwin"):
        return "cpu"  # PyPI's builds for these systems
    cuda = _cuda_of_companions(versions)
    return f"cu{cuda}" if cuda else "cpu"


def _cuda_of_companions(versions: Mapping[str, str]) -> str | None:
    """Return the CUDA version, as `126`, of the NVIDIA packages that would come along; None without any."""
    for name in ("cuda-toolkit", "nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime-cu11"):
        if name in versions:
            return "".join(versions[name].split(".")[:2])
    named = [found[1] for name in versions if (found := re.fullmatch(r"nvidia-.*-cu(\d+)", name))]
    if named:
        return f"{named[0]}0"
    return "130" if any(name.startswith("nvidia-") for name in versions) else None


def _ask_index(ask: Ask, pins: Mapping[str, str], override: str, platform: str) -> TorchBuild:
    """Ask for the build of one index. A known tag is named in the version, so that no other build can be meant."""
    url = index_url(override)
    tag = url.rstrip("/").rsplit("/", 1)[-1]
    if _KNOWN_TAG.fullmatch(tag) and platform != "darwin":
        names = tuple(f"{name}=={pins[name]}+{tag}" for name in PACKAGES)
        return _ask(ask, names, ("--extra-index-url", url), platform)
    return _ask(ask, tuple(f"{name}=={pins[name]}" for name in PACKAGES), ("--index-url", url), platform)


def _ask(ask: Ask, requirements: tuple[str, ...], options: tuple[str, ...], platform: str) -> TorchBuild:
    report = ask([*options, *requirements])
    versions = _versions(report)
    if "torch" not in versions:
        raise SetupProblem("pip's answer names no torch", "Update pip in the environment, or name --torch-index URL")
    urls = tuple(str(item.get("download_info", {}).get("url", "")) for item in report.get("install", ()))
    return TorchBuild(
        requirements=requirements,
        index_options=options,
        version=versions["torch"],
        build=build_of(report, platform),
        urls=urls,
    )


def _versions(report: Mapping[str, Any]) -> dict[str, str]:
    items = [item.get("metadata", {}) for item in report.get("install", ())]
    return {re.sub(r"[-_.]+", "-", str(item.get("name", ""))).lower(): str(item.get("version", "")) for item in items}


def pinned(constraints: Path) -> dict[str, str]:
    """Return the versions that a constraints file pins, by package name in lower case."""
    pins = re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^\s;#]+)", constraints.read_text(encoding="utf-8-sig"))
    return {name.lower().replace("_", "-"): version for name, version in pins}


def report_with(run: Callable[[list[str]], None], arguments: list[str]) -> Mapping[str, Any]:
    """Ask pip, through `run`, what it would install. Nothing is installed; metadata may be fetched."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        run(["install", "--dry-run", "--ignore-installed", "--report", str(file), *arguments])
        report = json.loads(file.read_text(encoding="utf-8"))
    return report if isinstance(report, dict) else {}
