"""Pip's own words, as they were printed by pip 23.2.1, become one line that names the mend."""

from __future__ import annotations

import pytest

from environments.pip_errors import explain

RETRY = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f12b22bd750>: Failed to "
    "establish a new connection: [Errno -2] Name or service not known')': /simple/rich/\n"
)
NOTHING = (
    "ERROR: Could not find a version that satisfies the requirement rich (from versions: none)\n"
    "ERROR: No matching distribution found for rich\n"
)
CASES = {
    "disk full": (
        "Installing collected packages: numpy\n"
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
        ["disk is full", "Free some space"],
    ),
    "read-only": (
        "ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: "
        "'/x y/.venv/lib/python3.11/site-packages/pygments'\n",
        ["/x y/.venv/lib/python3.11/site-packages/pygments cannot be written", "write to"],
    ),
    "no network": (RETRY + NOTHING, ["rich cannot be fetched", "does not answer", "network"]),
    "unknown package": (NOTHING, ["rich cannot be had", "does not hold it"]),
    "version not there": (
        "ERROR: Could not find a version that satisfies the requirement torch==99.1.0 (from versions: 2.14.1, 2.15.0)\n"
        "ERROR: No matching distribution found for torch==99.1.0\n",
        ["torch==99.1.0 cannot be had for this Python", "3.11"],
    ),
    "python too old": (
        "ERROR: Package 'rq' requires a different Python: 3.11.7 not in '>=3.12'\n",
        ["rq does not support this Python"],
    ),
    "conflict": (
        "ERROR: Cannot install click>=8.5 because these package versions have conflicting dependencies.\n"
        "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/\n",
        ["click>=8.5", "constraints/"],
    ),
    "damaged": (
        "ERROR: Wheel 'bad' located at /tmp/bad-1.0-py3-none-any.whl is invalid.\n",
        ["damaged", "pip cache purge"],
    ),
    "certificate": (
        "Could not fetch URL https://pypi.org/simple/rich/: There was a problem confirming the ssl certificate: "
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))\n"
        + NOTHING,
        ["certificate", "global.cert"],
    ),
    "in use on Windows": (
        "ERROR: Could not install packages due to an OSError: [WinError 32] The process cannot access the file because "
        "it is being used by another process: 'C:\\\\x\\\\_C.pyd'\n",
        ["_C.pyd is in use", "Stop the loop"],
    ),
    "no build": (
        "  error: subprocess-exited-with-error\nERROR: Failed building wheel for numpy\n",
        ["numpy has no ready-made build"],
    ),
    "something else": ("blah\nERROR: The sky fell down.\nmore\n", ["pip failed: The sky fell down.", "LOG"]),
}


@pytest.mark.parametrize("name", CASES)
def test_one_line_with_the_mend(name):
    output, parts = CASES[name]
    line = str(explain(output, 1, "LOG"))
    assert "\n" not in line
    for part in parts:
        assert part in line


def test_killed_for_memory():
    assert "memory" in str(explain("Installing collected packages: torch\n", -9, "LOG"))


def test_silence_is_told_by_its_exit_code():
    assert "exit code 3" in str(explain("", 3, "LOG"))
