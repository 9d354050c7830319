"""Repair: from a diagnosis to the next mend, or to a call for a person. Pure.

One rule repairs one cause (of one module or model) once in a run, all rules together at most
``max_validation_retries`` or ``max_execution_retries`` times a phase, and no two mends do the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from llm_loop.config import Config
from llm_loop.contract.diagnosis import Cause, Diagnosis
from llm_loop.contract.mend import Flag, Mend, MendKind, Phase
from llm_loop.stages.repairing.calls import call_for_a_person
from llm_loop.stages.repairing.facts import Case, Rule, RunFacts
from llm_loop.stages.repairing.packages import model_clone, model_packages, module_clone, module_packages
from llm_loop.stages.repairing.settings import halve_batch, lower_learning_rate, model_fallback

__all__ = ["LEAST_CONFIDENCE", "RunFacts", "next_mend"]

LEAST_CONFIDENCE = 0.6
RULES: Mapping[Cause, tuple[Rule, ...]] = MappingProxyType(
    {
        Cause.MISSING_MODULE: (module_packages, module_clone),
        Cause.UNKNOWN_MODEL: (model_fallback, model_packages, model_clone),
        Cause.CUDA_OUT_OF_MEMORY: (halve_batch,),
        Cause.HOST_OUT_OF_MEMORY: (halve_batch,),
        Cause.DIVERGENCE: (lower_learning_rate,),
    }
)
"""What may mend a cause, in this order."""
OVER = frozenset({Cause.STOPPED, Cause.STOP_PATTERN, Cause.DEADLINE, Cause.DIVERGENCE})
"""Causes for which nobody is called: somebody wanted the end, or the idea itself failed."""
_WITHOUT_A_RETRY = frozenset({MendKind.INSTALL_PACKAGES, MendKind.CLONE_SOURCE})
"""Mends that are worth something although the run is not tried again: they last."""


def next_mend(diagnosis: Diagnosis, facts: RunFacts, config: Config, mends: Sequence[Mend] = ()) -> Mend | Flag | None:
    """Return what to do about a failed attempt: a mend, a call for a person, or None: the run is simply over.

    ``mends`` are those of the run so far, oldest first, also those that could not be done.
    """
    case = Case(diagnosis=diagnosis, facts=facts, config=config)
    if not config.auto_repair_enabled or diagnosis.cause in OVER - RULES.keys():
        return None
    most = config.max_validation_retries if facts.phase is Phase.VALIDATION else config.max_execution_retries
    if sum(1 for mend in mends if mend.phase is facts.phase) >= most:
        return None if diagnosis.cause in OVER else call_for_a_person(case, mends, "retries exceeded")
    mend = _of_rules(case, mends)
    if mend is not None or diagnosis.cause in OVER:
        return mend
    return call_for_a_person(case, mends, "no rule mends this" if not mends else "no rule is left that mends this")


def _of_rules(case: Case, mends: Sequence[Mend]) -> Mend | None:
    if case.diagnosis.confidence < LEAST_CONFIDENCE:
        return None
    for rule in RULES.get(case.diagnosis.cause, ()):
        mend = rule(case)
        if mend is None or any(mend.repairs_the_same(other) or mend.does_the_same(other) for other in mends):
            continue
        if case.config.auto_repair_retry_on_success or mend.kind in _WITHOUT_A_RETRY:
            return mend
    return None
