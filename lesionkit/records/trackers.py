"""A run logged to TensorBoard or MLflow by their own libraries, never in its record."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from typing import Any

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.extras import install

# Set for this process unless the user did: mlflow's threads read them while they log.
# By itself mlflow waits minutes for a server, reports its use, and prints.
MLFLOW_SETTINGS = {
    "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def tracker(name: str, config: RunConfig) -> Tracker:
    """Where a run is logged, as a context that ends the log with its block.

    Args:
        name: one of TRACKERS.
        config: the run's parameters.

    Raises:
        UnknownName: no such tracker.
        ModuleNotFoundError: its library is not installed; the text says how to.
        ValueError: MLFLOW_TRACKING_URI names a store that mlflow refuses.
    """
    kind, log = lookup.find("tracker", name, TRACKERS), Tracker(name)
    try:
        log.log = kind and kind(config)
    except ImportError as error:
        lacks = f"logging to {name} needs the extra: {install(name)}"
        raise ModuleNotFoundError(lacks) from error
    except ValueError:
        raise
    except Exception as error:  # noqa: BLE001 - such as a database that is away
        log.fails(error)
    return log


class Tracker:
    """The log of one run. Nothing that goes wrong in it stops a training.

    The first failure is one line on stderr, and the end of the log.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: Any = None

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(failed=kind is not None)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Log one row of the history; its "epoch" is the step of all the others."""
        values = flat(row)
        self._call("write", int(values.pop("epoch")), values)

    def end(self, metrics: Mapping[str, Any]) -> None:
        """Log the scores of metrics.json, a step after the last epoch."""
        # at a step of their own a resume can drop them and keep the last epoch
        parts = {part: metrics[part] for part in ("validation", "test")}
        self._call("write", int(metrics["epochs"]) + 1, flat(parts))

    def close(self, failed: bool = False) -> None:
        """Log how the run ended; a second call does nothing."""
        self._call("close", failed)
        self.log = None

    def fails(self, error: Exception) -> None:
        """Say why the log ends here."""
        self.log = None
        says = f"logging to {self.name} fails, the run goes on"
        print(f"{says}: {_without_password(error)}", file=sys.stderr)

    def _call(self, what: str, *arguments: Any) -> None:
        """Have the library do something, unless the log has ended."""
        try:
            if self.log is not None:
                getattr(self.log, what)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever a foreign library raises
            self.fails(error)


class TensorBoard:
    """Event files below data/tensorboard/<run id>/, one a session."""

    def __init__(self, config: RunConfig) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer import event_file_writer

        self._config, self._open = config, event_file_writer.EventFileWriter
        # what protobuf makes when it is imported, a checker does not see
        self._events: Any = event_pb2
        self._values: Any = summary_pb2
        self._writer: Any = None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One point for each value."""
        writer, summary = self._writer or self._begin(step), self._values.Summary
        points = [summary.Value(tag=n, simple_value=v) for n, v in values.items()]
        self._add(step=step, summary=summary(value=points))
        writer.flush()  # a killed run keeps every whole epoch

    def close(self, failed: bool) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _begin(self, step: int) -> Any:
        """Begin a file in which this step follows the ones before it."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        run_id, log = self._config.run_id, self._events.SessionLog
        self._writer = self._open(str(data_folder() / "tensorboard" / run_id))
        # what an earlier session logged from this step on is trained again: drop it
        self._add(step=step, session_log=log(status=log.START))
        self._add(summary=hparams_pb(_parameters(self._config), run_id))
        return self._writer

    def _add(self, **given: Any) -> None:
        """Add an event of these fields, of now."""
        self._writer.add_event(self._events.Event(wall_time=time.time(), **given))


class MLflow:
    """A run of the experiment lesionkit/<protocol>; a resume goes on with it.

    Epochs are sent by mlflow's own threads, so that a slow server slows no training.
    """

    def __init__(self, config: RunConfig) -> None:
        for name, value in MLFLOW_SETTINGS.items():
            os.environ.setdefault(name, value)
        self._config, self._client = config, _mlflow_client()
        self._sent: list[Any] = []

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One point for each value that no earlier session has logged."""
        from mlflow.entities import Metric

        now, known = int(time.time() * 1000), self._known
        fresh = {name for name in values if (name, step) not in known}
        points = [Metric(name, values[name], now, step) for name in fresh]
        if points:
            log, run_id = self._client.log_batch, self._run.info.run_id
            self._sent.append(log(run_id, metrics=points, synchronous=False))

    def close(self, failed: bool) -> None:
        """Set the status, also of a run that failed before its first epoch."""
        if not failed and "_run" not in vars(self):
            return
        status = "FAILED" if failed else "FINISHED"
        try:
            for sent in self._sent:
                sent.wait()  # raises what went wrong meanwhile
        finally:
            self._client.set_terminated(self._run.info.run_id, status)

    @cached_property
    def _run(self) -> Any:
        """The newest run of this config, unless it has ended; otherwise a new one."""
        from mlflow.entities import Param

        client, own = self._client, _parameters(self._config)
        experiment = self._experiment()
        # on one server two people may well train the same config
        where = hashlib.sha256(str(data_folder()).encode()).hexdigest()[:8]
        tags = {"lesionkit.run_id": self._config.run_id, "lesionkit.data": where}
        ours = " and ".join(f"tags.`{tag}` = '{tags[tag]}'" for tag in tags)
        newest = client.search_runs([experiment], ours, max_results=1)
        if newest and newest[0].info.status != "FINISHED":
            (run,) = newest
            client.update_run(run.info.run_id, status="RUNNING")
        else:
            run = client.create_run(experiment, tags=tags, run_name=self._config.run_id)
        new = [Param(n, str(own[n])) for n in own.keys() - run.data.params.keys()]
        client.log_batch(run.info.run_id, params=new)
        return run

    @cached_property
    def _known(self) -> set[tuple[str, int]]:
        """What earlier sessions logged, by name and step."""
        history, info = self._client.get_metric_history, self._run.info
        names = self._run.data.metrics
        return {(n, point.step) for n in names for point in history(info.run_id, n)}

    def _experiment(self) -> str:
        """The id of the protocol's experiment, created if it is not there."""
        from mlflow.exceptions import MlflowException

        client, name = self._client, f"lesionkit/{self._config.protocol}"
        if client.get_experiment_by_name(name) is None:
            # by itself mlflow keeps files of a local store in the working directory
            local = (data_folder() / "mlflow" / "files").as_uri()
            files = None if os.environ.get("MLFLOW_TRACKING_URI") else local
            with suppress(MlflowException):  # another run may be quicker
                client.create_experiment(name, files)
        return client.get_experiment_by_name(name).experiment_id


