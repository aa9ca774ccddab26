"""The laws of `opu.testing`, each a check: what every device promises whatever its light."""

from __future__ import annotations

from collections.abc import Callable

from opu.testing import LAWS, LawBroken, Subject

from .check import Check
from .measured import signal_to_noise
from .outcome import Outcome, failed, passed
from .session import Session

MARGIN = 0.6
"""Of the similarity that the noise leaves; outputs and frames are many, so that chance takes away far less."""


def _law(name: str, law: Callable[[Subject], None]) -> Check:
    broken_law = name.replace("_", " ") + " is broken"
    promise = (law.__doc__ or "").split("\n\n")[0].strip()

    def run(session: Session) -> Outcome:
        snr = signal_to_noise(session).per_frame.value
        similarity = 0.8 if snr is None else min(0.8, MARGIN * snr / (1 + snr))
        session.close()
        device = session.make().device
        try:
            law(Subject(make=lambda: device, similarity=similarity))
        except LawBroken as broken:
            return failed(broken_law, f"{broken}; the device, or its driver, breaks a law")
        finally:
            device.close()
        return passed(promise)

    return Check(f"contract.{name}", promise, run, test="exact; readings compared by correlation", faults=(broken_law,))


CHECKS = tuple(_law(name, law) for name, law in LAWS.items() if name != "orientation_is_out_in")
