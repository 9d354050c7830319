"""Rules that change settings of a run: another model, half the batch, a lower learning rate."""

from __future__ import annotations

import re

from llm_loop.contract.mend import Mend, MendKind, Scalar
from llm_loop.stages.repairing.facts import Case
from llm_loop.stages.repairing.values import Changed, Value, changed, leaf, positive, values_of, whole

LEARNING_RATE_FACTOR = 0.1
_MODEL_KEY = re.compile(r"(?:^|[._-])(?:a|model|arch|architecture|encoder|backbone|net|network)(?:[._-]|$|name)")
_NO_MODEL_KEY = re.compile(r"(?:path|dir|file|ckpt|checkpoint|weights|output|label)")
_BATCH = frozenset(
    "batch_size train_batch_size val_batch_size valid_batch_size eval_batch_size test_batch_size batchsize batch bs b"
    " per_device_train_batch_size per_device_eval_batch_size per_gpu_train_batch_size samples_per_gpu"
    " ims_per_batch".split()
)
_ACCUMULATION = frozenset(
    "accumulation_steps gradient_accumulation_steps grad_accumulation_steps accumulate_grad_batches grad_accum_steps"
    " accum_steps accum_iter grad_accum gradient_accumulation accumulate_steps".split()
)
_LEARNING_RATE = frozenset(
    "learning_rate lr base_lr max_lr init_lr initial_lr peak_lr lr0 encoder_lr decoder_lr backbone_lr head_lr".split()
)


def model_fallback(case: Case) -> Mend | None:
    """Take the model that the user names instead of one that the trainer does not know."""
    name = case.diagnosis.named("model")
    replacement = None if name is None else case.config.auto_repair_model_fallback_map.get(name.lower())
    if name is None or not replacement or replacement == name:
        return None
    old = [one for one in values_of(case.facts, _names_a_model) if str(one.value).lower() == name.lower()]
    change = changed(case.facts, {one.key: (one, replacement) for one in old}) if old else None
    if change is None:
        return None
    return _mend(case, MendKind.MODEL_FALLBACK, change, f"take the model {replacement} instead of {name}", subject=name)


def halve_batch(case: Case) -> Mend | None:
    """Halve the batch; gradients are accumulated over twice the steps where the trainer has a key for it."""
    facts = case.facts
    sizes = [(one, size) for one in values_of(facts, _is_batch) if (size := whole(one.value)) is not None]
    least = 2 * _least_batch(case)
    new: dict[str, tuple[Value | None, Scalar]] = {one.key: (one, size // 2) for one, size in sizes if size >= least}
    if not new:
        return None
    said = ", ".join(f"{one.key} {size} to {size // 2}" for one, size in sizes if size >= least)
    halved = changed(facts, new)
    whole_batch = changed(facts, new | accumulation) if (accumulation := _twice_accumulated(case)) else None
    if whole_batch is not None:
        return _mend(
            case, MendKind.HALVE_BATCH, whole_batch, f"halve {said}; {_said(accumulation)} keeps the whole batch"
        )
    return None if halved is None else _mend(case, MendKind.HALVE_BATCH, halved, f"halve {said}")


def lower_learning_rate(case: Case) -> Mend | None:
    """Take a tenth of the learning rate."""
    rates = [(one, rate) for one in values_of(case.facts, _is_rate) if (rate := positive(one.value)) is not None]
    new: dict[str, tuple[Value | None, Scalar]] = {
        one.key: (one, float(f"{rate * LEARNING_RATE_FACTOR:.6g}")) for one, rate in rates
    }
    change = changed(case.facts, new) if new else None
    return None if change is None else _mend(case, MendKind.LOWER_LEARNING_RATE, change, f"lower {_said(new)}")


def _mend(case: Case, kind: MendKind, change: Changed, why: str, subject: str | None = None) -> Mend:
    return Mend(
        kind=kind,
        rule=kind.value,
        cause=case.diagnosis.cause,
        phase=case.facts.phase,
        subject=subject,
        changes=change.changes,
        config_path=change.config_path,
        command=change.command,
        why=why,
    )


def _twice_accumulated(case: Case) -> dict[str, tuple[Value | None, Scalar]]:
    """Return the change that accumulates over twice the steps; {} where the trainer has no key for it."""
    for one in values_of(case.facts, _is_accumulation):
        steps = whole(one.value)
        if steps:
            return {one.key: (one, steps * 2)}
    known = sorted(key for key in case.facts.known_keys if _is_accumulation(key))
    return {known[0]: (None, 2)} if known else {}


def _least_batch(case: Case) -> int:
    """Return the smallest batch: batch normalisation needs two images."""
    norms = (
        str(value).lower() for key, value in (case.facts.params or {}).items() if leaf(key) in ("norm", "norm_layer")
    )
    return 2 if any("batch" in norm or norm == "bn" for norm in norms) else 1


def _said(new: dict[str, tuple[Value | None, Scalar]]) -> str:
    return ", ".join(
        f"{key} {value}" if old is None else f"{key} {old.value} to {value}" for key, (old, value) in new.items()
    )


def _names_a_model(key: str) -> bool:
    return _MODEL_KEY.search(key.lower()) is not None and _NO_MODEL_KEY.search(leaf(key)) is None


def _is_batch(key: str) -> bool:
    return leaf(key) in _BATCH


def _is_accumulation(key: str) -> bool:
    return leaf(key) in _ACCUMULATION


def _is_rate(key: str) -> bool:
    return leaf(key) in _LEARNING_RATE
