from __future__ import annotations

from opu.training.units import angle_text, device_text, joules_text, seconds_text


def test_numbers_as_people_read_them() -> None:
    assert [seconds_text(s) for s in (4.21, 59.9, 200.4, 119.7)] == ["4.2 s", "59.9 s", "3 min 20 s", "2 min 00 s"]
    joules = (0.0, 0.5, 154.77, 999.4, 999.6, 6217.0, 999_400.0, 999_600.0)
    assert [joules_text(j) for j in joules] == [
        "–",
        "0.5 J",
        "155 J",
        "999 J",
        "1 kJ",
        "6.22 kJ",
        "999 kJ",
        "1 MJ",
    ]
    assert [angle_text(a) for a in (None, 72.46)] == ["–", "72.5°"]
    assert device_text(3386, 2.36, 70.8) == "3,386 frames, 2.4 s and 70.8 J of device"
    assert device_text(10, 1.0, 0.0) == "10 frames, 1.0 s of device"
