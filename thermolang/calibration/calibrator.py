"""A trained calibrator on disk: identity, probe, weights and card; and which one belongs to a model."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from huggingface_hub import ModelHubMixin, snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import thermolang.pretrained
from thermolang.calibration.fit import Fit, Prior, Support
from thermolang.calibration.head import Head
from thermolang.calibration.posterior import VerdictPrior
from thermolang.calibration.semantic import MeaningFit
from thermolang.calibration.thermometer import Thermometer
from thermolang.errors import CalibratorFormatError, CalibratorMismatchError
from thermolang.storage import data_dir, digest
from thermolang.types import ModelIdentity

if TYPE_CHECKING:
    from thermolang.types import FloatArray

FORMAT = "thermolang-calibrator-1"

PROBE_OK = 0.999
"""Cosine of a probe's hidden states from which two copies of a model are the same: bfloat16 against float32
of the same weights measures 0.9998."""

PROBE_REFUSE = 0.99
"""Below this cosine the weights are another model's: another quantisation or a fine-tuned copy."""


class Calibrator(
    ModelHubMixin,
    library_name="thermolang",
    tags=["calibration", "confidence", "thermometer"],
    repo_url="https://arxiv.org/abs/2403.08819",
):
    """What was learned about one model: a fit for choices, one for self-checks, or both.

    Args:
        identity: The model it was trained on.
        fits: By source, ``"choice"`` and ``"self_check"``.
        probe: Hidden states (P, d) and option logits (P, 2) of the model on ``prompts.PROBES``.
        model_name: Name of the model, for people.
        card: Markdown text of the README.
        meaning: What was learned about sampled answers; None if none were sampled.
    """

    def __init__(
        self,
        identity: ModelIdentity,
        fits: Mapping[str, Fit],
        probe: tuple[FloatArray, FloatArray],
        *,
        model_name: str = "",
        card: str = "",
        meaning: MeaningFit | None = None,
    ) -> None:
        self.identity, self.fits, self.probe = identity, dict(fits), probe
        self.model_name, self.card, self.meaning = model_name, card, meaning

    @cached_property
    def id(self) -> str:
        """Short id: the model's name and a hash of everything a confidence depends on."""
        digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in self._tensors().values()))
        digest.update(json.dumps(self._fits_record(), sort_keys=True).encode())
        if self.meaning is not None:
            digest.update(json.dumps(self.meaning.to_dict(), sort_keys=True).encode())
        return f"{self.model_name.rsplit('/', 1)[-1].lower()}@{digest.hexdigest()[:8]}"

    def check(self, identity: ModelIdentity, probe: tuple[FloatArray, FloatArray]) -> str:
        """Compare with a model before its readings are calibrated.

        Returns:
            An empty string, or a warning if the weights differ slightly.

        Raises:
            CalibratorMismatchError: Naming what differs.
        """
        if differences := self.identity.differences(identity):
            msg = (
                f"this calibrator was made for {self.model_name}; {'; '.join(differences)} (calibrator against model). "
                "Make one for this model: thermolang calibrate --model NAME"
            )
            raise CalibratorMismatchError(msg)
        similarity = probe_similarity(self.probe[0], probe[0])
        if not similarity >= PROBE_REFUSE:
            msg = (
                f"this calibrator was made for other weights of {self.model_name}: hidden states on fixed prompts have "
                f"cosine {similarity:.4f}, at least {PROBE_REFUSE} is needed (another quantisation or a fine-tuned "
                "copy?). Make one for this model: thermolang calibrate --model NAME"
            )
            raise CalibratorMismatchError(msg)
        if similarity < PROBE_OK:
            return f"the model's weights differ slightly from the calibrator's (cosine {similarity:.4f})"
        return ""

    def save(self, folder: str | Path) -> Path:
        """Write the calibrator; a failure leaves the old one as it was, and nothing is ever half-written."""
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            self.save_pretrained(work)
            work.chmod(0o755)
            _exchange(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return target

    def _fits_record(self) -> dict[str, Any]:
        return {
            kind: {
                "hidden_size": fit.network.hidden_size,
                "bias": fit.network.bias,
                "radius": fit.support.radius,
                "prior": fit.prior.to_dict(),
                **({"verdicts": asdict(fit.verdicts)} if fit.verdicts else {}),
                **({"head": fit.head.to_dict()} if fit.head else {}),
            }
            for kind, fit in self.fits.items()
        }

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors = {"probe.hidden": torch.tensor(self.probe[0]), "probe.logits": torch.tensor(self.probe[1])}
        for kind, fit in self.fits.items():
            tensors |= {f"{kind}.network.{k}": v for k, v in fit.network.state_dict().items()}
            tensors[f"{kind}.support.center"] = torch.tensor(fit.support.center)
            tensors[f"{kind}.support.scale"] = torch.tensor(fit.support.scale)
            if fit.head is not None:
                tensors |= {f"{kind}.head.{k}": torch.tensor(v) for k, v in fit.head.to_tensors().items()}
        return {name: t.to(torch.float32).contiguous() for name, t in sorted(tensors.items())}

    def _save_pretrained(self, save_directory: Path) -> None:
        config = {
            "format": FORMAT,
            "model_name": self.model_name,
            "identity": asdict(self.identity),
            "fits": self._fits_record(),
            "meaning": self.meaning.to_dict() if self.meaning else None,
        }
        save_file(self._tensors(), save_directory / "model.safetensors")
        (save_directory / "README.md").write_text(self.card or f"# Calibrator of {self.model_name}\n", encoding="utf-8")
        (save_directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Calibrator:
        """Read a calibrator from a folder.

        Raises:
            CalibratorFormatError: Files are missing, damaged or not thermolang's.
        """
        folder = Path(folder)
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            if config.get("format") != FORMAT:
                found = config.get("format")
                msg = f"{folder} is no thermolang calibrator: config.json has format {found!r}, not {FORMAT!r}"
                raise CalibratorFormatError(msg)
            tensors = load_file(folder / "model.safetensors")
            card = (folder / "README.md").read_text(encoding="utf-8") if (folder / "README.md").is_file() else ""
            return cls._from_parts(config, tensors, card)
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RuntimeError,
            SafetensorError,
        ) as error:
            if isinstance(error, CalibratorFormatError):
                raise
            msg = f"cannot read the calibrator in {folder}: {error}. Make it again: thermolang calibrate --model NAME"
            raise CalibratorFormatError(msg) from error

    @classmethod
    def _from_parts(cls, config: dict[str, Any], tensors: dict[str, torch.Tensor], card: str) -> Calibrator:
        identity = ModelIdentity(**config["identity"])
        if not all(torch.isfinite(t).all() for t in tensors.values()):
            msg = "it holds weights that are not finite"
            raise ValueError(msg)
        fits = {kind: _fit(kind, spec, tensors, identity.hidden_size) for kind, spec in config["fits"].items()}
        probe = (tensors["probe.hidden"].numpy(), tensors["probe.logits"].numpy())
        if probe[0].ndim != 2 or probe[0].shape[1] != identity.hidden_size or len(probe[1]) != len(probe[0]):
            msg = f"its probe has hidden states of shape {probe[0].shape} and logits of shape {probe[1].shape}"
            raise ValueError(msg)
        meaning = MeaningFit.from_dict(config["meaning"]) if config.get("meaning") else None
        return cls(identity, fits, probe, model_name=config["model_name"], card=card, meaning=meaning)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Calibrator:
        """Read a calibrator from a folder or from the Hugging Face hub.

        Args:
            pretrained_model_name_or_path: A folder, or the name of a repository on the hub.
            **kwargs: As ``huggingface_hub.ModelHubMixin.from_pretrained``: ``revision``, ``token``, ...

        Raises:
            CalibratorFormatError: Files are missing, damaged or not thermolang's.
        """
        if isinstance(pretrained_model_name_or_path, Path) or Path(pretrained_model_name_or_path).is_dir():
            return cls.load(pretrained_model_name_or_path)  # the mixin would parse config.json itself, unguarded
        try:
            return super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
            msg = f"cannot read the calibrator {pretrained_model_name_or_path}: its config.json is damaged ({error})"
            raise CalibratorFormatError(msg) from error

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **_: Any,
    ) -> Calibrator:
        folder = snapshot_download(
            model_id,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
        )
        return cls.load(folder)


