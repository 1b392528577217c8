"""What trials in the field found about ending the demo, in numbered order."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PLAY = """
import sys, time
from sluicegate_ops.simulator import Settings
from sluicegate_rigs.deployment import Deployment
try:
    with Deployment(Settings()) as deployment:
        child = [sys.executable, "-c", "import time; time.sleep(600)"]
        from sluicegate_rigs.deployment import Process
        process = Process.launched("child", child, deployment.environ, deployment.directory)
        deployment._processes.callback(process.stop)
        print(deployment.directory, process.process.pid, deployment.server.url, flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_14_a_deployment_that_is_told_to_end_leaves_nothing_behind(ending: signal.Signals) -> None:
    command = [sys.executable, "-c", PLAY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as playing:
        assert playing.stdout is not None
        directory, child, _ = playing.stdout.readline().split()
        assert Path(directory).is_dir()
        playing.send_signal(ending)
        assert playing.stdout.readline() == "stopped\n"
        assert playing.wait(30) == 0
    assert not Path(directory).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(child), 0)
