"""The optics alone and through the device: polarisation, drift, grain, reference arm, each against its closed form."""

from itertools import pairwise

import numpy as np
import pytest
from opu.sim.device import SimulatedDevice
from opu.sim.settings import SimSettings

from opu.device import Acquisition
from opu.errors import DeviceError, InputError

N_INPUTS, N_OUTPUTS = 40, 6000
PHASES = (0.0, np.pi / 2, np.pi, 3 * np.pi / 2)


def device(**parameters) -> SimulatedDevice:
    """Noiseless, 16 bits, no anchor unless asked for; the beam is flat and off mirrors are black."""
    table = {"n_inputs": N_INPUTS, "n_outputs": N_OUTPUTS, "seed": 3, "preset": "ideal", "anchor_share": 0.0}
    dev = SimulatedDevice(SimSettings(**table | parameters))
    dev.open()
    return dev


def exposed(dev: SimulatedDevice, headroom: float = 16.0, **acquisition) -> SimulatedDevice:
    """Exposed so that the mean light of the whole panel is 1/headroom of the range."""
    camera, laser = dev.settings.camera, dev.settings.laser
    photons_per_s = laser.power_w * laser.coupling * laser.wavelength_m / (6.62607015e-34 * 299_792_458)
    exposure_s = camera.full_well_e / headroom / photons_per_s / camera.quantum_efficiency
    dev.configure(Acquisition(exposure_s, **acquisition))
    return dev


def some_frames(n: int, dev: SimulatedDevice, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, dev.spec.n_inputs)) < 0.5


def contrast(readings: np.ndarray) -> float:
    values = readings.astype(np.float64)
    return float(np.mean(values.std(axis=1) / values.mean(axis=1)))


def fields(dev: SimulatedDevice, frames: np.ndarray) -> np.ndarray:
    """The medium's fields by linearity of stored columns, complex[n, outputs], mean square 1 with the whole panel on."""
    scene = dev.scene
    columns = np.stack([scene.column(j).view(np.complex128) for j in range(N_INPUTS)])
    weights = np.append(scene.panel.levels * scene.panel.unit, scene.panel.anchor)[: frames.shape[1]]
    if scene.panel.anchor:
        columns = np.vstack([columns, scene.column(N_INPUTS).view(np.complex128)])
    return (frames * weights) @ columns


@pytest.mark.parametrize("polarisation", [0.0, 0.5, 0.9])
def test_contrast_of_partly_polarised_light(polarisation):
    """sqrt((1 + P^2) / 2), Goodman section 3.3; the mean does not change."""
    dev = exposed(device(speckle={"polarisation": polarisation}))
    still = exposed(device())
    frames = some_frames(8, dev)
    light, polarised = dev.measure(frames), still.measure(frames)
    # Relative standard error of a contrast of n exponentials is below sqrt(2 / n); frames share half of their inputs.
    error = np.sqrt(2 / N_OUTPUTS)
    assert contrast(light) == pytest.approx(np.sqrt((1 + polarisation**2) / 2), rel=5 * error)
    assert light.mean() == pytest.approx(polarised.mean(), rel=5 * np.sqrt(2 / N_OUTPUTS))


@pytest.mark.parametrize("medium", ["dense", "structured"])
def test_effects_that_are_there_but_idle_leave_the_readings_alone(medium):
    """A still frame 0 of a drifting medium, a shut reference arm: the undrifted device's readings, from another path."""
    for parameters in ({"speckle": {"drift_time_s": 1.0}}, {"reference": {"arm": "phase"}}):
        for preset in ("ideal", "typical"):
            table = {"medium": medium, "preset": preset, "n_outputs": 1001, "anchor_share": 0.5}
            plain, other = exposed(device(**table)), exposed(device(**table, **parameters))
            frames = some_frames(3, plain)
            expected, got = plain.measure(frames).astype(int), other.measure(frames).astype(int)
            if medium == "dense":
                assert np.array_equal(got, expected)
            else:  # |amplitude E|^2 for amplitude^2 |E|^2: now and then a code is rounded to its neighbour
                assert np.abs(got - expected).max() <= 1
                assert np.mean(got != expected) < 0.02


