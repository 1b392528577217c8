"""HTTP/1.1 as the simulator speaks it, as a server and as a client."""
