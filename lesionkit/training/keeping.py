"""The state of a training to disk, beside the training and within its share of time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from lesionkit.training import checkpoint

SHARE = 0.02  # of the wall time that storing states may take
SECONDS_A_BYTE = 5e-9  # of packing, hashing and writing, until one state is measured


class Keeper:
    """Stores states now and then, each in a thread, so that training goes on.

    A state is copied where it lies, which takes an instant; turning it into bytes and
    writing them is the thread's. Where both together would take more than SHARE of the
    time, states are stored less often. A state that cannot be written is told in one
    line, and the next one is tried.

    Args:
        store: writes the bytes of one state, whole or not at all.
        every_seconds: between two states, or longer as SHARE asks; 0 stores after every
            epoch and waits for it.
        counts_thread: whether the thread takes from the training what it uses, as it
            does on a CPU.
        expected_bytes: of a state, so that the first one keeps to its share as well.
    """

    def __init__(
        self,
        store: Callable[[memoryview], None],
        *,
        every_seconds: float,
        counts_thread: bool = True,
        expected_bytes: int = 0,
    ) -> None:
        self.store, self.every_seconds = store, every_seconds
        self.counts_thread = counts_thread
        self.thread: threading.Thread | None = None
        self.last = time.monotonic()
        self.stored, self.size, self.spent = 0, 0, 0.0
        self.cost = expected_bytes * SECONDS_A_BYTE * counts_thread

    def due(self) -> bool:
        """Whether it is time for the next state."""
        if self.every_seconds == 0:
            return True
        if self.thread is not None and self.thread.is_alive():
            return False
        wait = max(self.every_seconds, self.cost / SHARE)
        return time.monotonic() - self.last >= wait

    def keep(self, capture: Callable[[], dict[str, Any]]) -> None:
        """Take a state and store it.

        Args:
            capture: gives a state that does not change any more.
        """
        began = time.monotonic()
        state = capture()
        blocked = time.monotonic() - began
        if self.every_seconds == 0:
            self._write(state, blocked)
        else:
            self.thread = threading.Thread(target=self._write, args=(state, blocked))
            self.thread.start()
        self.last = time.monotonic()

    def _write(self, state: dict[str, Any], blocked: float) -> None:
        """Bytes to disk; what this state cost decides when the next one is due."""
        began = time.thread_time()
        try:
            content = checkpoint.pack(state)
            self.store(content)
            self.stored, self.size = self.stored + 1, len(content)
        except OSError as error:
            print(
                f"the state was not stored ({error}); training goes on, and the next"
                " one is tried",
                file=sys.stderr,
            )
        used = (time.thread_time() - began) * self.counts_thread
        self.cost = blocked + used
        self.spent += self.cost

    def close(self) -> None:
        """Wait until the state under way is on disk."""
        if self.thread is not None:
            self.thread.join()

    def facts(self) -> dict[str, Any]:
        """For the run record: states stored, bytes of one, seconds they all took."""
        return {
            "states_stored": self.stored,
            "state_bytes": self.size,
            "state_seconds": round(self.spent, 3),
        }
