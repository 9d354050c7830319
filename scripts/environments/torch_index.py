"""Which PyTorch package index fits a machine. One table: the driver's CUDA version and the cards to an index."""

from __future__ import annotations

import re

from environments.nvidia import Nvidia

PYTORCH_INDEX = "https://download.pytorch.org/whl/"

# torch 2.13 is built for CPU, CUDA 12.6 and CUDA 13.0 (and 13.2, as an experiment). A build runs on every driver of
# its CUDA major version or a newer one, on the cards from the lowest to the highest compute capability given here
# (PyTorch's RELEASE.md, "PyTorch CUDA Support Matrix"). First row that fits wins.
_TABLE: tuple[tuple[tuple[int, int], tuple[int, int], tuple[int, int], str], ...] = (
    # driver's CUDA from, cards from, cards to, index
    ((13, 0), (7, 5), (99, 0), "cu130"),
    ((12, 0), (5, 0), (9, 9), "cu126"),
)


def index_tag(nvidia: Nvidia | None) -> str:
    """Return the tag of PyTorch's index for this machine: `cu130`, `cu126`, or `cpu` where no CUDA build runs."""
    if nvidia is None:
        return "cpu"
    for driver_from, cards_from, cards_to, tag in _TABLE:
        cards = nvidia.capability or cards_from
        if nvidia.cuda >= driver_from and cards_from <= cards <= cards_to:
            return tag
    return "cpu"


def cuda_of_tag(tag: str) -> tuple[int, int] | None:
    """Return the CUDA version behind a tag (`cu126` is 12.6), None for a tag without CUDA."""
    found = re.fullmatch(r"cu(\d+)(\d)", tag)
    return (int(found[1]), int(found[2])) if found else None


def fits(build: str, nvidia: Nvidia | None) -> bool:
    """Tell whether a torch build (`cpu`, `cu126`, or another tag) is the right kind for this machine."""
    if build.startswith(("rocm", "xpu")):
        return True  # only somebody's own pip settings lead there
    wanted = index_tag(nvidia)
    cuda = cuda_of_tag(build)
    if wanted == "cpu" or cuda is None:
        return build == wanted
    assert nvidia is not None
    # every build of the wanted CUDA major version has the cards of the wanted row
    return cuda[0] == (cuda_of_tag(wanted) or (0, 0))[0] and nvidia.cuda[0] >= cuda[0]
