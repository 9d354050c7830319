"""How Python, torch, timm, segmentation_models_pytorch, PIL and others word their exceptions.

Most wordings come from a real failure: ``tests/stages/diagnosing/corpus`` holds them. The surest rule wins, so a
wording that is also part of another one has a lower confidence.
"""

from __future__ import annotations

from llm_loop.contract.diagnosis import Cause
from llm_loop.stages.diagnosing.rules import rule

_C = Cause
_NOT_A_CHECKPOINT = r"(?!.{0,400}\.(?:pt|pth|ckpt|safetensors|bin|onnx)['\"]?$)"
_NETWORK = (
    "ConnectionError ConnectTimeout ReadTimeout ConnectError MaxRetryError NewConnectionError URLError gaierror"
    " SSLError ProxyError HTTPError HfHubHTTPError LocalEntryNotFoundError OfflineModeIsEnabled NameResolutionError"
    " RemoteProtocolError"
)

_MODULES = (
    rule(_C.MISSING_MODULE, 0.97, "ModuleNotFoundError", r"^No module named '(?P<module>.*?)'$"),
    rule(_C.MISSING_MODULE, 0.96, "ModuleNotFoundError ImportError", r"^No module named (?P<module>.*)"),
    rule(_C.MISSING_MODULE, 0.9, "ImportError", r"Missing optional dependency '(?P<module>[^'\n]{1,200})'"),
    rule(_C.MODULE_VERSION, 0.98, "ModuleNotFoundError", r"^No module named '.{1,200}'; '.{1,200}' is not a package"),
    rule(
        _C.MODULE_VERSION,
        0.9,
        "ImportError",
        r"^cannot import name .{1,200} from '[^']{1,200}' \(.{0,400}site-packages",
    ),
    rule(_C.MODULE_VERSION, 0.9, "ImportError", r"DLL load failed while importing|cannot open shared object file"),
    rule(_C.MODULE_VERSION, 0.9, "ImportError OSError", r"undefined symbol:|version `\w{1,20}_[\d.]{1,20}' not found"),
    rule(_C.MODULE_VERSION, 0.9, "ImportError", r"is required for a normal functioning of this module"),
    rule(_C.MODULE_VERSION, 0.95, "RuntimeError", r"operator torchvision::\w{1,40} does not exist"),
    rule(_C.MODULE_VERSION, 0.95, "RuntimeError", r"PyTorch and torchvision (?:were|has) .{0,200}different CUDA"),
    rule(
        _C.MODULE_VERSION, 0.95, "ValueError ImportError", r"numpy\.dtype size changed|numpy\.core\.multiarray failed"
    ),
    rule(_C.MODULE_VERSION, 0.92, "AttributeError", r"was removed in the NumPy 2\.0 release|_ARRAY_API not found"),
    rule(_C.MODULE_VERSION, 0.75, "AttributeError", r"^module '[\w.]{1,120}' has no attribute "),
    rule(_C.MODULE_VERSION, 0.9, "VersionConflict ContextualVersionConflict DistributionNotFound", r""),
    rule(_C.MODULE_VERSION, 0.7, "PackageNotFoundError", r"No package metadata was found for"),
)

_MODELS = (
    rule(_C.UNKNOWN_MODEL, 0.97, "", r"^Unsupported model\.name: ?(?P<model>[^\n]*)"),
    rule(_C.UNKNOWN_MODEL, 0.96, "RuntimeError", r"^Unknown model \((?P<model>.*?)\)"),
    rule(_C.UNKNOWN_MODEL, 0.95, "RuntimeError", r"^Invalid pretrained tag \(.{0,120}\) for (?P<model>[^\n]*)\.$"),
    rule(_C.UNKNOWN_MODEL, 0.96, "KeyError", r"Wrong encoder name `(?P<model>.*?)`, supported encoders"),
    rule(_C.UNKNOWN_MODEL, 0.96, "KeyError", r"Wrong architecture type `(?P<model>.*?)`\. Available options"),
    rule(_C.UNKNOWN_MODEL, 0.94, "ValueError", r"^Unknown model (?P<model>\S*)$"),
    rule(
        _C.UNKNOWN_MODEL, 0.93, "OSError", r"^(?P<model>.{1,200}?) is not a local folder and is not a valid model ident"
    ),
)

