"""A laser whose light can be seen from another process: it writes "on" or "off" to a file. Installed as kind `file`."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from opu.part_kinds import PartKind
from opu.parts import LaserSpec, LaserStatus


class FileSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str


class FileLaser:
    spec = LaserSpec("file laser", "1", 0.1)

    def __init__(self, settings):
        self.path = Path(settings.path)
        self.is_open = False

    def open(self):
        self.is_open = True
        self.off()

    def close(self):
        self.off()
        self.is_open = False

    def set_power(self, power_w):
        return power_w

    def on(self):
        self.path.write_text("on")

    def off(self):
        self.path.write_text("off")

    def status(self):
        return LaserStatus(self.is_open, self.path.exists() and self.path.read_text() == "on")


LASER = PartKind("file", "laser", "for tests", FileSettings, FileLaser)
