"""Physical constants that the SI fixes exactly, since 2019. BIPM, SI Brochure, 9th edition."""

PLANCK_J_S = 6.62607015e-34
SPEED_OF_LIGHT_M_PER_S = 299_792_458.0
