"""Hardware in the loop: is this device fit to train on? `opu hil`, or `pytest hw_tests --opu-config lab.toml`."""
