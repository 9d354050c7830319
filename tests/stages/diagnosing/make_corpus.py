"""Make the real part of the corpus anew: run what fails, keep what it says.

    TRAINING_PYTHON tests/stages/diagnosing/make_corpus.py [NAME ...]

Run it with the Python of a training environment (torch, torchvision, timm, segmentation-models-pytorch, scikit-learn,
Pillow, PyYAML), on Linux, from anywhere. Each case is a script of ``failing_scripts`` that runs in a folder of its own;
its standard error goes to ``corpus/real/NAME.txt`` and its exit code to ``corpus/real/exit_codes.json``. Paths of this
machine are replaced by neutral ones. No network is used.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from failing_scripts import COMMANDS, FILES, SCRIPTS

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
CORPUS = HERE / "corpus" / "real"
_DEADLINE_S = 120
_MOST_LINES = 120


def main(names: list[str]) -> int:
    """Make the named cases, or all; return the exit code."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    codes_file = CORPUS / "exit_codes.json"
    codes: dict[str, int] = json.loads(codes_file.read_text(encoding="utf-8")) if codes_file.is_file() else {}
    for name in names or [*SCRIPTS, *COMMANDS]:
        code, said = run(name)
        (CORPUS / f"{name}.txt").write_text(said, encoding="utf-8", newline="\n")
        codes[name] = code
        print(f"{name}: exit code {code}: {(said.strip().splitlines() or ['nothing'])[-1][:150]}", flush=True)
    codes_file.write_text(json.dumps(dict(sorted(codes.items())), indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0


def run(name: str) -> tuple[int, str]:
    """Run one case; return its exit code and what it said, with neutral paths."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "project"
        folder.mkdir()
        for path, text in FILES.get(name, {}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        if name in SCRIPTS:
            (folder / "train.py").write_text(SCRIPTS[name].lstrip("\n"), encoding="utf-8")
            argv = [sys.executable, str(folder / "train.py")]
        else:
            argv = [word.replace("PYTHON", sys.executable) for word in COMMANDS[name]]
        ended = subprocess.run(
            argv,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DEADLINE_S,
            check=False,
        )
        said = ended.stderr.decode("utf-8", "replace")
        return ended.returncode, neutral(said, folder)


def environment() -> dict[str, str]:
    """Return an environment without a network, with the package of this checkout importable."""
    wanted = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", "PYTHONPATH": str(REPOSITORY)}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | wanted | {"TORCH_CPP_LOG_LEVEL": "ERROR"}


def neutral(text: str, folder: Path) -> str:
    """Return ``text`` with the paths of this machine replaced, and not more than its last 120 lines."""
    places = {
        str(folder): "/home/user/project",
        str(REPOSITORY): "/home/user/llm_loop",
        sysconfig.get_paths()["purelib"]: "/home/user/.venv-train/lib/python3.11/site-packages",
        str(Path(sys.executable).parent): "/home/user/.venv-train/bin",
        sysconfig.get_paths()["stdlib"]: "/usr/lib/python3.11",
        str(Path.home()): "/home/user",
    }
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    text = re.sub(r"/tmp/\w+", "/tmp/x", text)
    text = re.sub(r"0x[0-9a-f]{8,16}", "0x7f0000000000", text)
    lines = text.splitlines()[-_MOST_LINES:]
    return "\n".join(line[:1500] for line in lines) + ("\n" if lines else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
