"""The two environments of a checkout, as lists of steps."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.checks import need_room
from environments.download_size import as_text, download_size
from environments.nvidia import Nvidia, detect_nvidia
from environments.package_source import copied_source, source_fingerprint
from environments.pip_run import run_pip
from environments.problem import SetupProblem
from environments.set_up_lock import only_one
from environments.stamps import Stamps, fingerprint
from environments.steps import Step, do_steps, due_steps
from environments.torch_build import PACKAGES, TorchBuild, choose, pinned, report_with
from environments.virtualenv import installed_version, interpreter

LOOP_PINS = "constraints/loop.txt"
TRAIN_PINS = "constraints/train.txt"
_ROOM_LOOP_GB = 0.3
_ROOM_CPU_GB = 1.5
_ROOM_CUDA_GB = 6.0
_IMPORT_TIMEOUT_S = 300.0
_IMPORT = "import json, torch; print(json.dumps([torch.__version__, torch.cuda.is_available()]))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout of the project and how its environments are to be made.

    `torch_index` is the text of `--torch-index`, None when not given. `pip_argv` replaces `PYTHON -m pip` in tests.
    """

    root: Path
    say: Callable[[str], None]
    torch_index: str | None = None
    pip_argv: Sequence[str] | None = None

    @property
    def loop_folder(self) -> Path:
        """Folder of the loop's environment."""
        return self.root / ".venv"

    @property
    def train_folder(self) -> Path:
        """Folder of the trainer's environment."""
        return self.root / ".venv-train"

    def bring_up(self, folder: Path, steps: list[Step]) -> None:
        """Do what is due in one environment; takes no lock and touches nothing when nothing is."""
        if not due_steps(folder, steps):
            return
        try:
            with only_one(self.root / ".bootstrap.lock", self.say):
                do_steps(folder, steps, self.say)
        except TimeoutError as error:
            raise SetupProblem(f"Gave up waiting: {error}", "End that process, then run this again") from error

    def pip(self, folder: Path, verb: str, *arguments: str, cwd: Path | None = None) -> None:
        """Run pip in one of the environments, from the folder `cwd` (default: the checkout's root)."""
        argv = self.pip_argv or [str(interpreter(folder)), "-P", "-m", "pip"]
        bar = ["--progress-bar", "raw"] if verb == "install" and _pip_has_raw_bar(folder) else []
        log = folder / "set_up.log"
        run_pip(argv, [verb, *bar, *arguments], cwd=cwd or self.root, log=log, say=self.say)


def loop_steps(checkout: Checkout, *, dev: bool = False) -> list[Step]:
    """Return the steps of `.venv`: the loop itself, editable, without torch; with `dev`, the tools of the tests too."""
    root, folder = checkout.root, checkout.loop_folder

    def install(extras: str) -> None:
        need_room(root, _ROOM_LOOP_GB)
        checkout.pip(folder, "install", "--constraint", LOOP_PINS, "--editable", f".[{extras}]")

    mark = fingerprint(root / "pyproject.toml", root / LOOP_PINS, str(root))
    steps = [Step(name="loop", mark=mark, tells="installing the loop", do=lambda: install("planner"))]
    if dev:
        tells = "installing the tools for tests"
        steps.append(Step(name="tools", mark=mark, tells=tells, do=lambda: install("planner,dev")))
    return steps


def train_steps(checkout: Checkout, *, dev: bool = False, extras: Sequence[str] = ()) -> list[Step]:
    """Return the steps of `.venv-train`: torch, its companions, a built copy of the package; with `dev`, test tools.

    `extras` are packages that are installed besides, as far as the pins allow.
    """
    root, folder = checkout.root, checkout.train_folder
    pinning = ("--constraint", str(root / TRAIN_PINS))
    torch = _torch_step(checkout, fingerprint(root / TRAIN_PINS))
    packages = fingerprint(root / "pyproject.toml", torch.mark)
    sources = source_fingerprint(root)

    def companions() -> None:
        with copied_source(root) as source:
            checkout.pip(folder, "install", *pinning, "setuptools", ".[train]", cwd=source)
        Stamps(folder).mark("package", sources)  # it came along

    def package() -> None:
        options = ("--no-deps", "--no-index", "--no-build-isolation", "--force-reinstall")
        with copied_source(root) as source:
            checkout.pip(folder, "install", *options, ".", cwd=source)

    def repair_extras() -> None:
        checkout.pip(folder, "install", *pinning, *extras)

    def tools() -> None:
        checkout.pip(folder, "install", *pinning, "pytest", "pytest-xdist", "psutil")

    steps = [
        torch,
        Step(name="packages", mark=packages, tells="installing the trainer's packages", do=companions),
        Step(name="import", mark=packages, tells="importing torch", do=lambda: _import_torch(checkout)),
        Step(name="package", mark=sources, tells="building the package", do=package),
    ]
    if dev:
        steps.append(Step(name="tools", mark=torch.mark, tells="installing the tools for tests", do=tools))
    if extras:
        mark = fingerprint(packages, *extras)
        tells = f"installing {len(extras)} packages that repairs may need: {', '.join(extras)}"
        steps.append(Step(name="repair extras", mark=mark, tells=tells, do=repair_extras))
    return steps


