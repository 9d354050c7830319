"""The table: driver and cards to an index, and which build fits which machine."""

from __future__ import annotations

import pytest

from environments.nvidia import Nvidia
from environments.torch_index import cuda_of_tag, fits, index_tag


def nvidia(cuda: tuple[int, int], capability: tuple[int, int] | None = (8, 6)) -> Nvidia:
    return Nvidia(cuda=cuda, driver="1", cards=("card",), capability=capability)


@pytest.mark.parametrize(
    ("machine", "tag"),
    [
        (None, "cpu"),
        (nvidia((13, 0)), "cu130"),
        (nvidia((13, 4)), "cu130"),
        (nvidia((12, 9)), "cu126"),
        (nvidia((12, 0)), "cu126"),
        (nvidia((11, 8)), "cpu"),
        (nvidia((13, 0), (12, 0)), "cu130"),  # Blackwell
        (nvidia((13, 0), (6, 1)), "cu126"),  # Pascal: CUDA 13 left it behind
        (nvidia((12, 8), (12, 0)), "cpu"),  # Blackwell needs the CUDA 13 build, and that a newer driver
        (nvidia((13, 0), (3, 7)), "cpu"),  # too old a card for every build
        (nvidia((12, 4), None), "cu126"),
        (nvidia((13, 0), None), "cu130"),
    ],
)
def test_each_machine_has_one_index(machine, tag):
    assert index_tag(machine) == tag


@pytest.mark.parametrize(
    ("build", "machine", "right"),
    [
        ("cpu", None, True),
        ("cu130", None, False),
        ("cpu", nvidia((13, 0)), False),
        ("cu130", nvidia((13, 0)), True),
        ("cu132", nvidia((13, 0)), True),
        ("cu130", nvidia((12, 4)), False),
        ("cu128", nvidia((12, 4)), True),
        ("cu126", nvidia((13, 0)), False),
        ("cu130", nvidia((13, 0), (6, 1)), False),
        ("cpu", nvidia((11, 4)), True),
        ("cu130", nvidia((11, 4)), False),
        ("rocm6.4", None, True),
    ],
)
def test_fits(build, machine, right):
    assert fits(build, machine) is right


def test_tags_are_read():
    assert cuda_of_tag("cu126") == (12, 6)
    assert cuda_of_tag("cu130") == (13, 0)
    assert cuda_of_tag("cpu") is None
