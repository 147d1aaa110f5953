"""What one part of the examination found: facts, and what is wrong."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lesionkit.lookup import one_line


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in one line with the way out.

    Attributes:
        level: "stops" for what stops the demo, "warning" for the rest.
        says: what, where, and what to do.
    """

    level: str
    says: str


@dataclass
class Section:
    """Facts by name, and findings, in the order in which they were found."""

    name: str
    facts: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def stops(self, says: str) -> None:
        """Note something that stops the demo."""
        self.findings.append(Finding("stops", one_line(says)))

    def warn(self, says: str) -> None:
        """Note something that does not."""
        self.findings.append(Finding("warning", one_line(says)))


def answer(command: Sequence[str], *, seconds: float = 60.0) -> tuple[str, str]:
    """What a program printed, and why it failed; "" if it did not."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            cwd=tempfile.gettempdir(),  # a checkout would count as installed
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {seconds:g} seconds"
    except OSError as error:
        return "", error.strerror or str(error)
    if done.returncode == 0:
        return done.stdout, ""
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return done.stdout, said[-1] if said else f"exit status {done.returncode}"


def refused(folder: Path) -> str:
    """Why no file can be written and renamed in a folder; "" if it can."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".lesionkit-") as trial:
            written = Path(trial) / "one"
            written.write_bytes(b"1")
            written.replace(written.with_name("two"))
    except OSError as error:
        return f"{folder}: no file can be written ({error.strerror})"
    return ""
