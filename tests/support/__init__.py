"""What tests build on: a bench, messages by number, servers, simulators and deployments."""