def _mlflow_client() -> Any:
    """A client of MLFLOW_TRACKING_URI, otherwise of data/mlflow/mlflow.db."""
    from filelock import FileLock

    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        import alembic  # noqa: F401
        import sqlalchemy  # noqa: F401
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    if address:
        try:
            return MlflowClient(address)
        except MlflowException as error:
            raise ValueError(
                "MLFLOW_TRACKING_URI must be http://SERVER, sqlite:///FILE or not set,"
                f" got {_without_password(address)}: {_without_password(error)}"
            ) from error
    folder = data_folder() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    # runs that create the tables at the same moment break each other's
    with FileLock(folder / ".creating", timeout=60), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of alembic, about mlflow's own tables
        return MlflowClient(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")


TRACKERS: dict[str, Any] = {"none": None, "tensorboard": TensorBoard, "mlflow": MLflow}


def flat(values: Mapping[str, Any], path: str = "") -> dict[str, float]:
    """Nested scores by names such as test/probability/image/dice; None is left out."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if value is None or name in ("images", "undefined"):  # counts, not scores
            continue
        if isinstance(value, Mapping):
            found |= flat(value, f"{path}{name}/")
        else:
            found[f"{path}{name}"] = float(value)
    return found


def _parameters(config: RunConfig) -> dict[str, bool | int | float | str]:
    """The resolved parameters that have a value."""
    values = asdict(config.resolved()).items()
    kept = {name: value for name, value in values if value is not None}
    plain = (bool, int, float, str)
    return {n: v if isinstance(v, plain) else str(v) for n, v in kept.items()}


def _without_password(text: object) -> str:
    """The text on one line, short and without the password of an address."""
    return " ".join(re.sub(r"//[^/@\s]*@", "//", str(text)).split())[:400]
