"""Packages made on the spot: wheels written by hand, and a source folder with a build backend of its own."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

BACKEND = '''
"""A build backend in one file: it packs NAME.py, needs nothing, and can build editable."""
import base64, hashlib, os, zipfile

NAME, VERSION, REQUIRES = {name!r}, {version!r}, {requires!r}


def _wheel(folder, files):
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    about = f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n"
    about += "".join(f"Requires-Dist: {{one}}\\n" for one in REQUIRES)
    files[f"{{info}}/METADATA"] = about
    files[f"{{info}}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{{path}},sha256={{digest}},{{len(text.encode())}}\\n"
    files[f"{{info}}/RECORD"] = record + f"{{info}}/RECORD,,\\n"
    name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(f"{{NAME}}.py", encoding="utf-8") as stream:
        return _wheel(wheel_directory, {{f"{{NAME}}.py": stream.read()}})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {{f"_{{NAME}}.pth": os.getcwd() + "\\n"}})
'''


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
) -> Path:
    """Write a wheel of pure Python; ``files`` None: one module of the package's name. Return its path."""
    base = name.replace("-", "_")
    info = f"{base}-{version}.dist-info"
    content = dict(files if files is not None else {f"{base}.py": f"__version__ = {version!r}\n"})
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content[f"{info}/METADATA"] = about + "".join(f"Requires-Dist: {one}\n" for one in requires)
    content[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    content[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{base}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for path, text in content.items():
            packed.writestr(path, text)
    return wheel


def make_source(folder: Path, name: str, version: str = "1.0", requires: Sequence[str] = ()) -> Path:
    """Write a folder that pip can install without a network; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    backend = BACKEND.format(name=name, version=version, requires=list(requires))
    (folder / "backend.py").write_text(backend, encoding="utf-8")
    (folder / f"{name}.py").write_text(f"__version__ = {version!r}\n", encoding="utf-8")
    return folder
