"""What a person is told when no rule can mend a failure: why, what was tried, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from llm_loop.contract.diagnosis import Cause, Severity
from llm_loop.contract.mend import Flag, Mend
from llm_loop.repairs.allowed import for_model, for_module, sources_of
from llm_loop.repairs.refusal import RepairRefused
from llm_loop.stages.repairing.facts import Case

_WHAT_TO_DO: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.MISSING_MODULE: "install the package into the training environment, or name it in"
        " auto_repair_module_package_map",
        Cause.MODULE_VERSION: "bring the packages of the training environment to versions that go together",
        Cause.UNKNOWN_MODEL: "name a replacement in auto_repair_model_fallback_map, or a package or source in"
        " auto_repair_model_package_map or auto_repair_model_clone_map",
        Cause.CUDA_OUT_OF_MEMORY: "take a smaller batch, image size or model, or free the device of other programs",
        Cause.HOST_OUT_OF_MEMORY: "take a smaller batch or fewer data workers, or free the machine's memory",
        Cause.NO_CUDA: "see with `llm-loop doctor` whether torch finds the device; else set the run to the CPU",
        Cause.DRIVER_MISMATCH: "bring the NVIDIA driver and torch to versions that go together; a restart may be due",
        Cause.DEVICE_FAULT: "look at the device with nvidia-smi; a restart of the machine may be due",
        Cause.DIVERGENCE: "lower the learning rate, or look for broken images and labels",
        Cause.DATA: "put the data where the config says, and replace what is broken",
        Cause.SHAPE_MISMATCH: "bring image size, channels and classes of data and model together",
        Cause.CONFIG_KEY_UNKNOWN: "correct the name of the key",
        Cause.CONFIG_INVALID: "correct the config file or the option",
        Cause.CHECKPOINT: "name a checkpoint that is whole and belongs to this model",
        Cause.DOWNLOAD: "fetch the weights once on a machine with a network, or set pretrained to false",
        Cause.FILE_LOCK: "end the program that holds the file",
        Cause.PERMISSION: "give the user of the loop the rights to the file",
        Cause.PORT_IN_USE: "end the program that holds the port, or let the run take another one",
        Cause.DISK_FULL: "free disk space; nothing is launched before",
        Cause.PROGRAM_MISSING: "correct the program or script that the command names, or install it",
        Cause.CODE_ERROR: "correct the code at the place that the failure names",
        Cause.KILLED: "see in the system's log what ended the run; often it is the memory",
        Cause.CRASHED: "see the end of the run's log; a library of the training environment may be broken",
        Cause.STALL: "see the end of the run's log for what it waits for; stall_seconds may be too short",
        Cause.NO_RESULT: "let the training write result.json or metrics.jsonl with the selection metric",
        Cause.INTERRUPT: "see why the machine or the loop's keeper keeps ending runs",
    }
)
_ANYTHING = "read the end of the run's log"
_HELPED_BY_A_MODEL = frozenset(
    {
        *(Cause.UNKNOWN_MODEL, Cause.CUDA_OUT_OF_MEMORY, Cause.HOST_OUT_OF_MEMORY, Cause.SHAPE_MISMATCH),
        *(Cause.CONFIG_KEY_UNKNOWN, Cause.CONFIG_INVALID, Cause.CHECKPOINT, Cause.PROGRAM_MISSING, Cause.CODE_ERROR),
        *(Cause.DATA, Cause.DOWNLOAD, Cause.NO_CUDA, Cause.MISSING_MODULE, Cause.MODULE_VERSION, Cause.DIVERGENCE),
        *(Cause.NO_RESULT, Cause.CRASHED, Cause.UNKNOWN),
    }
)
"""Causes that another command, config or edit may mend; the others lie outside of what an agent may change."""


def call_for_a_person(case: Case, mends: Sequence[Mend], why: str) -> Flag:
    """Return the flag of a failure that no rule mends (any more)."""
    diagnosis = case.diagnosis
    return Flag(
        cause=diagnosis.cause,
        phase=case.facts.phase,
        why=f"{case.facts.phase.value}: {why}",
        attempted=tuple(f"{mend.why}: {mend.outcome or 'the run failed again'}" for mend in mends),
        failure=diagnosis.evidence_line or diagnosis.cause.value,
        what_to_do=_refused(case) or _WHAT_TO_DO.get(diagnosis.cause, _ANYTHING),
        model_may_help=diagnosis.cause in _HELPED_BY_A_MODEL,
        is_global=diagnosis.severity is Severity.CRITICAL,
    )


def _refused(case: Case) -> str | None:
    """Return why no package is taken for a missing module or model, in the words of who refuses it."""
    sources = sources_of(case.config, case.facts.declared)
    module, model = case.diagnosis.named("module"), case.diagnosis.named("model")
    try:
        if module is not None:
            for_module(module, sources)
        elif model is not None and case.config.auto_repair_model_fallback_map.get(model.lower()) is None:
            for_model(model, sources)
    except RepairRefused as refused:
        more = f"; {_WHAT_TO_DO[Cause.UNKNOWN_MODEL]}" if model is not None else ""
        return f"{refused}{more}"
    if case.diagnosis.details.get("name_is_usable") is False:
        return (
            "the log names something that cannot be a name: nothing is installed for it; read the end of the run's log"
        )
    return None
