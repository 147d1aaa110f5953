"""A Slurm of one's own on this host, for a test: munged, slurmctld and slurmd's."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "sbatch", "squeue", "scontrol")
START_SECONDS = 60.0
CONFIG = """\
ClusterName=own
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
CredType=cred/munge
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool.%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.%n.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=30
KillWait=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,batch_sched_delay=0
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2
"""
NODE = "NodeName=n{i} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1"


def lacking() -> str | None:
    """Why no Slurm can be started here, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt install slurm-wlm munge)"
    return None if os.geteuid() == 0 else "slurmd runs jobs as other users: needs root"


def _path() -> str:
    """Where daemons are looked for: sbin is not on every user's path."""
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def write_config(home: Path, nodes: int) -> None:
    """slurm.conf and the key of munge."""
    controller, *ports = _free_ports(nodes + 1)
    host = socket.gethostname().split(".")[0]
    lines = [NODE.format(i=i, host=host, port=port) for i, port in enumerate(ports)]
    text = CONFIG.format(
        host=host,
        controller=controller,
        user=pwd.getpwuid(os.geteuid()).pw_name,
        home=home,
        nodes="\n".join(lines),
    )
    (home / "slurm.conf").write_text(text)
    (home / "state").mkdir()
    (home / "munge.key").write_bytes(os.urandom(1024))
    (home / "munge.key").chmod(0o600)


def _commands(home: Path, nodes: int) -> list[list[str]]:
    """What is started, in this order, each in the foreground."""
    munge = {
        "socket": "socket",
        "pid-file": "pid",
        "seed-file": "seed",
        "key-file": "key",
    }
    files = [f"--{option}={home}/munge.{name}" for option, name in munge.items()]
    daemons = [["munged", "-F", "--force", f"--log-file={home}/munge.log", *files]]
    daemons.append(["slurmctld", "-D", "-c", "-f", str(home / "slurm.conf")])
    for i in range(nodes):
        daemons.append(["slurmd", "-D", "-N", f"n{i}", "-f", str(home / "slurm.conf")])
    return daemons


@contextmanager
def own_slurm(home: Path, nodes: int = 2) -> Iterator[dict[str, subprocess.Popen]]:
    """A cluster that is up; its daemons by name; all ended when the block is.

    Commands of Slurm reach it with SLURM_CONF={home}/slurm.conf.
    """
    write_config(home, nodes)
    environment = {**os.environ, "PATH": _path(), "SLURM_CONF": f"{home}/slurm.conf"}
    daemons: dict[str, subprocess.Popen] = {}
    try:
        for command in _commands(home, nodes):
            name = command[3] if command[0] == "slurmd" else command[0]
            with (home / f"{name}.out").open("w") as out:
                daemons[name] = subprocess.Popen(
                    command, env=environment, stdout=out, stderr=out
                )
            if name == "munged":
                _wait(home, lambda: (home / "munge.socket").exists())
        _wait(home, lambda: _idle(environment) == nodes)
        yield daemons
    finally:
        _end(daemons, home, environment)


def _idle(environment: dict[str, str]) -> int:
    """How many nodes can take a job."""
    command = ["sinfo", "-h", "-p", "main", "-N", "-t", "idle", "-o", "%N"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True)
    return len(told.stdout.split())


def _wait(home: Path, ready) -> None:
    """Wait until something is there, or say what the daemons said."""
    until = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > until:
            logs = [p for p in sorted(home.iterdir()) if p.suffix in (".log", ".out")]
            told = "\n".join(f"{p.name}: {p.read_text()[-800:]}" for p in logs)
            raise RuntimeError(f"Slurm does not come up: {told}")
        time.sleep(0.2)


def _end(
    daemons: dict[str, subprocess.Popen], home: Path, environment: dict[str, str]
) -> None:
    """End jobs, daemons and whatever a slurmd left behind."""
    command = ["scancel", "--signal=KILL", "--full", "--state=RUNNING", "--me"]
    subprocess.run(command, env=environment, capture_output=True, timeout=30)
    time.sleep(1)
    for daemon in reversed(daemons.values()):
        daemon.terminate()
    for daemon in daemons.values():
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    for pid in left_behind(home):
        os.kill(pid, signal.SIGKILL)


def left_behind(home: Path) -> list[int]:
    """Processes of this cluster: their environment names its slurm.conf."""
    found, name = [], f"SLURM_CONF={home}/slurm.conf".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if name in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:  # it has ended meanwhile
                continue
    return found
