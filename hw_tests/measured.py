"""What several checks stand on, measured once: exposure, bad outputs, dark stack, photon transfer, drift, speckle…"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from opu import Acquisition
from opu.characterization.bench import Bench
from opu.characterization.characterize import working_exposure
from opu.characterization.dark import Dark, measure_dark
from opu.characterization.kernel import Kernel, measure_kernel
from opu.characterization.linearity import Linearity, measure_linearity
from opu.characterization.outputs import BadOutputs, SignalToNoise, find_bad_outputs, measure_signal_to_noise
from opu.characterization.photon_transfer import PhotonTransfer, fit_photon_transfer, measure_photon_transfer
from opu.characterization.repeatability import Repeatability, measure_repeatability
from opu.characterization.speckle import Speckle, measure_speckle

from .session import Session


def exposure(session: Session) -> Acquisition:
    """Half of the data inputs on read 1/8 of the range on average."""
    return session.shared("exposure", lambda: working_exposure(session.bench))


def bad_outputs(session: Session) -> BadOutputs:
    """Dead, hot and saturated outputs of the whole device."""
    acquisition = exposure(session)
    return session.shared("bad outputs", lambda: find_bad_outputs(session.bench, acquisition))


def good(session: Session) -> Bench:
    """The bench without its bad outputs; while too few are good (CapabilityError) nothing can be measured."""
    bad = bad_outputs(session)
    return session.bench.without(bad.all)


def dark(session: Session) -> Dark:
    """Dark stacks at the shortest, the working and the longest exposure."""
    spec, acquisition, bench = session.spec, exposure(session), good(session)
    exposures = (spec.exposure_min_s, acquisition.exposure_s, spec.exposure_max_s)
    return session.shared("dark stack", lambda: measure_dark(bench, exposures))


def repeatability(session: Session) -> Repeatability:
    """How fast the medium changes."""
    acquisition, bench = exposure(session), good(session)
    return session.shared("repeatability", lambda: measure_repeatability(bench, acquisition))


def photon_transfer(session: Session) -> PhotonTransfer:
    """Variance against mean."""
    acquisition, bench, stack = exposure(session), good(session), dark(session)
    drifts = repeatability(session).rate_per_s.seen
    return session.shared(
        "photon transfer",
        lambda: fit_photon_transfer(measure_photon_transfer(bench, acquisition, stack, drifts), stack),
    )


def speckle(session: Session) -> Speckle:
    """Contrast and distribution of the light."""
    acquisition, bench, stack = exposure(session), good(session), dark(session)
    return session.shared("speckle", lambda: measure_speckle(bench, acquisition, stack))


def signal_to_noise(session: Session) -> SignalToNoise:
    """Of one frame, output by output."""
    acquisition, bench = exposure(session), good(session)
    return session.shared("signal to noise", lambda: measure_signal_to_noise(bench, acquisition))


def kernel(session: Session) -> Kernel:
    """Error of the optical kernel."""
    acquisition, bench, stack = exposure(session), good(session), dark(session)
    return session.shared("kernel", lambda: measure_kernel(bench, acquisition, stack))


def linearity(session: Session) -> Linearity:
    """Of the OPU's own linear projection."""
    bench = good(session)
    return session.shared("linearity", lambda: measure_linearity(session.opu, bench))


def half_on(session: Session, n: int, purpose: str) -> NDArray[np.bool_]:
    """n random frames, half of the data inputs on, the anchor off."""
    spec = session.spec
    rng = session.rng(purpose)
    on = np.arange(spec.n_data_inputs) < max(1, spec.n_data_inputs // 2)
    return widened(session, np.stack([rng.permutation(on) for _ in range(n)]))


def widened(session: Session, data: NDArray[np.bool_], anchor: bool = False) -> NDArray[np.bool_]:
    """Data bits as frames of the device."""
    where = session.spec.anchor_input
    return data if where is None else np.insert(data, where, anchor, axis=-1)
