"""An nvidia-smi: FAKE_NVIDIA_CUDA (text after "Version: "), FAKE_NVIDIA_CARDS (csv lines), FAKE_NVIDIA_EXIT."""

import os
import sys

HEADER = """Sat Nov 21 10:00:00 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 999.99                 Driver Version: 999.99         {cuda}     |
|-----------------------------------------+------------------------+----------------------+
"""


def main() -> int:
    code = int(os.environ.get("FAKE_NVIDIA_EXIT", "0"))
    if code:
        print("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
        return code
    cards = os.environ.get("FAKE_NVIDIA_CARDS", "NVIDIA RTX, 999.99, 8.6")
    query = next((word for word in sys.argv if word.startswith("--query-gpu=")), None)
    if query is None:
        print(HEADER.format(cuda=os.environ.get("FAKE_NVIDIA_CUDA", "CUDA Version: 13.0")))
        return 0
    fields = query.partition("=")[2].split(",")
    if "compute_cap" in fields and os.environ.get("FAKE_NVIDIA_OLD"):
        print('Field "compute_cap" is not a valid field to query.')
        return 2
    for line in cards.splitlines():
        print(", ".join(line.split(", ")[: len(fields)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
