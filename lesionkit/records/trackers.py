"""A run logged to TensorBoard or MLflow by their own libraries, never in its record."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.extras import install

RETRY_SECONDS = 60.0
# The columns of TensorBoard's table of runs, which it wants to know at the start.
COLUMNS = ("validation_dice", "test/probability/image/dice")
# Unless the user set them: mlflow waits for servers, reports its use, and prints.
MLFLOW_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
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
    kind = lookup.find("tracker", name, TRACKERS)
    try:
        with _mlflow_settings():
            if kind is not None:
                kind.check()
    except ImportError as error:
        lacks = f"logging to {name} needs the extra: {install(name)}"
        raise ModuleNotFoundError(lacks) from error
    return Tracker(name, config)


class Tracker:
    """The log of one run. Nothing that goes wrong in it stops a training.

    The first failure is one line on stderr. What could not be logged is kept, and
    tried again once a minute and at the end.
    """

    def __init__(self, name: str, config: RunConfig) -> None:
        self._name, self._config = name, config
        self._log: Any = None
        self._closed = self._told = name == "none"
        self._waiting: list[tuple[int, dict[str, float]]] = []
        self._not_before = float("-inf")

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(failed=kind is not None)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Log one row of the history; its "epoch" is the step of all the others."""
        values = flat(row)
        self._waiting.append((int(values.pop("epoch")), values))
        if not self._closed and time.monotonic() >= self._not_before:
            self._write()

    def end(self, metrics: Mapping[str, Any]) -> None:
        """Have `close` log the scores of metrics.json, a step after the last epoch."""
        # at a step of their own a resume can drop them and keep the last epoch
        parts = {part: metrics[part] for part in ("validation", "test")}
        self._waiting.append((int(metrics["epochs"]) + 1, flat(parts)))

    def close(self, failed: bool = False) -> None:
        """Log what still waits and how the run ended; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._write(ended=True, failed=failed)

    def _write(self, *, ended: bool = False, failed: bool = False) -> None:
        """Log everything that waits, in order, or say once why that fails."""
        try:
            with _mlflow_settings():
                self._log = self._log or TRACKERS[self._name](self._config)
                while self._waiting:
                    self._log.write(*self._waiting[0])
                    del self._waiting[0]
                if ended:
                    self._log.close(failed)
        except Exception as error:  # noqa: BLE001 - whatever a foreign library raises
            self._log = None  # the next one finds out what did arrive
            self._not_before = time.monotonic() + RETRY_SECONDS
            if not self._told:
                self._told = True
                says = f"logging to {self._name} fails, the run goes on"
                print(f"{says}: {_one_line(error)}", file=sys.stderr)


class TensorBoard:
    """Event files below data/tensorboard/<run id>/, one a session."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._writer: Any = None

    @staticmethod
    def check() -> None:
        """Refuse to begin without the library."""
        import torch.utils.tensorboard  # noqa: F401

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One point for each value."""
        writer = self._writer or self._open(step)
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()  # a killed run keeps every whole epoch

    def close(self, failed: bool) -> None:
        """Close the file; a failure is not noted, as no later note would replace it."""
        if self._writer is not None:
            if not failed:
                self._writer.file_writer.add_summary(self._success)
            self._writer.close()

    def _open(self, step: int) -> Any:
        """Begin a file in which this step follows the ones before it."""
        from torch.utils.tensorboard import SummaryWriter, summary

        folder = data_folder() / "tensorboard" / self._config.run_id
        # what an earlier session logged from this step on is trained again: drop it
        self._writer = writer = SummaryWriter(str(folder), purge_step=step)
        columns = dict.fromkeys(COLUMNS, 0.0)
        *begin, self._success = summary.hparams(_parameters(self._config), columns)
        # the second file that add_hparams makes would hide what this one still gets
        events: Any = writer.file_writer  # None only once it is closed
        for each in begin:
            events.add_summary(each)
        return writer


class MLflow:
    """A run of the experiment lesionkit/<protocol>; a resume goes on with it.

    Its tags hold the run's id and a hash of the data folder's path: on one server two
    people may well train the same config.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._client = _mlflow_client()
        self._run = ""
        self._known: set[tuple[str, int]] = set()

    @staticmethod
    def check() -> None:
        """Refuse to begin without the library or with an address it cannot use."""
        address = os.environ.get("MLFLOW_TRACKING_URI")
        if not address:
            import alembic  # noqa: F401
            import sqlalchemy  # noqa: F401
        from mlflow.exceptions import MlflowException

        try:
            _mlflow_client()
        except MlflowException as error:
            raise ValueError(
                "MLFLOW_TRACKING_URI must be http://SERVER, sqlite:///FILE or not set,"
                f" got {_one_line(address)}: {_one_line(error)}"
            ) from error
        except Exception:  # noqa: BLE001 - a database that is away; told when logging
            return

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One point for each value that no earlier session has logged."""
        from mlflow.entities import Metric

        if not self._run:
            self._begin(step)
        now = int(time.time() * 1000)
        fresh = {n: v for n, v in values.items() if (n, step) not in self._known}
        points = [Metric(name, value, now, step) for name, value in fresh.items()]
        self._client.log_batch(self._run, metrics=points, synchronous=True)

    def close(self, failed: bool) -> None:
        """Set the status, also of a run that failed before its first epoch."""
        if failed and not self._run:
            self._begin(1)
        if self._run:
            self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")

    def _begin(self, step: int) -> None:
        """Go on with the run that stopped before this step, or create one."""
        from mlflow.entities import Param

        client, run = self._client, self._found(step)
        found, own = run.info.run_id, _parameters(self._config)
        client.update_run(found, status="RUNNING")
        new = [Param(n, str(own[n])) for n in own.keys() - run.data.params.keys()]
        client.log_batch(found, params=new, synchronous=True)
        for name in run.data.metrics:
            points = client.get_metric_history(found, name)
            self._known |= {(name, point.step) for point in points}
        self._run = found

    def _found(self, step: int) -> Any:
        """The newest run with our tags, unless it ended and this one starts anew."""
        name, experiment = self._config.run_id, self._experiment()
        where = hashlib.sha256(str(data_folder()).encode()).hexdigest()[:8]
        tags = {"lesionkit.run_id": name, "lesionkit.data": where}
        ours = " and ".join(f"tags.`{tag}` = '{tags[tag]}'" for tag in tags)
        newest = self._client.search_runs(
            [experiment], ours, max_results=1, order_by=["start_time DESC"]
        )
        if newest and (step > 1 or newest[0].info.status != "FINISHED"):
            return newest[0]
        return self._client.create_run(experiment, tags=tags, run_name=name)

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


def _parameters(config: RunConfig) -> dict[str, Any]:
    """The resolved parameters that have a value."""
    values = asdict(config.resolved())
    return {name: value for name, value in values.items() if value is not None}


def _one_line(text: object) -> str:
    """The text on one line, short and without the password of an address."""
    return " ".join(re.sub(r"//[^/@\s]*@", "//", str(text)).split())[:400]


@contextmanager
def _mlflow_settings() -> Iterator[None]:
    """MLFLOW_SETTINGS in the environment for a while, where the user has none."""
    ours = {name: v for name, v in MLFLOW_SETTINGS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _mlflow_client() -> Any:
    """A client of MLFLOW_TRACKING_URI, otherwise of data/mlflow/mlflow.db."""
    from filelock import FileLock
    from mlflow.tracking import MlflowClient

    if address := os.environ.get("MLFLOW_TRACKING_URI"):
        return MlflowClient(address)
    folder = data_folder() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    # runs that create the tables at the same moment break each other's
    with FileLock(folder / ".creating", timeout=60), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of alembic, about mlflow's own tables
        return MlflowClient(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
