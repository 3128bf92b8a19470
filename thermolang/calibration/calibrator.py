"""A trained calibrator on disk: identity, probe, weights and card; and which one belongs to a model."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from huggingface_hub import ModelHubMixin, snapshot_download
from pydantic import ConfigDict, FiniteFloat, PositiveFloat, PositiveInt, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import thermolang.pretrained
from thermolang.calibration.fit import Fit, InputDistribution, Prior
from thermolang.calibration.given import GivenFit
from thermolang.calibration.head import ANSWER_FEATURES, Head, Hyperparameters
from thermolang.calibration.input_kinds import KindSpace
from thermolang.calibration.kinds import KINDS, KindName
from thermolang.calibration.level import Level
from thermolang.calibration.posterior import VerdictPrior
from thermolang.calibration.semantic import SemanticFit
from thermolang.calibration.thermometer import Thermometer
from thermolang.errors import CalibratorFormatError, CalibratorMismatchError, complaint
from thermolang.storage import data_dir, digest, folder_written_atomically
from thermolang.types import ModelIdentity, Reason

if TYPE_CHECKING:
    from thermolang.types import FloatArray

logger = logging.getLogger(__name__)

FORMAT = "thermolang-calibrator-2"
"""Its number grows when a name in config.json or of a tensor changes; ``_upgraded`` converts older files."""

PROBE_OK = 0.999
"""Cosine of a probe's hidden states from which two copies of a model are the same: bfloat16 against float32
of the same weights measures 0.9998."""

PROBE_REFUSE = 0.99
"""Below this cosine the weights are another model's: another quantisation or a fine-tuned copy."""


@dataclass(frozen=True)
class HeadRecord:
    """A per-answer head in config.json: its numbers; the attributes are those of ``Head``."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    tau: PositiveFloat
    tau_anchored: PositiveFloat
    hyperparameters: Hyperparameters
    gain: float
    gain_error: float
    auroc_gain: float
    logprob_weight: FiniteFloat = 0.0
    usual_logprob: FiniteFloat = 0.0


@dataclass(frozen=True)
class FitRecord:
    """The fit of one kind of answers in config.json; its arrays stand in model.safetensors.

    Attributes:
        hidden_size: Width of the network's branches.
        radius: Of ``InputDistribution``.
        prior: As in ``Fit``.
        verdicts: As in ``Fit``.
        head: As in ``Fit``.
        level: As in ``Fit``.
        kind_radius: Of ``KindSpace``; None without one.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    hidden_size: PositiveInt
    radius: PositiveFloat
    prior: Prior
    verdicts: VerdictPrior | None = None
    head: HeadRecord | None = None
    level: Level | None = None
    kind_radius: PositiveFloat | None = None

    @classmethod
    def of(cls, fit: Fit) -> FitRecord:
        """What is written of a fit."""
        names = HeadRecord.__dataclass_fields__
        head = HeadRecord(**{name: getattr(fit.head, name) for name in names}) if fit.head else None
        radius = fit.space.radius if fit.space else None
        return cls(fit.network.hidden_size, fit.inputs.radius, fit.prior, fit.verdicts, head, fit.level, radius)


