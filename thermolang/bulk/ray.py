"""A file of answers scored by several copies of the model side by side, with Ray Data: on this machine or a cluster."""

from __future__ import annotations

import logging
import os
import pickle  # nosec # B403: as Ray itself, between processes of one cluster
import socket
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

from thermolang.answers.equivalence import Equivalence
from thermolang.bulk.files import confidences_of
from thermolang.bulk.lines import Batch, Line, Work
from thermolang.calibration.calibrator import Calibrator
from thermolang.errors import InvalidInputError, ModelError, ThermolangError, require
from thermolang.estimator import ConfidenceEstimator
from thermolang.types import Confidence, Mode, ScoringModel

T = TypeVar("T")

STORE_BYTES = 256 * 1024 * 1024
"""For batches on their way, of a cluster started here; Ray itself would take a third of the memory."""

RETRIES = 3
"""Times that a batch is given to a new actor after the one that had it has died: such as for lack of memory, which no
number of tries mends."""

PATIENCE = 5.0
"""Seconds in which a machine of the cluster must answer."""


def ray_data() -> ModuleType:
    """Ray, with its part for data.

    Raises:
        MissingExtraError: It, or what that part needs, is not installed.
    """
    for needed in ("pyarrow", "pandas", "ray.data"):
        require(needed, "ray")
    return require("ray", "ray")


@dataclass(frozen=True)
class RayEngine:
    """Scores with actors, each of which holds a model of its own; for ``score_file``.

    The actors work under one snapshot of the tasks' states, and what they give back is written in the order of the
    file. An actor that dies is started again, and its lines are scored again. The file is read on the machine of the
    command only, so it need not be where the actors are; the model must be.

    Args:
        load: Loads the model; called once in each actor, so it must be picklable, such as
            ``functools.partial(LocalModel.load, name)``.
        actors: How many. On a cluster with as many GPUs each has one of its own, else an equal share of the processors.
        address: ``HOST:PORT`` of a cluster that this machine is part of, ``"auto"`` for the one that runs here, None
            for one of its own that ends with the work. Where ``ray.init`` was called before, that cluster is used.
    """

    load: Callable[[], ScoringModel]
    actors: int = 2
    address: str | None = None

    def __call__(self, estimator: ConfidenceEstimator, work: Work) -> Iterator[tuple[Batch, Sequence[Confidence]]]:
        """Compute the confidences of all batches, in their order.

        Raises:
            MissingExtraError: Ray Data is not installed.
            InvalidInputError: The cluster cannot be reached, or is too small.
            ModelError: An actor cannot load the model, or fails on a batch.
        """
        ray = ray_data()
        with ExitStack() as stack:
            stack.enter_context(_cluster(ray, self.address, self.actors))
            stack.enter_context(_readable_errors(ray))
            # Closed before the cluster ends: Ray's own iterator would complain otherwise.
            scored = stack.enter_context(closing(self._scored(ray, _Replica.of(estimator, self.load, work))))
            for batch in work.batches():
                # Lines that cannot be read need no model, and name the file as it is called here.
                if batch.lines[0].problem:
                    yield batch, list(confidences_of(estimator, batch.lines, own_answers=work.own_answers))
                elif (confidences := next(scored, None)) is not None:
                    yield batch, confidences
                else:
                    msg = f"{work.source} was changed while its answers were scored: run the same command again"
                    raise InvalidInputError(msg)

    def _scored(self, ray: ModuleType, replica: _Replica) -> Generator[list[Confidence], None, None]:
        data = ray.data
        context = data.DataContext.get_current().copy()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.execution_options.preserve_order = True
        # Ray would join small blocks, up to 128 MB of text for one actor; so every batch is a block.
        context.target_max_block_size = 1
        # What Ray tells of its own plans is no news to whoever waits for a file.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        with data.DataContext.current(context), warnings.catch_warnings():  # a dataset keeps its context
            warnings.simplefilter("ignore")
            batches = data.read_datasource(_source(data, replica.work), num_cpus=0, override_num_blocks=1)
            found = batches.map(
                _Scorer,
                fn_constructor_args=(replica,),
                compute=data.ActorPoolStrategy(size=self.actors),
                max_task_retries=RETRIES,
                **_share(ray, self.actors),
            )
        for row in found.iter_rows():
            scored = pickle.loads(row["batch"])  # nosec # B301: as above
            if isinstance(scored, ThermolangError):
                raise scored
            yield scored


