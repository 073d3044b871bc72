"""The environment for processes that torchrun starts from a test: nothing that an earlier test of this process left behind."""

import os
import socket

FOREIGN = ("ACCELERATE_", "MASTER_", "TORCHELASTIC_", "RANK", "LOCAL_", "WORLD_SIZE", "GROUP_", "ROLE_")


def torchrun_environment() -> dict[str, str]:
    """Return this process's environment without what belongs to another launch; processes meet on the loopback device."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    return clean | {"GLOO_SOCKET_IFNAME": loopback, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
