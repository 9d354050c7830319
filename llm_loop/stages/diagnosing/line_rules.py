"""How programs word their failures without a traceback: the reference trainer, shells, argument parsers, the system."""

from __future__ import annotations

from llm_loop.contract.diagnosis import Cause
from llm_loop.stages.diagnosing.rules import rule

_C = Cause

_TRAINER = (
    rule(_C.UNKNOWN_MODEL, 0.97, "", r"^(?:error: |Error: )?Unsupported model\.name: ?(?P<model>.*)$"),
    rule(_C.HOST_OUT_OF_MEMORY, 0.97, "", r"^out of memory on the CPU: training\.batch_size"),
    rule(_C.CONFIG_KEY_UNKNOWN, 0.97, "", r": unknown key (?P<key>[^;\s]{1,200}); the nearest known key is"),
    rule(_C.CONFIG_INVALID, 0.96, "", r": not valid YAML"),
    rule(
        _C.CONFIG_INVALID,
        0.85,
        "",
        r"^\S.{0,300}\.ya?ml: (?:[\w.]{1,120}: |a mapping of keys|cannot be read|data\.|model\.|training\.)",
    ),
    rule(
        _C.CONFIG_INVALID,
        0.9,
        "",
        r"^--set .{1,200}: (?:key=value is wanted|the value is not valid|\S{1,80} is no section)",
    ),
    rule(_C.DIVERGENCE, 0.97, "", r"^(?:.{0,80} )?is not finite \(NaN or infinite\) in epoch"),
    rule(_C.CUDA_OUT_OF_MEMORY, 0.97, "", r"^out of memory on cuda\S{0,8} with training\.batch_size"),
    rule(_C.NO_CUDA, 0.95, "", r"^training\.device \S{1,20}: torch \S{1,40} finds \d{1,4} CUDA devices"),
    rule(
        _C.DATA,
        0.95,
        "",
        r": no images; root/class/|: none of its \d{1,12} images can be read|: cannot be read as a folder: ",
    ),
    rule(_C.DATA, 0.94, "", r": at least two classes with readable images|: no class has two readable images"),
    rule(_C.MISSING_MODULE, 0.95, "", r"^the Python package (?P<module>\S{1,300}) is missing: run this with"),
    rule(_C.DOWNLOAD, 0.96, "", r"its pretrained weights cannot be had here"),
    rule(_C.SHAPE_MISMATCH, 0.93, "", r"^model\.name \S{1,120} does not take \d{1,9} x \d{1,9} pixels"),
)

_PROGRAMS = (
    rule(
        _C.MISSING_MODULE,
        0.94,
        "",
        r"^\S{0,300}(?:python|pypy)[\d.]{0,6}(?:\.exe)?: No module named (?P<module>[^\s;]{1,300})$",
    ),
    rule(_C.MISSING_MODULE, 0.9, "", r"^(?:\w{0,40}: )?ModuleNotFoundError: No module named '(?P<module>.*?)'$"),
    rule(
        _C.PROGRAM_MISSING,
        0.93,
        "",
        r"No module named \S{1,200}\.__main__; '.{1,200}' is a package and cannot be directly",
    ),
    rule(_C.PROGRAM_MISSING, 0.96, "", r"can't open file '.{1,500}': \[Errno 2\]"),
    rule(_C.PROGRAM_MISSING, 0.94, "", r"^\S{1,300}: (?:line \d{1,6}: |\d{1,6}: )?\S{1,300}: (?:command )?not found$"),
    rule(
        _C.PROGRAM_MISSING,
        0.94,
        "",
        r"is not recognized as (?:a name of a cmdlet|the name of a cmdlet|an internal or external)",
    ),
    rule(_C.PROGRAM_MISSING, 0.9, "", r"^\S{1,300}: line \d{1,6}: \S{1,300}: No such file or directory$"),
    rule(_C.PROGRAM_MISSING, 0.9, "", r"^program '.{1,300}' not found on the run's PATH"),
    rule(_C.CONFIG_KEY_UNKNOWN, 0.95, "", r"^[^:\n]{1,200}: error: unrecognized arguments: (?P<key>.{1,200})$"),
    rule(_C.CONFIG_KEY_UNKNOWN, 0.93, "", r"^Error: No such option:? (?P<key>\S{1,100})"),
    rule(
        _C.CONFIG_INVALID,
        0.93,
        "",
        r"^[^:\n]{1,200}: error: (?:argument \S{1,120}: |the following arguments are required|ambiguous)",
    ),
    rule(_C.PERMISSION, 0.85, "", r"^\S{1,300}: (?:line \d{1,6}: )?\S{1,300}: Permission denied$"),
)

_SYSTEM = (
    rule(
        _C.HOST_OUT_OF_MEMORY,
        0.95,
        "",
        r"Out of memory: Killed process \d{1,10}|oom-kill:|Detected \d{1,6} oom[_-]kill",
    ),
    rule(_C.HOST_OUT_OF_MEMORY, 0.85, "", r"terminate called after throwing an instance of 'std::bad_alloc'"),
    rule(_C.HOST_OUT_OF_MEMORY, 0.85, "", r"^MemoryError$|: cannot allocate memory$|Cannot allocate memory$"),
    rule(_C.KILLED, 0.7, "", r"^(?:\S{1,300}: line \d{1,6}: +\d{1,10} )?Killed\b"),
    rule(_C.CRASHED, 0.8, "", r"^Fatal Python error: (?!.{0,40}KeyboardInterrupt)|^Windows fatal exception: "),
    rule(
        _C.CRASHED,
        0.75,
        "",
        r"^(?:\S{1,300}: line \d{1,6}: +\d{1,10} )?(?:Segmentation fault|Aborted|Bus error|Illegal instruction)\b",
    ),
    rule(_C.DRIVER_MISMATCH, 0.95, "", r"Failed to initialize NVML: Driver/library version mismatch"),
    rule(
        _C.DEVICE_FAULT, 0.9, "", r"NVRM: Xid|GPU has fallen off the bus|Unable to determine the device handle for GPU"
    ),
    rule(_C.DISK_FULL, 0.9, "", r"No space left on device|There is not enough space on the disk|Disk quota exceeded"),
    rule(
        _C.FILE_LOCK,
        0.9,
        "",
        r"The process cannot access the file because (?:it is being used by another|another) process",
    ),
    rule(_C.PORT_IN_USE, 0.9, "", r"(?i)address already in use|EADDRINUSE"),
    rule(_C.CUDA_OUT_OF_MEMORY, 0.9, "", r"CUDA out of memory\. Tried to allocate"),
)

LINE_RULES = (*_TRAINER, *_PROGRAMS, *_SYSTEM)