@dataclass(frozen=True)
class CalibratorConfig:
    """What config.json holds: one schema for writing and reading."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    format: str
    model_name: str
    identity: ModelIdentity
    fits: dict[KindName, FitRecord]
    semantic: SemanticFit | None = None
    given: GivenFit | None = None
    judged: bool = False


_CONFIG = TypeAdapter(CalibratorConfig)


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
        semantic: What was learned about sampled answers; None if none were sampled.
        given: What was learned about texts that were written elsewhere; None if none were read.
        judged: Whether the model itself decided what means the same, as ``answers.judging.judge_for`` has it; then it
            does so in use, too.
    """

    def __init__(
        self,
        identity: ModelIdentity,
        fits: Mapping[KindName, Fit],
        probe: tuple[FloatArray, FloatArray],
        *,
        model_name: str = "",
        card: str = "",
        semantic: SemanticFit | None = None,
        given: GivenFit | None = None,
        judged: bool = False,
    ) -> None:
        self.identity, self.fits, self.probe = identity, dict(fits), probe
        self.model_name, self.card = model_name, card
        self.semantic, self.given, self.judged = semantic, given, judged

    @cached_property
    def id(self) -> str:
        """Short id: the model's name and a hash of everything a confidence depends on."""
        digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in self._tensors().values()))
        # Calibrators of before there was a judge keep their id.
        unknown = set() if self.judged else {"judged"}
        digest.update(_CONFIG.dump_json(self._config(), exclude=unknown))
        return f"{self.model_name.rsplit('/', 1)[-1].lower()}@{digest.hexdigest()[:8]}"

    def check(self, identity: ModelIdentity, probe: tuple[FloatArray, FloatArray]) -> Reason | None:
        """Compare with a model before its answers are calibrated.

        Returns:
            None, or a warning if the weights differ slightly.

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
        # Not ``<``: NaN, which stands for other shapes, must be refused too.
        if not similarity >= PROBE_REFUSE:
            msg = (
                f"this calibrator was made for other weights of {self.model_name}: hidden states on fixed prompts have "
                f"cosine {similarity:.4f}, at least {PROBE_REFUSE} is needed (another quantisation or a fine-tuned "
                "copy?). Make one for this model: thermolang calibrate --model NAME"
            )
            raise CalibratorMismatchError(msg)
        if similarity < PROBE_OK:
            differ = f"the model's weights differ slightly from the calibrator's (cosine {similarity:.4f})"
            return Reason("weights_differ", differ)
        return None

    def save(self, folder: str | Path) -> Path:
        """Write the calibrator; a failure leaves the old one as it was, and nothing is ever half-written."""
        with folder_written_atomically(Path(folder)) as work:
            self.save_pretrained(work)
        return Path(folder)

    def _config(self) -> CalibratorConfig:
        fits = {kind: FitRecord.of(fit) for kind, fit in self.fits.items()}
        return CalibratorConfig(FORMAT, self.model_name, self.identity, fits, self.semantic, self.given, self.judged)

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors = {"probe.hidden": torch.tensor(self.probe[0]), "probe.logits": torch.tensor(self.probe[1])}
        for kind, fit in self.fits.items():
            tensors |= {f"{kind}.network.{k}": v for k, v in fit.network.state_dict().items()}
            tensors[f"{kind}.inputs.center"] = torch.tensor(fit.inputs.center)
            tensors[f"{kind}.inputs.scale"] = torch.tensor(fit.inputs.scale)
            if fit.head is not None:
                tensors[f"{kind}.head.coefficients"] = torch.tensor(fit.head.coefficients)
                tensors[f"{kind}.head.weights"] = torch.tensor(fit.head.weights)
            if fit.space is not None:
                tensors[f"{kind}.space.center"] = torch.tensor(fit.space.center)
                tensors[f"{kind}.space.axes"] = torch.tensor(fit.space.axes)
        # Sorted, as ``id`` hashes them in this order.
        return {name: t.to(torch.float32).contiguous() for name, t in sorted(tensors.items())}

    def _save_pretrained(self, save_directory: Path) -> None:
        save_file(self._tensors(), save_directory / "model.safetensors")
        (save_directory / "README.md").write_text(self.card or f"# Calibrator of {self.model_name}\n", encoding="utf-8")
        (save_directory / "config.json").write_bytes(_CONFIG.dump_json(self._config(), indent=2) + b"\n")

    @classmethod
    def load(cls, folder: str | Path) -> Calibrator:
        """Read a calibrator from a folder.

        Raises:
            CalibratorFormatError: Files are missing, damaged or not thermolang's.
        """
        folder = Path(folder)
        try:
            text = (folder / "config.json").read_text(encoding="utf-8")
            written, tensors = _upgraded(
                json.loads(text, parse_constant=_not_finite), load_file(folder / "model.safetensors")
            )
            if (found := written.get("format")) != FORMAT:
                msg = f"{folder} is no thermolang calibrator: config.json has format {found!r}, not {FORMAT!r}"
                raise CalibratorFormatError(msg)
            config = _CONFIG.validate_python(written)
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
            # It is a ValueError as well, and its message is complete.
            if isinstance(error, CalibratorFormatError):
                raise
            remedy = "Make it again: thermolang calibrate --model NAME"
            msg = f"cannot read the calibrator in {folder}: {complaint(error)}. {remedy}"
            raise CalibratorFormatError(msg) from error

    @classmethod
    def _from_parts(cls, config: CalibratorConfig, tensors: dict[str, torch.Tensor], card: str) -> Calibrator:
        width = config.identity.hidden_size
        if not all(torch.isfinite(t).all() for t in tensors.values()):
            msg = "it holds weights that are not finite"
            raise ValueError(msg)
        fits = {kind: _fit(kind, record, tensors, width) for kind, record in config.fits.items()}
        probe = (tensors["probe.hidden"].numpy(), tensors["probe.logits"].numpy())
        if probe[0].ndim != 2 or probe[0].shape[1] != width or len(probe[1]) != len(probe[0]):
            msg = f"its probe has hidden states of shape {probe[0].shape} and logits of shape {probe[1].shape}"
            raise ValueError(msg)
        return cls(
            config.identity,
            fits,
            probe,
            model_name=config.model_name,
            card=card,
            semantic=config.semantic,
            given=config.given,
            judged=config.judged,
        )

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


def _not_finite(constant: str) -> float:
    msg = f"it holds {constant}, which is no finite number"
    raise ValueError(msg)


def probe_similarity(ours: FloatArray, theirs: FloatArray) -> float:
    """Smallest cosine between two models' hidden states (P, d) on the same prompts."""
    if ours.shape != theirs.shape:
        return float("nan")
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(1) / norms).min())


