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
from typing import Any

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.extras import install
from lesionkit.records.locks import alone

# Set for this process unless the user did.
# By itself mlflow waits minutes for a server, reports its use, and prints.
MLFLOW_SETTINGS = {
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
        self._call("close", kind is not None)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Log one row of the history; its "epoch" is the step of all the others."""
        values = flat(row)
        self._call("write", int(values.pop("epoch")), values)

    def end(self, metrics: Mapping[str, Any]) -> None:
        """Log the scores of metrics.json, a step after the last epoch."""
        parts = {part: metrics[part] for part in ("validation", "test")}
        self._call("write", int(metrics["epochs"]) + 1, flat(parts))

    def fails(self, error: Exception) -> None:
        """Say why the log ends here."""
        self.log = None
        says = f"logging to {self.name} fails, the run goes on"
        print(f"{says}: {_without_password(error)}", file=sys.stderr)

    def _call(self, what: str, *arguments: Any) -> None:
        try:
            if self.log is not None:
                getattr(self.log, what)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever a foreign library raises
            self.fails(error)


class TensorBoard:
    """Event files below data/tensorboard/<run id>/, one a session."""

    def __init__(self, config: RunConfig) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.config, self.open, self.hparams = config, EventFileWriter, hparams_pb
        # what protobuf makes when it is imported, a checker does not see
        self.events: Any = event_pb2
        self.values: Any = summary_pb2
        self.writer: Any = None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        if self.writer is None:
            run_id, log = self.config.run_id, self.events.SessionLog
            self.writer = self.open(str(data_folder() / "tensorboard" / run_id))
            # TensorBoard drops what an earlier session logged from this step on
            self.add(step=step, session_log=log(status=log.START))
            self.add(summary=self.hparams(_parameters(self.config), run_id))
        summary = self.values.Summary
        points = [summary.Value(tag=n, simple_value=v) for n, v in values.items()]
        self.add(step=step, summary=summary(value=points))
        self.writer.flush()  # a killed run keeps every whole epoch

    def add(self, **given: Any) -> None:
        self.writer.add_event(self.events.Event(wall_time=time.time(), **given))

    def close(self, failed: bool) -> None:
        if self.writer is not None:
            self.writer.close()


class MLflow:
    """A run of the experiment lesionkit/<protocol>; a resume goes on with it."""

    def __init__(self, config: RunConfig) -> None:
        for name, value in MLFLOW_SETTINGS.items():
            os.environ.setdefault(name, value)
        self.config, self.client = config, _mlflow_client()
        self.run_id, self.last = "", 0

    def write(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        self.begin()
        if step > self.last:  # no epoch twice
            now = int(time.time() * 1000)
            points = [Metric(name, value, now, step) for name, value in values.items()]
            self.client.log_batch(self.run_id, metrics=points)

    def close(self, failed: bool) -> None:
        if failed:  # also before its first epoch
            self.begin()
        if self.run_id:
            status = "FAILED" if failed else "FINISHED"
            self.client.set_terminated(self.run_id, status)

    def begin(self) -> None:
        """Go on with the newest run of this config unless it ended, or make one."""
        if self.run_id:
            return
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException

        client, name = self.client, f"lesionkit/{self.config.protocol}"
        if client.get_experiment_by_name(name) is None:
            # by itself mlflow keeps files of a local store in the working directory
            local = (data_folder() / "mlflow" / "files").as_uri()
            files = None if _mlflow_address() else local
            with suppress(MlflowException):  # another run may be quicker
                client.create_experiment(name, files)
        experiment = client.get_experiment_by_name(name).experiment_id
        # on one server two people may well train the same config
        where = hashlib.sha256(str(data_folder()).encode()).hexdigest()[:8]
        tags = {"lesionkit.run_id": self.config.run_id, "lesionkit.data": where}
        ours = " and ".join(f"tags.`{tag}` = '{tags[tag]}'" for tag in tags)
        found = client.search_runs([experiment], ours, max_results=1)
        if found and found[0].info.status != "FINISHED":
            run = found[0]
            client.update_run(run.info.run_id, status="RUNNING")
        else:
            run = client.create_run(experiment, tags=tags, run_name=self.config.run_id)
        self.run_id = run.info.run_id
        own = _parameters(self.config).items()
        params = [Param(n, str(v)) for n, v in own if n not in run.data.params]
        client.log_batch(self.run_id, params=params)
        logged = (client.get_metric_history(self.run_id, n) for n in run.data.metrics)
        self.last = max((p.step for points in logged for p in points), default=0)


def _mlflow_address() -> str:
    """The server that MLFLOW_TRACKING_URI names, without blanks around it; or ""."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip()


def _mlflow_client() -> Any:
    """A client of MLFLOW_TRACKING_URI, otherwise of data/mlflow/mlflow.db."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    if address := _mlflow_address():
        try:
            return MlflowClient(address)
        except MlflowException as error:
            raise ValueError(
                "MLFLOW_TRACKING_URI must be http://SERVER, sqlite:///FILE or not set,"
                f" got {_without_password(address)}: {_without_password(error)}"
            ) from error
    import sqlalchemy  # noqa: F401 - mlflow comes without it

    folder = data_folder() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    # runs that create the tables at the same moment break each other's
    says = f"another process has been creating {folder}/mlflow.db for a minute"
    with (
        alone(folder / ".creating", says, seconds=60),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of alembic, about mlflow's own tables
        return MlflowClient(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")


TRACKERS: dict[str, Any] = {"none": None, "tensorboard": TensorBoard, "mlflow": MLflow}


def flat(values: Mapping[str, Any], path: str = "") -> dict[str, float]:
    """Nested scores by names such as test/probability/image/dice; None is left out."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and name != "undefined":  # counts, not scores
            found |= flat(value, f"{path}{name}/")
        elif value is not None and name not in ("images", "undefined"):
            found[f"{path}{name}"] = float(value)
    return found


def _parameters(config: RunConfig) -> dict[str, bool | int | float | str]:
    """The resolved parameters that have a value."""
    values, plain = asdict(config.resolved()).items(), (bool, int, float, str)
    kept = {name: value for name, value in values if value is not None}
    return {n: v if isinstance(v, plain) else str(v) for n, v in kept.items()}


def _without_password(text: object) -> str:
    """The text on one line, short and without the password of an address."""
    return lookup.one_line(re.sub(r"//[^/@\s]*@", "//", str(text)), longest=400)