def test_intensities_lose_correlation_as_the_medium_drifts():
    """rho^2 with rho = exp(-dt / tau), and the light stays fully developed speckle all along."""
    tau_s, step_s, n = 1.0, 0.125, 24
    dev = exposed(device(speckle={"drift_time_s": tau_s}), frame_time_s=step_s)
    frames = np.repeat(some_frames(1, dev), n, axis=0)
    light = dev.measure(frames).astype(np.float64)
    light /= light.mean(axis=1, keepdims=True)
    products = (light - 1) @ (light - 1).T / N_OUTPUTS
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) * step_s
    # A product of two exponentials' deviations has variance up to 9 (that of (I - 1)^2, at lag 0).
    assert np.abs(products - np.exp(-2 * lag / tau_s)).max() < 5 * np.sqrt(9 / N_OUTPUTS)
    assert contrast(light) == pytest.approx(1, rel=5 * np.sqrt(2 / N_OUTPUTS))


def test_leak_and_anchor_drift_with_the_medium():
    """E(t) is A(t) times what the mirrors send: all mirrors off shows eps times all on, at any time."""
    dev = exposed(
        device(anchor_share=0.5, dmd={"contrast_ratio": 100.0}, speckle={"drift_time_s": 1.0}), frame_time_s=0.0078125
    )
    dev.seek(0, 3.0)
    frames = np.zeros((2, N_INPUTS + 1), bool)
    frames[1] = True
    dev.configure(Acquisition(dev.status().acquisition.exposure_s))  # short frames: both in one epoch
    off, on = dev.measure(frames).astype(float)
    seen = on < 65535
    assert seen.mean() > 0.99
    assert np.abs(off * 100 - on)[seen].max() <= 51


def test_time_goes_on_across_calls_and_starts_again_at_open():
    dev = exposed(device(speckle={"drift_time_s": 0.01}), frame_time_s=1 / 1024)
    frames = some_frames(12, dev)
    whole = dev.measure(frames)
    for cuts in ([5], list(range(1, 12))):
        dev.close()
        dev.open()
        exposed(dev, frame_time_s=1 / 1024)
        parts = [dev.measure(part) for part in np.split(frames, cuts)]
        assert np.array_equal(np.concatenate(parts), whole)
    later = exposed(device(speckle={"drift_time_s": 0.01}), frame_time_s=1 / 1024)
    later.seek(7)
    assert np.array_equal(later.measure(frames[7:]), whole[7:])


def test_grain_keeps_the_mean_and_correlates_neighbours():
    dev = exposed(device(n_outputs=48 * 40, speckle={"region": [48, 40], "grain_px": 3.0}))
    light = dev.measure(some_frames(40, dev)).reshape(40, 48, 40).astype(float)
    full = exposed(device(n_outputs=48 * 40)).measure(some_frames(40, dev))
    cells = 48 * 40 / 6**2
    assert light.mean() == pytest.approx(full.mean(), rel=5 / np.sqrt(cells))
    deviation = light / light.mean() - 1
    near = np.mean(deviation[:, 1:] * deviation[:, :-1]) / np.mean(deviation**2)
    far = np.mean(deviation[:, 20:] * deviation[:, :-20]) / np.mean(deviation**2)
    assert near > 0.7
    assert abs(far) < 5 / np.sqrt(cells)
    assert (dev.spec.output_shape, dev.spec.grain_px) == ((48, 40), 3.0)


@pytest.mark.parametrize("arm", ["static", "phase"])
def test_shut_and_open_reference_arm(arm):
    """An open arm adds strength times the panel's mean light; without frames lit it is all there is."""
    dev = device(reference={"arm": arm, "strength": 4.0})
    frames = np.zeros((1, N_INPUTS), bool)
    exposed(dev, reference_rad=(0.0,))
    alone = dev.measure(frames)
    assert alone.min() == alone.max() == pytest.approx(4 * 65535 / 16, abs=1)
    exposed(dev)
    assert dev.measure(frames).max() == 0
    exposed(dev, reference_rad=(0.0,), light=False)
    assert dev.measure(frames).max() == 0