def _fit(kind: KindName, record: FitRecord, tensors: dict[str, torch.Tensor], input_size: int) -> Fit:
    network = Thermometer(input_size, record.hidden_size, bias=KINDS[kind].has_bias)
    prefix = f"{kind}.network."
    weights = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    network.load_state_dict(weights)
    center, scale = tensors[f"{kind}.inputs.center"].numpy(), tensors[f"{kind}.inputs.scale"].numpy()
    if {center.shape, scale.shape} != {(input_size,)}:
        msg = f"its training inputs have shapes {center.shape} and {scale.shape}, not ({input_size},)"
        raise ValueError(msg)
    inputs = InputDistribution(center, scale, record.radius)
    head = _head(kind, record.head, tensors, input_size) if record.head else None
    space = _space(kind, record.kind_radius, tensors, input_size) if record.kind_radius else None
    return Fit(network.eval(), record.prior, inputs, record.verdicts, head, record.level, space)


def _space(kind: KindName, radius: float, tensors: dict[str, torch.Tensor], input_size: int) -> KindSpace:
    center, axes = (tensors[f"{kind}.space.{name}"].numpy() for name in ("center", "axes"))
    if center.shape != (input_size,) or axes.ndim != 2 or len(axes) != input_size:
        msg = f"its kinds of input have shapes {center.shape} and {axes.shape} for hidden states of {input_size}"
        raise ValueError(msg)
    return KindSpace(center, axes, radius)


def _head(kind: KindName, record: HeadRecord, tensors: dict[str, torch.Tensor], input_size: int) -> Head:
    coefficients, weights = (tensors[f"{kind}.head.{name}"].numpy() for name in ("coefficients", "weights"))
    if coefficients.shape != (1 + len(ANSWER_FEATURES),) or weights.shape != (input_size,):
        msg = (
            f"its head for {kind} has shapes {coefficients.shape} and {weights.shape} for hidden states of {input_size}"
        )
        raise ValueError(msg)
    return Head(coefficients, weights, KINDS[kind], **vars(record))


def _upgraded(
    config: dict[str, Any], tensors: dict[str, torch.Tensor]
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Config and tensors of format 1 under the names of format 2: a calibrator takes hours to make again."""
    if config.get("format") != "thermolang-calibrator-1":
        return config, tensors
    for fit in config["fits"].values():
        del fit["bias"]  # it follows from the kind of the answers
        fit["prior"]["shrinkage_weight"] = fit["prior"].pop("trust", 1.0)
        if head := fit.get("head"):
            del head["self_check"]
            old = head.pop("recipe")
            head["hyperparameters"] = {"features": old.pop("cues"), "feature_spread": old.pop("cue_spread"), **old}
    if semantic := config.pop("meaning", None):
        config["semantic"] = {"coefficients": semantic.pop("lines"), **semantic}
    return {**config, "format": FORMAT}, {name.replace(".support.", ".inputs."): t for name, t in tensors.items()}


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
    # ``find`` skips folders whose names begin with a dot.
    return user_dir() / f"{short.lstrip('.')}-{key}"


def find(identity: ModelIdentity) -> Iterator[Calibrator]:
    """Calibrators made for a model of this identity, best first.

    The weights are not compared here; ``Calibrator.check`` does that with the model's probe.
    """
    # One's own calibrator goes before one that comes with the package.
    for root in (user_dir(), shipped_dir()):
        # A folder that is still being written has a name with a dot.
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
) -> tuple[Calibrator | None, Reason | None]:
    """The first calibrator that was made for these very weights, and a warning about it or about why there is none.

    Args:
        identity: The model's.
        probe: Measures the model's functional probe; only called if there is a candidate.
    """
    measured, warning = None, None
    for candidate in find(identity):
        # Without a probe of the model the weights cannot be compared: the candidate's own always agrees.
        measured = measured or (probe() if probe else candidate.probe)
        try:
            return candidate, candidate.check(identity, measured)
        except CalibratorMismatchError as error:
            warning = Reason("other_model", str(error))
            logger.warning("%s", error)
    return None, warning


def chosen(
    given: Calibrator | str | Path | None,
    identity: ModelIdentity,
    probe: Callable[[], tuple[FloatArray, FloatArray]] | None,
    *,
    allow_mismatch: bool,
) -> tuple[Calibrator | None, Reason | None]:
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
        # Whatever the weights, the network needs hidden states of its own width.
        if not allow_mismatch or calibrator.identity.hidden_size != identity.hidden_size:
            raise
        return calibrator, Reason("weights_differ", f"used against its identity: {error}")
