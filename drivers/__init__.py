"""Real instruments and the appliance: a server that puts any OPU on the network, and the VISA client that drives it."""
