"""Any device measured as an instrument: gain, noise, speckle, drift, linearity; and a simulator profile from the figures."""
