"""The program that forks workers for the kill sweep, as the test's process sees it."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection as Channel
from pathlib import Path

from tests.fakes.certificates import authority
from tests.faults.floor import T0
from tests.faults.killsweep_messages import Answer, Death, Dying, Job, SharedClock, Step

REPOSITORY = Path(__file__).resolve().parents[2]


class Zygote:
    """The process that forks workers, and the channel to whichever of them lives."""

    def __init__(self, folder: Path, name: str) -> None:
        path = folder / f"{name}.clock"
        self.clock = SharedClock(path, T0)
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.faults.killsweep_child", str(theirs.fileno()), str(path)]
        self._process = subprocess.Popen(
            [*command, str(authority().path)],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            cwd=REPOSITORY,
            # A library's threads would make it unsafe to fork; the emulator takes any key.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **_AWS},
        )
        theirs.close()
        self._channel = Channel(ours.detach())

    def begin(self, job: Job) -> None:
        """Fork a worker; there is none now."""
        self._channel.send(job)

    def take(self, step: Step) -> Answer | Dying:
        """Let the worker take a step; Dying if it did not survive that."""
        self._channel.send(step)
        answer = self._channel.recv()
        if isinstance(answer, Dying):
            death = self._channel.recv()
            assert death == Death(-9), f"the process was to be killed, and ended so: {death}"
        assert not isinstance(answer, Death), f"the process ended by itself: {answer}"
        return answer  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let the worker end in peace."""
        self._channel.send(None)
        assert self._channel.recv() == Death(0)

    def close(self) -> None:
        """End the program, with its worker if there is one."""
        self._channel.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()


_AWS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}
