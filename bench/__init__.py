"""The gateway beside its peers, in one run on one machine: speed, streaming, memory. See README.md."""