def probe_similarity(ours: FloatArray, theirs: FloatArray) -> float:
    """Smallest cosine between two models' hidden states (P, d) on the same prompts."""
    if ours.shape != theirs.shape:
        return float("nan")
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(1) / norms).min())


def _fit(kind: str, spec: dict[str, Any], tensors: dict[str, torch.Tensor], input_size: int) -> Fit:
    network = Thermometer(input_size, spec["hidden_size"], bias=spec["bias"])
    prefix = f"{kind}.network."
    weights = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    network.load_state_dict(weights)
    support = Support(
        tensors[f"{kind}.support.center"].numpy(),
        tensors[f"{kind}.support.scale"].numpy(),
        float(spec["radius"]),
    )
    prior = Prior(**spec["prior"])
    shapes = {support.center.shape, support.scale.shape}
    numbers = (support.radius, *prior.to_dict().values())
    if shapes != {(input_size,)} or support.radius <= 0 or not all(math.isfinite(x) for x in numbers):
        msg = f"its support has shapes {shapes}, or its radius or prior is unusable: {numbers}"
        raise ValueError(msg)
    verdicts = VerdictPrior(**spec["verdicts"]) if "verdicts" in spec else None
    return Fit(network.eval(), prior, support, verdicts, _head(kind, spec, tensors, input_size))