@pytest.mark.parametrize(
    "speckle", [{}, {"region": [60, 100]}, {"region": [60, 100], "grain_px": 2.5}], ids=["modes", "pixels", "grain"]
)
def test_four_steps_give_the_field(speckle):
    """(I0 - Ipi) + i (Ipi/2 - I3pi/2) = 4 conj(R) E, with R the wave of the reference at each output; noiseless camera."""
    tilt = (0.125, -0.25) if speckle else (0.0, 0.0)
    dev = exposed(
        device(speckle=speckle, reference={"arm": "phase", "strength": 2.0, "tilt_cycles_per_px": list(tilt)}),
        headroom=24.0,
        reference_rad=PHASES,
    )
    frames = some_frames(4, dev)
    light = dev.measure(np.repeat(frames, 4, axis=0)).astype(float).reshape(4, 4, N_OUTPUTS)
    unit = 65535 / 24  # DN of the whole panel's mean light
    got = ((light[:, 0] - light[:, 2]) + 1j * (light[:, 1] - light[:, 3])) / (4 * unit * np.sqrt(2))
    row, column = np.divmod(np.arange(N_OUTPUTS), 100)
    wave = np.exp(2j * np.pi * (tilt[0] * row + tilt[1] * column))
    modes = fields(dev, frames)
    if "grain_px" not in speckle:
        expected = modes * wave.conj()
    else:
        # The mean over a pixel of the field times the conjugate wave, by the modes' plane waves themselves.
        grain = dev._optics.grain
        frequency = grain.frequencies / np.array(grain.periods_px)
        tapered = np.sinc(frequency - np.array(tilt)).prod(axis=1) / np.sqrt(grain.n_modes)
        plane = np.exp(2j * np.pi * (np.outer(row, frequency[:, 0]) + np.outer(column, frequency[:, 1])))
        expected = (modes * tapered) @ plane.T * wave.conj()
    seen = (light < 65535).all(axis=1)
    assert seen.mean() > 0.999
    # Rounding to codes: four errors of up to half a DN, over 4 unit R; and float32 light of up to 2^16 DN to 2e-7 or so.
    assert np.abs(got - expected)[seen].max() < 1.5 / (4 * unit * np.sqrt(2)) * 2


def test_wrong_steps_and_a_drifting_arm_turn_the_phase():
    frames = np.zeros((8, N_INPUTS), bool)
    frames[:, :20] = True
    true = fields(device(), frames[:1])[0]

    def seen(**reference) -> np.ndarray:
        dev = exposed(device(reference={"arm": "phase", "strength": 2.0, **reference}), 24.0, reference_rad=PHASES)
        light = dev.measure(frames).astype(float).reshape(2, 4, N_OUTPUTS)
        return (light[:, 0] - light[:, 2]) + 1j * (light[:, 1] - light[:, 3])

    def coherence(field: np.ndarray) -> complex:
        return complex(np.vdot(true, field) / np.linalg.norm(true) / np.linalg.norm(field))

    assert abs(coherence(seen()[0])) > 0.9999
    # Steps 10 % too long: 4 E and an error of its conjugate, |sum exp(i d_k)| / 4 with d = 0, 9, 18, 27 degrees.
    errors = np.exp(-1j * 0.1 * np.array(PHASES))
    conjugate = np.exp(1j * 0.1 * np.array(PHASES)) * np.array([1, -1, 1, -1])
    expected = abs(errors.sum()) / np.hypot(abs(errors.sum()), abs(conjugate.sum()))
    assert abs(coherence(seen(phase_gain_error=0.1)[0])) == pytest.approx(expected, abs=0.01)
    slow = seen(coherence_time_s=0.05)
    turned = np.angle(coherence(slow[1]) / coherence(slow[0]))
    from opu.sim.hashing import MASK, mix
    from opu.sim.reference import PHASE_STREAM
    from opu.sim.wander import phase_walk

    dev = exposed(device(reference={"arm": "phase"}))
    frame_time_s = dev.status().acquisition.frame_time_s
    walk = phase_walk(mix((dev.camera.noise_seed ^ PHASE_STREAM) & MASK), np.arange(8) * frame_time_s, 0.05)
    assert turned == pytest.approx(-(walk[4:].mean() - walk[:4].mean()), abs=0.15)


