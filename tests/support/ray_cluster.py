"""A cluster of Ray on this machine, for programs that tests start; nothing of it is left."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import ray
from ray.cluster_utils import Cluster

# Ray would start a worker for each CPU in advance: here each task that needs one starts it.  Others
# use this machine too: it is no reason to end a worker that memory is short, or a start slow.
_SETTINGS = {
    "RAY_prestart_worker_first_driver": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_USAGE_STATS_ENABLED": "0",
}
# The name of a socket has 107 bytes at most, of which Ray needs some 65.
_LONGEST_FOLDER = 30
_STARTS = 2


@contextlib.contextmanager
def cluster(n_cpus: int) -> Iterator[tuple[Any, Any]]:
    """Two nodes of some CPUs, of which the second has a label."""
    os.environ.update(_SETTINGS)
    usual = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="ray", dir=usual if len(usual) <= _LONGEST_FOLDER else "/tmp")
    os.environ["RAY_TMPDIR"] = folder  # it notes there which cluster is the last
    os.mkdir(os.path.join(folder, "ray"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        nodes, second = _start(folder, n_cpus)
        stack.callback(nodes.shutdown)
        stack.callback(ray.shutdown)
        ray.init(address=nodes.address, log_to_driver=False)
        yield nodes, second


def _start(folder: str, n_cpus: int) -> tuple[Any, Any]:
    """Start the nodes, again if it takes Ray more than the 30 s that it waits."""
    node = {"num_cpus": n_cpus, "object_store_memory": 80_000_000}
    for k in range(_STARTS):
        nodes = Cluster()
        try:
            nodes.add_node(**node, include_dashboard=False, temp_dir=folder)
            return nodes, nodes.add_node(**node, labels={"files": "here"})
        except Exception:
            nodes.shutdown()
            if k + 1 == _STARTS:
                raise
    raise AssertionError