@dataclass(frozen=True)
class _Replica:
    """What an actor makes its estimator of."""

    load: Callable[[], ScoringModel]
    calibrator: Calibrator | None
    allow_mismatch: bool
    mode: Mode
    samples: int
    equivalence: Equivalence
    work: Work

    @classmethod
    def of(cls, estimator: ConfidenceEstimator, load: Callable[[], ScoringModel], work: Work) -> _Replica:
        given = estimator.calibrator, estimator.warning is not None, estimator.mode, estimator.samples
        # Each actor's folder may be another one.
        return cls(load, *given, estimator.equivalence, replace(work, source=work.source.absolute()))

    def snapshot(self) -> ConfidenceEstimator:
        """An estimator like the one of the command, over a model of its own."""
        made = ConfidenceEstimator(
            self.load(),
            self.calibrator,
            allow_mismatch=self.allow_mismatch,
            state_dir=None,
            mode=self.mode,
            samples=self.samples,
            equivalence=self.equivalence,
        )
        made.calibrator = self.calibrator  # without one, none that another machine may have
        return made.snapshot(self.work.versions)


class _Scorer:
    """The actor. Its errors are results: raised within Ray, they would come as pages of text."""

    def __init__(self, replica: _Replica) -> None:
        self._own = replica.work.own_answers
        self._snapshot = _tried(replica.snapshot)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        lines = pickle.loads(row["batch"])  # nosec # B301: as above
        return {"batch": pickle.dumps(_tried(lambda: self._scored(lines)))}

    def _scored(self, lines: Sequence[Line]) -> list[Confidence]:
        if isinstance(self._snapshot, ThermolangError):
            raise self._snapshot
        return list(confidences_of(self._snapshot, lines, own_answers=self._own))


def _tried(do: Callable[[], T]) -> T | ThermolangError:
    """What a function gives, or the error that it raises."""
    try:
        return do()
    except ThermolangError as error:
        return error
    except Exception as error:
        return ModelError(f"an actor failed: {type(error).__name__}: {error}")


def _blocks(work: Work) -> Iterator[Any]:
    """The readable batches of a file, each a block of Ray's."""
    pyarrow = require("pyarrow", "ray")
    for batch in work.batches():
        if not batch.lines[0].problem:
            # What the command writes of a line need not travel.
            bare = [replace(line, start=b"") for line in batch.lines]
            yield pyarrow.table({"batch": [pickle.dumps(bare)]})


def _source(data: ModuleType, work: Work) -> Any:
    """A data source of Ray's that reads the file once, on the machine of the command, a batch at a time."""

    class Answers(data.Datasource):  # type: ignore[misc, name-defined]
        supports_distributed_reads = False

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *limits: object, **more: object) -> list[Any]:
            block = require("ray.data.block", "ray")
            unknown = block.BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
            return [data.ReadTask(partial(_blocks, work), unknown)]

    return Answers()


def _share(ray: ModuleType, actors: int) -> dict[str, float]:
    """What each actor has of the cluster.

    Raises:
        InvalidInputError: It has fewer processors than there are to be actors.
    """
    has = ray.cluster_resources()
    processors = int(has.get("CPU", 0))
    if processors < actors:
        msg = f"{actors} actors need a processor each, and the cluster has {processors}: give fewer --actors"
        raise InvalidInputError(msg)
    # Ray lets an actor compute with as many threads as it has processors.
    share: dict[str, float] = {"num_cpus": processors // actors}
    return share | {"num_gpus": 1} if has.get("GPU", 0) >= actors else share


@contextmanager
def _cluster(ray: ModuleType, address: str | None, actors: int) -> Iterator[None]:
    """Connect to a cluster, or start one; afterwards leave it as it was."""
    if actors < 1:
        msg = f"at least one actor is needed, got {actors}"
        raise InvalidInputError(msg)
    if ray.is_initialized():
        yield
        return
    check_address(address)
    # Ray tells its makers how it is used unless it is asked not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": STORE_BYTES}
    try:
        ray.init(address or "local", **quiet, **({} if address else own))
    except Exception as error:  # Ray raises even that, such as where a busy machine starts it too slowly
        ray.shutdown()
        msg = f"no Ray cluster {f'at {address}' if address else 'could be started on this machine'}: {error}"
        raise InvalidInputError(msg) from error
    try:
        yield
    finally:
        ray.shutdown()


def check_address(address: str | None) -> None:
    """Find out whether a cluster answers: Ray itself tries for minutes, and may end the whole process then.

    Raises:
        InvalidInputError: Nobody answers there, or the address is of another form.
    """
    if address in (None, "auto"):
        return
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        msg = f"--address {address}: HOST:PORT of a Ray cluster that this machine is part of is expected, or auto"
        raise InvalidInputError(msg)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        msg = (
            f"no Ray cluster answers at {address} ({error}): start one with `ray start --head`, or leave --address out"
        )
        raise InvalidInputError(msg) from error


@contextmanager
def _readable_errors(ray: ModuleType) -> Iterator[None]:
    """What Ray says when actors die, in one line."""
    try:
        yield
    except ray.exceptions.RayError as error:
        said = " ".join(str(error).split())
        msg = f"the actors cannot go on: {said[:500]}; the lines so far are written, and the same command goes on"
        raise ModelError(msg) from error