@pytest.mark.parametrize(
    ("arm", "phases", "message"),
    [
        ("none", (0.0,), 'has no reference arm; set reference.arm = "phase"'),
        ("static", (1.0,), r"reference_rad = \(1.0,\): it has a static reference arm"),
        ("static", (0.0, 1.0), "takes .0.0,. alone"),
        ("phase", (0.0, float("nan")), "finite phases only"),
    ],
)
def test_what_the_arm_cannot_do_is_refused_before_light(arm, phases, message):
    dev = device(reference={"arm": arm})
    with pytest.raises(DeviceError, match=message):
        exposed(dev, reference_rad=phases)
    assert not dev.status().light_on


def test_frames_must_fill_the_phases():
    dev = exposed(device(reference={"arm": "phase"}), reference_rad=PHASES)
    with pytest.raises(InputError, match=r"6 frames under 4 phases.*multiple of 4"):
        dev.measure(some_frames(6, dev))
    assert dev.status().frames_shown == 0


def test_anchor_retrieval_of_unpolarised_light_gives_gaussian_rows():
    """Row r is the sum over polarisations of 2 Re(conj(a) A); divided by the root of the anchor's light: i.i.d. N(0, 1)."""
    dev = exposed(device(n_outputs=4000, anchor_share=0.5, speckle={"polarisation": 0.0}), 32.0)
    eye = np.zeros((N_INPUTS, N_INPUTS + 1), bool)
    eye[:, :N_INPUTS] = np.eye(N_INPUTS, dtype=bool)
    with_anchor = eye.copy()
    with_anchor[:, -1] = True
    anchor = np.zeros((1, N_INPUTS + 1), bool)
    anchor[:, -1] = True
    light = [dev.measure(frames).astype(float) for frames in (with_anchor, eye, anchor)]
    rows = (light[0] - light[1] - light[2]).T  # (outputs, inputs)
    rows /= np.sqrt(light[2].T)  # |a|^2, summed over polarisations as it is seen
    rows /= rows.std()
    gram = rows.T @ rows / len(rows)
    # Given the anchor a row is a sum of Gaussians, of variance 2 |a|^2 summed over equal polarisations: the square of what
    # it is divided by. Entries of a Gram matrix of n such rows: standard error 1/sqrt(n), sqrt(2/n) on the diagonal.
    assert np.abs(gram - np.eye(N_INPUTS)).max() < 5.5 * np.sqrt(2 / 4000)
    assert np.mean(rows**4) == pytest.approx(3, abs=0.15)


@pytest.mark.parametrize(
    "parameters",
    [
        {"speckle": {"polarisation": 0.3, "drift_time_s": 0.02}},
        {"speckle": {"region": [13, 16], "grain_px": 2.2, "drift_time_s": 0.02}},
        {"speckle": {"region": [13, 16]}, "reference": {"arm": "phase", "tilt_cycles_per_px": [0.1, 0.2]}},
        {
            "speckle": {"region": [13, 16], "grain_px": 0.7, "polarisation": 0.5},
            "reference": {"arm": "phase", "coherence_time_s": 0.01},
        },
    ],
)
@pytest.mark.parametrize("medium", ["dense", "structured"])
def test_shards_threads_and_batches_do_not_matter(parameters, medium):
    import opu.threads

    phases = (0.0, 2.0) if "reference" in parameters else ()
    table = {"preset": "typical", "n_outputs": 208, "medium": medium, "n_inputs": 20, **parameters}

    def make(**more) -> SimulatedDevice:
        return exposed(device(**table, **more), 3.0, reference_rad=phases)

    frames = some_frames(10, make())
    whole = make().measure(frames)
    assert whole.max() > whole.min()
    opu.threads.set_num_threads(1)
    try:
        assert np.array_equal(make().measure(frames), whole)
    finally:
        opu.threads.set_num_threads(None)
    dev = make()
    assert np.array_equal(np.concatenate([dev.measure(part) for part in np.split(frames, [2, 6])]), whole)
    parts = [make(outputs=cut).measure(frames) for cut in pairwise([0, 4, 120, 208])]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
