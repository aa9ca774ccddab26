"""The laws every device obeys, as plain functions: run them in the tests of your own device.

from opu.testing import Subject, check
assert not check(Subject(make=lambda: MyDevice("lab1")))
"""

from opu.testing.laws import LAWS, LawBroken, check
from opu.testing.part_laws import check_camera, check_laser, check_modulator
from opu.testing.reference import ReferenceDevice
from opu.testing.subject import Subject

__all__ = [
    "LAWS",
    "LawBroken",
    "ReferenceDevice",
    "Subject",
    "check",
    "check_camera",
    "check_laser",
    "check_modulator",
]