def _head(kind: str, spec: dict[str, Any], tensors: dict[str, torch.Tensor], input_size: int) -> Head | None:
    if "head" not in spec:
        return None
    arrays = {name: tensors[f"{kind}.head.{name}"].numpy() for name in ("coefficients", "weights")}
    head = Head.from_tensors(arrays, spec["head"])
    if len(head.weights) != input_size or head.self_check != spec["bias"]:
        msg = f"its head for {kind} has {len(head.weights)} weights for hidden states of {input_size}"
        raise ValueError(msg)
    return head


def _exchange(work: Path, target: Path) -> None:
    """Put ``work`` where ``target`` is; the old one comes back if that fails."""
    if not target.exists():
        work.rename(target)
        return
    old = target.with_name(f".{target.name}-old-{os.getpid()}")
    target.rename(old)
    try:
        work.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


logger = logging.getLogger(__name__)


def user_dir() -> Path:
    """Folder of the calibrators made on this machine."""
    return data_dir() / "calibrators"


def shipped_dir() -> Path:
    """Folder of the calibrators that come with the package."""
    return Path(thermolang.pretrained.__path__[0])


def folder_for(identity: ModelIdentity, model_name: str) -> Path:
    """Where the calibrator of a model is saved so that ``find`` finds it."""
    key = digest(json.dumps(asdict(identity), sort_keys=True), 8)
    short = "".join(c if c.isalnum() or c in ".-" else "-" for c in model_name.rsplit("/", 1)[-1].lower())
    return user_dir() / f"{short.lstrip('.')}-{key}"


def find(identity: ModelIdentity) -> Iterator[Calibrator]:
    """Calibrators made for a model of this identity, best first.

    The weights are not compared here; ``Calibrator.check`` does that with the model's probe.
    """
    for root in (user_dir(), shipped_dir()):
        for config in sorted(root.glob("[!.]*/config.json")):
            try:
                calibrator = Calibrator.load(config.parent)
            except CalibratorFormatError as error:
                logger.warning("%s", error)
                continue
            if calibrator.identity == identity:
                yield calibrator


def matching(
    identity: ModelIdentity, probe: Callable[[], tuple[FloatArray, FloatArray]] | None
) -> tuple[Calibrator | None, str]:
    """The first calibrator that was made for these very weights, and a warning about it or about why there is none.

    Args:
        identity: The model's.
        probe: Measures the model's functional probe; only called if there is a candidate.
    """
    measured, warning = None, ""
    for candidate in find(identity):
        measured = measured or (probe() if probe else candidate.probe)
        try:
            return candidate, candidate.check(identity, measured)
        except CalibratorMismatchError as error:
            warning = str(error)
            logger.warning("%s", error)
    return None, warning


def chosen(
    given: Calibrator | str | Path | None,
    identity: ModelIdentity,
    probe: Callable[[], tuple[FloatArray, FloatArray]] | None,
    *,
    allow_mismatch: bool,
) -> tuple[Calibrator | None, str]:
    """The calibrator that was given, or the one found for the model; and a warning about it.

    Args:
        given: A calibrator or a folder of one; None looks for one.
        identity: The model's.
        probe: Measures the model's functional probe.
        allow_mismatch: Take a given one although it belongs to other weights.

    Raises:
        CalibratorMismatchError: A calibrator was given that belongs to another model.
        CalibratorFormatError: The folder holds no readable calibrator.
    """
    if given is None:
        return matching(identity, probe)
    calibrator = given if isinstance(given, Calibrator) else Calibrator.load(given)
    try:
        return calibrator, calibrator.check(identity, probe() if probe else calibrator.probe)
    except CalibratorMismatchError as error:
        if not allow_mismatch or calibrator.identity.hidden_size != identity.hidden_size:
            raise
        return calibrator, f"used against its identity: {error}"
