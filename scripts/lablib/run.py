# SPDX-License-Identifier: BSD-2-Clause
"""A child process that never outlives the lab."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """In the child: have the kernel kill it when the lab is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """An emulator in its own process group; its output goes to out.txt and err.txt."""

    def __init__(self, words: list[str], out: Path, preload: Path | None = None,
                 more: dict[str, str] | None = None):
        self.status: int | None = None
        environment = dict(os.environ) | (more or {})
        if preload is not None:
            environment["LD_PRELOAD"] = str(preload)
        with open(out / "out.txt", "wb") as output, open(out / "err.txt", "wb") as errors:
            self.process = subprocess.Popen(
                words, cwd=out, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=errors, start_new_session=True, preexec_fn=die_with_parent)

    def wait(self, seconds: float) -> bool:
        """Waits at most @seconds; says whether the child still runs."""
        try:
            self.status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def signal(self, number: int) -> None:
        """Sends a signal to the whole group."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self) -> None:
        """Ends the child: first politely, so that it writes its last log lines."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            if self.wait(2.0):
                self.signal(signal.SIGKILL)
                self.wait(10.0)
        self.status = self.process.poll()