_MEMORY = (
    rule(_C.CUDA_OUT_OF_MEMORY, 0.98, "OutOfMemoryError RuntimeError", r"(?:CUDA|HIP|XPU|MPS backend) out of memory"),
    rule(
        _C.CUDA_OUT_OF_MEMORY,
        0.97,
        "RuntimeError AcceleratorError",
        r"CUDA error: out of memory|Error 2: out of memory",
    ),
    rule(_C.CUDA_OUT_OF_MEMORY, 0.9, "RuntimeError AcceleratorError", r"(?:CUBLAS|CUDNN|CUSOLVER)_STATUS_ALLOC_FAILED"),
    rule(_C.CUDA_OUT_OF_MEMORY, 0.97, "OutOfDeviceMemoryError", r"out of memory on cuda"),
    rule(_C.HOST_OUT_OF_MEMORY, 0.96, "MemoryError _ArrayMemoryError ArrayMemoryError", r""),
    rule(_C.HOST_OUT_OF_MEMORY, 0.97, "RuntimeError", r"DefaultCPUAllocator: (?:can't allocate|not enough) memory"),
    rule(_C.HOST_OUT_OF_MEMORY, 0.97, "OSError BlockingIOError", r"\[Errno 12\]|\[WinError (?:8|14|1450|1455)\]"),
    rule(_C.HOST_OUT_OF_MEMORY, 0.9, "RuntimeError", r"unable to mmap \d{1,20} bytes .{0,300}Cannot allocate memory"),
    rule(_C.HOST_OUT_OF_MEMORY, 0.88, "RuntimeError", r"DataLoader worker \(pid.{0,40}\) is killed by signal: Killed"),
    rule(_C.HOST_OUT_OF_MEMORY, 0.9, "RuntimeError", r"killed by signal: Bus error.{0,120}shared memory"),
)

_DEVICES = (
    rule(_C.NO_CUDA, 0.97, "AssertionError", r"Torch not compiled with CUDA enabled"),
    rule(_C.NO_CUDA, 0.97, "RuntimeError", r"Found no NVIDIA driver on your system|No CUDA GPUs are available"),
    rule(_C.NO_CUDA, 0.98, "RuntimeError", r"Attempting to deserialize object on (?:a )?CUDA device"),
    rule(
        _C.NO_CUDA,
        0.95,
        "RuntimeError AcceleratorError",
        r"CUDA error: (?:no CUDA-capable device|invalid device ordinal)",
    ),
    rule(
        _C.NO_CUDA,
        0.95,
        "ConfigError MisconfigurationException",
        r"finds \d{1,4} CUDA devices|No supported gpu backend",
    ),
    rule(_C.DRIVER_MISMATCH, 0.98, "RuntimeError", r"The NVIDIA driver on your system is too old"),
    rule(
        _C.DRIVER_MISMATCH,
        0.98,
        "RuntimeError AcceleratorError",
        r"CUDA driver version is insufficient for CUDA runtime",
    ),
    rule(_C.DRIVER_MISMATCH, 0.96, "RuntimeError AcceleratorError", r"no kernel image is available for execution"),
    rule(
        _C.DRIVER_MISMATCH,
        0.97,
        "RuntimeError NVMLError NVMLError_LibRmVersionMismatch",
        r"Driver/library version mismatch",
    ),
    rule(_C.DRIVER_MISMATCH, 0.96, "RuntimeError", r"forward compatibility was attempted|Error 80[2-4]: "),
    rule(
        _C.DRIVER_MISMATCH,
        0.88,
        "RuntimeError AcceleratorError",
        r"CUDA unknown error - this may be due to an incorrectly",
    ),
    rule(
        _C.DEVICE_FAULT,
        0.9,
        "RuntimeError AcceleratorError",
        r"CUDA error: (?:an illegal memory access|unspecified launch failure|uncorrectable ECC|misaligned address|"
        r"the launch timed out|an illegal instruction)"
        r"|(?:CUBLAS_STATUS|CUDNN_STATUS)_(?:EXECUTION_FAILED|INTERNAL_ERROR)",
    ),
    rule(_C.DEVICE_FAULT, 0.85, "RuntimeError DistBackendError", r"NCCL (?:error|WARN)|GPU is lost"),
)

