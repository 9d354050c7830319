"""The families of networks, by the form of ``model.name``. It needs no torch: settings are checked with it."""

from __future__ import annotations

from enum import StrEnum

from llm_loop.trainer.choices import Task

ALLOWED_MODELS = (
    "allowed: small_cnn, simple_unet, simple_unet_dual_head, "
    "timm:<name> with a name from timm.list_models(), such as timm:resnet18, "
    "or smp:<name> with an architecture of segmentation_models_pytorch, such as smp:Unet"
)


class Family(StrEnum):
    """Who makes a network; each value is the name, or what the name begins with."""

    SMALL_CNN = "small_cnn"
    SIMPLE_UNET = "simple_unet"
    SIMPLE_UNET_DUAL_HEAD = "simple_unet_dual_head"
    TIMM = "timm:"
    SMP = "smp:"

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks that networks of this family can learn."""
        return _TASKS[self]


_TASKS = {
    Family.SMALL_CNN: (Task.CLASSIFICATION,),
    Family.TIMM: (Task.CLASSIFICATION,),
    Family.SIMPLE_UNET: (Task.SEGMENTATION,),
    Family.SIMPLE_UNET_DUAL_HEAD: (Task.DUAL_HEAD,),
    Family.SMP: (Task.SEGMENTATION, Task.DUAL_HEAD),
}
_FITTING = {
    Task.CLASSIFICATION: "small_cnn or timm:<name>",
    Task.SEGMENTATION: "simple_unet or smp:<name>",
    Task.DUAL_HEAD: "simple_unet_dual_head or smp:<name>",
}


def family_of(name: str) -> Family | None:
    """Return the family of a ``model.name``, or None for a name of no family."""
    for family in (Family.TIMM, Family.SMP):
        if name.startswith(family) and len(name) > len(family):
            return family
    return next((family for family in Family if name == family and not family.endswith(":")), None)


def objection_to_task(name: str, task: Task) -> str | None:
    """Say why the network ``name`` cannot learn ``task``, in one line; None where it can or nobody knows the name."""
    family = family_of(name)
    if family is None or task in family.tasks:
        return None
    return f"model.name {name} is not for task {task}: take {_FITTING[task]}"
