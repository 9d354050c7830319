"""Which devices the slots have: of the machine, of the configuration, of the user's own environment."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from llm_loop.runs.devices import Card, choose
from tests.runs.cards import card

TWO = (card(0), card(1))
MIXED = (card(0, name="NVIDIA T4"), card(1))


def names(wanted: str | Sequence[str], cards: Sequence[Card] | None = TWO, **environment: str) -> list[str]:
    return [device.name for device in choose(wanted, environment, cards).devices]


def test_auto_is_all_that_nvidia_smi_names_by_uuid() -> None:
    assert names("auto") == [TWO[0].uuid, TWO[1].uuid]
    assert names("auto", None) == names("auto", ()) == []


@pytest.mark.parametrize("wanted", ["none", (), []])
def test_none_names_no_device(wanted: str | Sequence[str]) -> None:
    assert names(wanted) == [] and choose(wanted, {}, TWO).notices == ()


def test_a_list_names_devices_by_index_uuid_or_its_beginning() -> None:
    assert names(("1",)) == [TWO[1].uuid]
    assert names((TWO[1].uuid, "0")) == [TWO[1].uuid, TWO[0].uuid]
    assert names(("gpu-00000001",)) == [TWO[1].uuid]
    assert names(("1", TWO[1].uuid, "1")) == [TWO[1].uuid], "one device once"


def test_what_is_not_there_is_left_out_and_said() -> None:
    choice = choose(("0", "7", "GPU-0"), {}, TWO)
    assert [device.name for device in choice.devices] == [TWO[0].uuid]
    assert len(choice.notices) == 2 and "lists no 7" in choice.notices[0] and "GPU-0" in choice.notices[1]


def test_a_part_of_a_card_and_a_list_without_nvidia_smi_are_taken_as_named() -> None:
    choice = choose(("MIG-1234",), {}, TWO)
    assert [(device.name, device.card) for device in choice.devices] == [("MIG-1234", None)]
    assert names(("0", "1"), None) == ["0", "1"]


def test_the_users_own_variable_limits_the_choice() -> None:
    assert names("auto", CUDA_VISIBLE_DEVICES="1") == ["1"]
    assert names(("0", "1"), CUDA_VISIBLE_DEVICES="1") == ["1"]
    assert names(("1",), CUDA_VISIBLE_DEVICES=TWO[1].uuid) == [TWO[1].uuid]
    left = choose(("0",), {"CUDA_VISIBLE_DEVICES": "1"}, TWO)
    assert left.devices == () and "CUDA_VISIBLE_DEVICES" in left.notices[0]


@pytest.mark.parametrize("text", ["", " ", "-1", "-1,0", "NoDevFiles"])
def test_a_variable_that_hides_everything_leaves_nothing(text: str) -> None:
    assert names("auto", CUDA_VISIBLE_DEVICES=text) == []


def test_what_follows_a_name_of_nothing_is_not_there_as_for_cuda() -> None:
    assert names("auto", CUDA_VISIBLE_DEVICES="1,5,0") == ["1"]
    assert names("auto", CUDA_VISIBLE_DEVICES="1, 0,1") == ["1", "0"]


def test_an_index_of_the_user_is_only_matched_with_a_card_where_the_order_is_sure() -> None:
    """CUDA counts from the fastest card by itself, nvidia-smi from the first on the bus."""
    unsure = choose("auto", {"CUDA_VISIBLE_DEVICES": "0"}, MIXED).devices
    assert [(device.name, device.card) for device in unsure] == [("0", None)]
    by_bus = {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert choose("auto", by_bus, MIXED).devices[0].card == MIXED[0]
    assert choose("auto", {"CUDA_VISIBLE_DEVICES": "0"}, TWO).devices[0].card == TWO[0]


def test_a_device_is_known_by_any_of_its_names() -> None:
    (found, _) = choose("auto", {}, TWO).devices
    assert found.is_named(TWO[0].uuid) and found.is_named("0")
    assert not found.is_named("1") and not found.is_named(None)
    (bare,) = choose(("5",), {}, None).devices
    assert bare.is_named("5") and not bare.is_named(None)


def test_a_card_goes_through_its_json_form() -> None:
    made = card(3, memory_used_bytes=None, utilization=0.25)
    assert Card.from_json(made.to_json()) == made and made.memory_free_bytes is None