def _torch_step(checkout: Checkout, pins: str) -> Step:
    """The step that installs torch. A build once chosen by `--torch-index` stays until another is named."""
    stamps = Stamps(checkout.train_folder)
    choice = checkout.torch_index or stamps.read("torch choice") or "auto"

    def install() -> None:
        _install_torch(checkout, None if choice == "auto" else choice)
        stamps.mark("torch choice", choice)

    return Step(name="torch", mark=f"{pins} {choice}", tells="asking which torch fits this machine", do=install)


def _install_torch(checkout: Checkout, override: str | None) -> None:
    root, folder = checkout.root, checkout.train_folder
    pinning = ["--constraint", str(root / TRAIN_PINS)]

    def ask(arguments: list[str]) -> Mapping[str, Any]:
        return report_with(lambda more: checkout.pip(folder, *more, *pinning), arguments)

    nvidia = detect_nvidia()
    build = choose(ask, pinned(root / TRAIN_PINS), nvidia, override, sys.platform)
    _tell_choice(checkout, build, nvidia)
    standing = installed_version(folder, "torch")
    if standing is None:
        need_room(root, _ROOM_CUDA_GB if build.build.startswith("cu") else _ROOM_CPU_GB)
    elif standing != build.version:
        checkout.pip(folder, "uninstall", "--yes", *PACKAGES)
    checkout.pip(folder, "install", *pinning, *build.index_options, *build.requirements)


def _tell_choice(checkout: Checkout, build: TorchBuild, nvidia: Nvidia | None) -> None:
    size = download_size(build.urls)
    text = f", {as_text(size)} to fetch unless already in pip's cache" if size else ""
    kind = "for the CPU" if build.build == "cpu" else f"build {build.build}"
    checkout.say(f"    machine: {nvidia or 'no NVIDIA card with a working driver'}")
    checkout.say(f"    torch {build.version}, {kind}{text}")
    if nvidia and build.build == "cpu":
        checkout.say("    Warning: trainings will not use the NVIDIA card. A driver of 580 or newer serves every card.")


def _import_torch(checkout: Checkout) -> None:
    """Import torch once in the finished environment, and see whether it finds the card. Raises SetupProblem."""
    program = interpreter(checkout.train_folder)
    argv = [str(program), "-I", "-W", "ignore", "-c", _IMPORT]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_IMPORT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        mend = "Run the same command again when the machine is less busy"
        raise SetupProblem(f"Importing torch took longer than {_IMPORT_TIMEOUT_S:.0f} s", mend) from None
    if done.returncode != 0:
        last = ([line for line in done.stderr.splitlines() if line.strip()] or ["no word"])[-1]
        raise SetupProblem(f"torch was installed but cannot be imported: {last}", _import_mend(last))
    version, cuda = json.loads(done.stdout.splitlines()[-1])
    if not cuda and "+cpu" not in version and (nvidia := detect_nvidia()):
        checkout.say(f"    Warning: torch {version} does not find {nvidia}: update the NVIDIA driver, or take another")
        checkout.say("    build with --torch-index (cu130, cu126). Until then trainings run on the CPU.")
    checkout.say(f"    torch {version} imports, CUDA {'is ready' if cuda else 'is not used'}")


def _import_mend(text: str) -> str:
    if "DLL" in text or "WinError 126" in text:
        return "Install the Visual C++ runtime (https://aka.ms/vs/17/release/vc_redist.x64.exe) and run this again"
    return "Delete the folder .venv-train and run the same command again"


def _pip_has_raw_bar(folder: Path) -> bool:
    version = (installed_version(folder, "pip") or "0").split(".")
    return tuple(int(part) for part in version[:2] if part.isdigit()) >= (24, 1)