_NUMBERS = (
    rule(_C.DIVERGENCE, 0.97, "", r"is not finite \(NaN or infinite\)"),
    rule(_C.DIVERGENCE, 0.97, "RuntimeError", r"^Function '\w{1,80}' returned nan values in its"),
    rule(_C.DIVERGENCE, 0.97, "RuntimeError", r"The total norm .{0,60} for gradients .{0,80} is non-finite"),
    rule(
        _C.DIVERGENCE,
        0.92,
        "ValueError",
        r"(?:Input|y_\w{1,10}|array)\S{0,10} (?:X |y |y_\w{1,10} )?(?:contains|must not contain) (?:NaN|inf)",
    ),
    rule(
        _C.DIVERGENCE,
        0.9,
        "",
        r"(?i)\bloss\b.{0,60}\b(?:is|became|was|=|:) ?(?:nan|inf)\b|\b(?:nan|inf)\b (?:or \w{1,5} )?loss\b",
    ),
    rule(_C.DIVERGENCE, 0.85, "", r"(?i)\bnon-finite\b"),
    rule(_C.DIVERGENCE, 0.8, "FloatingPointError", r""),
)

_FILES = (
    rule(_C.DATA, 0.95, "UnidentifiedImageError", r"cannot identify image file"),
    rule(
        _C.DATA,
        0.96,
        "OSError",
        r"image file is truncated|broken data stream when reading image|unrecognized data stream",
    ),
    rule(_C.DATA, 0.9, "SyntaxError", r"broken PNG file|not a TIFF file|cannot parse this|not a PNG file"),
    rule(
        _C.DATA,
        0.9,
        "BadZipFile EmptyDataError ParserError error",
        r"(?i)zip|No columns to parse|tokenizing data|invalid.{0,40}block",
    ),
    rule(_C.DATA, 0.9, "DecompressionBombError", r""),
    rule(_C.DATA, 0.96, "ValueError", r"num_samples should be a positive integer value, but got num_samples=0"),
    rule(_C.DATA, 0.93, "ValueError", r"Found array with 0 sample|With n_samples=0|empty range for randrange"),
    rule(
        _C.DATA,
        0.96,
        "FileNotFoundError RuntimeError",
        r"Couldn't find any class folder in|Found no valid file for the class",
    ),
    rule(
        _C.DATA,
        0.95,
        "RuntimeError",
        r"Dataset not found(?: or corrupted)?\. You can use download=True|Found 0 (?:files|images) in",
    ),
    rule(_C.DATA, 0.95, "DataError", r""),
    rule(
        _C.DATA,
        0.85,
        "FileNotFoundError NotADirectoryError",
        rf"^(?:\[Errno \d{{1,3}}\]|\[WinError [23]\]){_NOT_A_CHECKPOINT}",
    ),
    rule(_C.CHECKPOINT, 0.95, "FileNotFoundError", r"\.(?:pt|pth|ckpt|safetensors|bin|onnx)['\"]?$"),
    rule(_C.CHECKPOINT, 0.97, "RuntimeError", r"^Error\(s\) in loading state_dict for"),
    rule(
        _C.CHECKPOINT, 0.96, "UnpicklingError", r"Weights only load failed|invalid load key|pickle data was truncated"
    ),
    rule(
        _C.CHECKPOINT, 0.96, "RuntimeError", r"PytorchStreamReader failed|unexpected EOF, expected \d{1,20} more bytes"
    ),
    rule(_C.CHECKPOINT, 0.85, "OSError", r"^\[Errno 22\]", raised_in="/torch/serialization.py"),
    rule(_C.CHECKPOINT, 0.94, "RuntimeError EOFError", r"Invalid magic number; corrupt file|Ran out of input"),
    rule(_C.CHECKPOINT, 0.96, "SafetensorError", r""),
    rule(
        _C.CHECKPOINT, 0.97, "ValueError", r"loaded state dict (?:contains a parameter group|has a different number of)"
    ),
    rule(
        _C.DISK_FULL,
        0.98,
        "OSError RuntimeError",
        r"\[Errno (?:28|122)\]|\[WinError (?:39|112)\]|No space left on device",
    ),
    rule(
        _C.DISK_FULL,
        0.8,
        "RuntimeError",
        r"PytorchStreamWriter failed writing file|inline_container\.cc.{0,200}(?:write|unexpected pos)",
    ),
    rule(_C.FILE_LOCK, 0.98, "PermissionError OSError", r"\[WinError (?:32|33|1224)\]"),
    rule(_C.FILE_LOCK, 0.93, "BlockingIOError OSError", r"^\[Errno (?:11|16|26|35)\]|unable to lock file"),
    rule(_C.FILE_LOCK, 0.94, "Timeout", r"The file lock '.{0,400}' could not be acquired"),
    rule(_C.FILE_LOCK, 0.94, "OperationalError", r"database (?:table )?is locked"),
    rule(_C.FILE_LOCK, 0.75, "PermissionError", r"^\[Errno 13\]|\[WinError 5\]", windows=True),
    rule(_C.PERMISSION, 0.9, "PermissionError OSError", r"^\[Errno (?:13|1|30)\]", windows=False),
    rule(_C.PERMISSION, 0.9, "OSError", r"^\[Errno 30\]", windows=True),
    rule(_C.PORT_IN_USE, 0.98, "OSError", r"^\[Errno (?:98|48)\]|\[WinError (?:10048|10013)\]"),
    rule(_C.PORT_IN_USE, 0.98, "DistNetworkError RuntimeError", r"EADDRINUSE|(?i:address already in use)"),
    rule(_C.DOWNLOAD, 0.95, _NETWORK, r""),
    rule(
        _C.DOWNLOAD,
        0.96,
        "OSError",
        r"We couldn't connect to|<urlopen error|Cannot find an appropriate cached snapshot",
    ),
    rule(_C.DOWNLOAD, 0.97, "ConfigError", r"its pretrained weights cannot be had here"),
)

