"""A deployment's ports are free when it picks them."""

import socket

import pytest

from sluicegate_rigs.embedded import free_ports


def test_a_port_that_somebody_has_is_not_picked() -> None:
    with socket.socket() as taken, socket.socket() as other:
        taken.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        other_port, ports = other.getsockname()[1], [taken.getsockname()[1]]
        other.close()
        assert free_ports(1, [*ports, other_port]) == [other_port]
        with pytest.raises(OSError, match="fewer than 2 ports are free"):
            free_ports(2, [*ports, other_port])
