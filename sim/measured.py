"""A measured matrix at work, by the light law of the hashed media: E = (1 - eps) (sum_on g A + anchor) + eps (all of it)."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .light import Scene
from .matrix import Matrix, add_products


class MatrixLight:
    """Fields of a scene whose medium is a measured matrix (rows: all outputs of the scene)."""

    def __init__(self, scene: Scene, matrix: Matrix) -> None:
        self.scene, self.matrix = scene, matrix
        self._entries = matrix.entries[scene.outputs.start : scene.outputs.stop]
        self._amplitudes = matrix.scale * scene.panel.unit * scene.panel.levels.astype(np.float64)

    def add_fields(
        self,
        packed: NDArray[np.uint8],
        anchored: NDArray[np.float32],
        amplitude: float,
        fields: NDArray[np.complex64],
    ) -> None:
        """fields += amplitude E, complex64[n, outputs], contiguous."""
        bright = amplitude * (1 - self.scene.leak)
        add_products(packed, self._entries, bright * self._amplitudes, fields)
        parts = fields.view(np.float32)
        parts += anchored[:, None] * (bright * self.anchor).astype(np.complex64).view(np.float32)
        parts += (amplitude * self._leak).astype(np.complex64).view(np.float32)

    @cached_property
    def anchor(self) -> NDArray[np.complex128]:
        """The anchor's field of unit amplitude, complex128[outputs]: the matrix' last column, or a hashed one."""
        panel = self.scene.panel
        if not panel.anchor:
            return np.zeros(self.scene.n_outputs, np.complex128)
        if self.matrix.has_anchor:
            measured: NDArray[np.complex128] = self.matrix.scale * self._entries[:, panel.n_inputs].astype(
                np.complex128
            )
            return panel.anchor * measured
        return panel.anchor * self.scene.column(panel.n_inputs).view(np.complex128)

    @cached_property
    def _leak(self) -> NDArray[np.complex128]:
        """eps times the field of everything, complex128[outputs]: one pass over the matrix, made once."""
        panel, n = self.scene.panel, self.scene.n_outputs
        if not self.scene.leak:
            return np.zeros(n, np.complex128)
        everything = np.zeros((1, n), np.complex64)
        all_on = np.full((1, -(-panel.n_inputs // 8)), 255, np.uint8)
        add_products(all_on, self._entries, self._amplitudes, everything)
        parked = panel.parked * self.scene.column(panel.n_inputs + 1).view(np.complex128)
        leaked: NDArray[np.complex128] = self.scene.leak * (everything[0] + self.anchor + parked)
        return leaked