_SHAPES = (
    rule(
        _C.SHAPE_MISMATCH, 0.97, "RuntimeError", r"mat1 and mat2 shapes cannot be multiplied|size mismatch, (?:m1|got)"
    ),
    rule(_C.SHAPE_MISMATCH, 0.97, "RuntimeError", r"^Given (?:groups|transposed)=.{1,20} weight of size"),
    rule(
        _C.SHAPE_MISMATCH,
        0.97,
        "RuntimeError",
        r"The size of tensor a \(\d{1,12}\) must match|Sizes of tensors must match",
    ),
    rule(
        _C.SHAPE_MISMATCH,
        0.97,
        "RuntimeError",
        r"stack expects each tensor to be equal size|The expanded size of the tensor",
    ),
    rule(_C.SHAPE_MISMATCH, 0.95, "RuntimeError", r"^shape '\[.{0,120}\]' is invalid for input of size"),
    rule(
        _C.SHAPE_MISMATCH, 0.95, "RuntimeError", r"^Expected \dD .{0,80}(?:input|tensor)|^Expected \d-dimensional input"
    ),
    rule(
        _C.SHAPE_MISMATCH,
        0.95,
        "RuntimeError",
        r"Kernel size can't be greater than actual input|Output size is too small",
    ),
    rule(_C.SHAPE_MISMATCH, 0.96, "RuntimeError", r"Wrong input shape height=\d{1,9}, width=\d{1,9}"),
    rule(
        _C.SHAPE_MISMATCH,
        0.94,
        "ValueError",
        r"Expected more than 1 (?:spatial element|value per channel) when training",
    ),
    rule(_C.SHAPE_MISMATCH, 0.96, "ValueError", r"Target size \(.{1,120}\) must be the same as input size"),
    rule(_C.SHAPE_MISMATCH, 0.96, "ValueError", r"Expected input batch_size \(\d{1,12}\) to match target batch_size"),
    rule(_C.SHAPE_MISMATCH, 0.95, "IndexError", r"^Target -?\d{1,12} is out of bounds"),
    rule(
        _C.SHAPE_MISMATCH, 0.95, "AssertionError", r"Input (?:height|width|size|image) \(.{1,40}\) (?:doesn't|should)"
    ),
    rule(
        _C.SHAPE_MISMATCH,
        0.9,
        "ValueError",
        r"could not broadcast input array|operands could not be broadcast|inhomogeneous shape",
    ),
    rule(
        _C.SHAPE_MISMATCH, 0.9, "ValueError", r"all (?:the )?input array(?:s| dimensions)? .{0,60}must (?:have|match)"
    ),
    rule(
        _C.SHAPE_MISMATCH,
        0.9,
        "RuntimeError",
        r"^Input type \(.{1,60}\) and (?:weight|bias) type|expected scalar type \w{1,20} but found",
    ),
    rule(
        _C.SHAPE_MISMATCH,
        0.85,
        "RuntimeError",
        r"mat1 and mat2 must have the same dtype|expected m1 and m2 to have the same",
    ),
    rule(_C.SHAPE_MISMATCH, 0.8, "RuntimeError AcceleratorError", r"CUDA error: device-side assert triggered"),
    rule(
        _C.SHAPE_MISMATCH,
        0.93,
        "ConfigError",
        r" does not take \d{1,9} x \d{1,9} pixels|is no classifier: it returns the shape",
    ),
)

