"""The physical simulator: laser, micromirrors, scattering medium and camera as a `Device`."""
