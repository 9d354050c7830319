"""Whether this machine can have a bench, and what it must lend: its Debian mirror, its way to the package index."""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.windows.bench.problem import CannotHave

_ASK_TIMEOUT_S = 60.0
# names that say where packages come from; files among them are handed over apart
_NETWORK = re.compile(r"(?i)(https?|all|no)_proxy|PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|PROXY|DEFAULT_TIMEOUT)")


def check_machine() -> None:
    """Raise CannotHave unless this is a 64-bit Debian-like Linux where we are root and may make namespaces."""
    if not sys.platform.startswith("linux"):
        raise CannotHave(f"the bench needs Linux, this is {platform.system()}")
    if platform.machine() != "x86_64":
        raise CannotHave(f"the bench needs an x86_64 processor, this is {platform.machine()}")
    if os.geteuid() != 0:
        raise CannotHave("the bench needs root, for a folder with a Debian of its own")
    for program in ("apt-get", "unshare", "chroot", "mount"):
        if shutil.which(program) is None:
            raise CannotHave(f"the bench needs Debian's tools, and {program} is not here")
    if not _succeeds("unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"):
        raise CannotHave("this root may not mount (a container without the right to)")


def apt_options() -> list[str]:
    """Return options for apt-get: where /tmp is not open to all, apt must not give up its rights to read there."""
    open_to_all = Path("/tmp").stat().st_mode & 0o1007 == 0o1007
    return [] if open_to_all else ["-o", "APT::Sandbox::User=root"]


def debian_mirror() -> str:
    """Return the address of this machine's Debian mirror, as its apt knows it. Raises CannotHave."""
    argv = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Identifier: Packages"]
    lines = _output(argv).splitlines()
    found = [uri for origin, _, uri in (line.partition(" ") for line in lines) if origin == "Debian"]
    # before the first `apt-get update` apt does not know origins: then the address must tell
    found = found or [line.split(" ")[-1] for line in lines if re.search(r"/debian/?$", line)]
    plain = [uri.rstrip("/") for uri in found if "security" not in uri]
    if not plain:
        raise CannotHave("this machine's apt knows no Debian mirror")
    return plain[0]


def index_settings() -> dict[str, str]:
    """Return the environment with which pip inside finds the same package indexes as pip here.

    pip's own settings (``pip config list``), then PIP_* and proxies of the environment; what names a file of this
    machine is left out.
    """
    told = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in _pip_config().items()}
    told |= os.environ
    return {name: _without_files(value) for name, value in told.items() if _NETWORK.fullmatch(name) and value}


def pip_certificates() -> Path:
    """Return the certificates that this machine trusts for package indexes."""
    named = os.environ.get("PIP_CERT") or _pip_config().get("cert")
    return Path(named or "/etc/ssl/certs/ca-certificates.crt")


def _pip_config() -> dict[str, str]:
    """Return pip's global settings here, by name, as ``pip config list`` prints them."""
    printed = _output([sys.executable, "-m", "pip", "config", "list"])
    found = re.findall(r"(?m)^global\.([\w-]+)=(['\"].*['\"])$", printed)
    return {name: str(ast.literal_eval(value)) for name, value in found}


def _without_files(value: str) -> str:
    return " ".join(word for word in value.split() if not word.startswith("file:"))


def _output(argv: list[str]) -> str:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False
    )
    return done.stdout


def _succeeds(*argv: str) -> bool:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_TIMEOUT_S, check=False)
    return done.returncode == 0
