"""The arithmetic is what the device does well, and what it does badly is refused with the reason."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer import precision  # noqa: E402
from llm_loop.trainer.choices import Precision  # noqa: E402
from llm_loop.trainer.device import repeatable  # noqa: E402
from llm_loop.trainer.precision import choose_arithmetic, has_native_bf16  # noqa: E402

CPU = torch.device("cpu")


def test_a_cpu_computes_in_32_bits_unless_asked() -> None:
    for wanted in (Precision.AUTO, Precision.FP32):
        arithmetic = choose_arithmetic(wanted, CPU)
        assert (arithmetic.dtype, arithmetic.precision, arithmetic.scaler()) == (None, Precision.FP32, None)
        with arithmetic.autocast():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32


def test_bf16_is_refused_where_the_cpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_native_bf16", lambda _: False)
    with pytest.raises(ConfigError, match=r"training\.precision bf16: this CPU has no native bf16.*auto or fp32"):
        choose_arithmetic(Precision.BF16, CPU)
    monkeypatch.setattr(precision, "has_native_bf16", lambda _: True)
    arithmetic = choose_arithmetic(Precision.BF16, CPU)
    with arithmetic.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16


def test_native_bf16_is_asked_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision.platform, "machine", lambda: "x86_64")
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_native_bf16(CPU)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert has_native_bf16(CPU)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not has_native_bf16(CPU), "a torch that does not know is one without"


def test_fp16_is_for_gpus() -> None:
    with pytest.raises(ConfigError, match=r"training\.precision fp16: CPUs are slower by it"):
        choose_arithmetic(Precision.FP16, CPU)


def test_what_does_not_repeat_is_refused_by_name_and_the_setting_is_put_back() -> None:
    with repeatable(CPU, strictly=True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    with (
        pytest.raises(ConfigError, match=r"training\.deterministic: \S+ gives other results"),
        repeatable(CPU, strictly=True),
    ):
        raise RuntimeError("put_ does not have a deterministic implementation, but you set ...")
    with pytest.raises(RuntimeError, match="sizes"), repeatable(CPU, strictly=True):
        raise RuntimeError("sizes differ")
    assert not torch.are_deterministic_algorithms_enabled()