_CONFIGS = (
    rule(_C.CONFIG_KEY_UNKNOWN, 0.97, "ConfigError", r"unknown key (?P<key>[^;\s]{1,200}); the nearest known key is"),
    rule(
        _C.CONFIG_KEY_UNKNOWN,
        0.96,
        "ConfigAttributeError ConfigKeyError",
        r"Key '(?P<key>[^'\n]{1,200})' (?:is not in struct|not in)",
    ),
    rule(_C.CONFIG_KEY_UNKNOWN, 0.95, "ConfigCompositionException", r"Could not override '(?P<key>[^'\n]{1,200})'"),
    rule(
        _C.CONFIG_KEY_UNKNOWN,
        0.95,
        "ValidationError",
        r"(?i)additional properties are not allowed|extra inputs are not permitted",
    ),
    rule(_C.CONFIG_KEY_UNKNOWN, 0.8, "TypeError", r"got an unexpected keyword argument '(?P<key>[^'\n]{1,200})'"),
    rule(
        _C.CONFIG_INVALID,
        0.95,
        "ScannerError ParserError ComposerError ConstructorError ReaderError DuplicateKeyError",
        r", line \d{1,9}, column|unacceptable character",
    ),
    rule(_C.CONFIG_INVALID, 0.96, "ConfigError", r": not valid YAML"),
    rule(_C.CONFIG_INVALID, 0.85, "ConfigError ValidationError TOMLDecodeError MissingMandatoryValue", r""),
    rule(_C.CONFIG_INVALID, 0.95, "FileNotFoundError", r"\.(?:ya?ml|toml|json|cfg|ini)['\"]?$"),
)

_ENDS = (
    rule(_C.CODE_ERROR, 0.97, "SyntaxError IndentationError TabError", r"^(?!broken PNG|not a |cannot parse)"),
    rule(_C.CODE_ERROR, 0.95, "ImportError", r"partially initialized module .{0,200}circular import"),
    rule(
        _C.CODE_ERROR,
        0.88,
        "ImportError",
        r"^cannot import name .{1,200} from '[^']{1,200}' \((?!.{0,400}site-packages)",
    ),
    rule(_C.CODE_ERROR, 0.85, "NameError UnboundLocalError", r""),
    rule(_C.INTERRUPT, 0.9, "KeyboardInterrupt", r""),
)

EXCEPTION_RULES = (*_MODULES, *_MODELS, *_MEMORY, *_DEVICES, *_NUMBERS, *_FILES, *_SHAPES, *_CONFIGS, *_ENDS)
