"""The catalogue of sick devices: what is wrong, which check must say so, and in which words.

Most are put in front of any device (`opu hil --sick NAME`); those that need another medium or camera are overrides of a
simulator's config.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opu.errors import ConfigError
from opu.validation import suggestion

from . import sick_faults as faults
from .sick_device import Fault


@dataclass(frozen=True)
class Sickness:
    """right: checks any of which must fail. cause: words in the cause that one of them gives.

    needs: of a simulator, over its own, sick or healthy. settings: likewise, of the sick one alone; a matrix_file names what
    the file is to hold, a seed is added to the healthy one's. disguised: the device says that it is the healthy one.
    baseline: only an earlier report of the healthy device can show it.
    """

    name: str
    what: str
    right: tuple[str, ...]
    cause: str
    fault: Fault = field(default_factory=Fault)
    needs: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    disguised: bool = False
    baseline: bool = False


def sickness_of(name: str, option: str) -> Sickness:
    """The one of the catalogue; ConfigError lists what there is."""
    found = next((one for one in CATALOGUE if one.name == name), None)
    if found is None:
        raise ConfigError(f"{option} {name}: unknown; {suggestion(name, [one.name for one in CATALOGUE])}")
    return found


CATALOGUE: tuple[Sickness, ...] = (
    Sickness("dark-laser", "the laser never lights", ("light.arrives",), "no light", Fault(configure=faults.dark)),
    Sickness(
        "saturated",
        "a thousand times too bright",
        ("light.arrives",),
        "saturated",
        settings={"laser": {"power_w": 100.0}},
    ),
    Sickness(
        "drifting",
        "the medium's 1/e time is 4 s",
        ("medium.drift",),
        "drifts",
        settings={"speckle": {"drift_time_s": 4.0}},
    ),
    Sickness("bit-stuck", "bit 3 is always 1", ("codes.bits",), "bit 3 stuck at 1", Fault(readings=faults.bit_stuck)),
    Sickness(
        "swapped-bytes",
        "12-bit readings, bytes swapped",
        ("codes.bits", "codes.order"),
        "bytes swapped",
        Fault(readings=faults.swapped),
        needs={"camera": {"bit_depth": 12}},
    ),
    Sickness(
        "rows-shifted",
        "every output reads the one before",
        ("medium.kept",),
        "outputs shifted",
        Fault(readings=faults.shifted),
        baseline=True,
    ),
    Sickness(
        "inputs-shifted",
        "every pattern lies two inputs further",
        ("medium.kept",),
        "inputs shifted",
        Fault(frames=faults.inputs_shifted),
        baseline=True,
    ),
    Sickness(
        "transposed",
        "the matrix is indexed [in, out]",
        ("medium.kept",),
        "transposed medium",
        needs={"medium": "matrix", "matrix_file": "random", "n_inputs": 256, "n_outputs": 256},
        settings={"matrix_file": "transposed"},
        baseline=True,
    ),
    Sickness(
        "duplicated", "3 % of frames come twice", ("frames.each",), "duplicated", Fault(readings=faults.duplicated)
    ),
    Sickness(
        "dropped-trigger",
        "40 frames after configure() a trigger is lost",
        ("frames.each",),
        "trigger was lost",
        Fault(readings=faults.trigger_lost),
    ),
    Sickness("slow-leak", "2 % of frames are lost on their way", ("frames.each",), "lost", Fault(readings=faults.leak)),
    Sickness(
        "drops",
        "5 % of frames are dropped and shown again",
        ("frames.counters",),
        "lost frames",
        Fault(status=faults.drops),
    ),
    Sickness(
        "dead-columns",
        "outputs 96 to 127 are dark",
        ("outputs.dead",),
        "dead outputs",
        Fault(readings=faults.dead_column),
    ),
    Sickness(
        "stuck-outputs",
        "one output in 16 always reads the same",
        ("outputs.stuck",),
        "stuck outputs",
        Fault(readings=faults.stuck_outputs),
    ),
    Sickness(
        "hot-outputs",
        "one output in 20 glows in the dark",
        ("outputs.hot",),
        "hot outputs",
        Fault(readings=faults.hot),
    ),
    Sickness(
        "wrong-exposure",
        "seconds are taken for milliseconds",
        ("light.follows_exposure", "light.brightness"),
        "exposure",
        Fault(configure=faults.milliseconds),
        baseline=True,
    ),
    Sickness(
        "gain-lies",
        "the gain is a fifth higher than it says",
        ("camera.gain",),
        "gain differs",
        Fault(readings=faults.brighter),
        baseline=True,
    ),
    Sickness("frozen", "the image never changes", ("inputs.act",), "frozen", Fault(frames=faults.frozen)),
    Sickness(
        "not-random",
        "all entries of the medium are alike but for 20 %",
        ("medium.contrast",),
        "not random",
        settings={"medium": "matrix", "matrix_file": "not-random"},
    ),
    Sickness(
        "correlated-rows",
        "every two outputs see the same speckle",
        ("medium.outputs",),
        "correlated",
        Fault(readings=faults.blurred),
    ),
    Sickness(
        "wrong-bit-depth",
        "6 bits where 8 are said to be",
        ("codes.bits",),
        "wrong bit depth",
        Fault(readings=faults.six_bits),
    ),
    Sickness(
        "coarse-codes",
        "the lowest two bits are always 0",
        ("codes.bits",),
        "wrong bit depth",
        Fault(readings=faults.coarse),
    ),
    Sickness(
        "interlock-ignored",
        "lit although the interlock is open",
        ("safety.interlock",),
        "interlock ignored",
        Fault(status=faults.interlock),
    ),
    Sickness(
        "serial-changed",
        "another device answers",
        ("identity.serial",),
        "another device",
        Fault(spec=faults.other_serial),
        baseline=True,
    ),
    Sickness(
        "fingerprint-changed",
        "the device says that its medium is another",
        ("identity.fingerprint",),
        "replaced",
        Fault(spec=faults.other_fingerprint),
        baseline=True,
    ),
    Sickness(
        "medium-replaced",
        "another medium under the same fingerprint",
        ("medium.kept",),
        "replaced",
        settings={"seed": 4242},
        disguised=True,
        baseline=True,
    ),
    Sickness(
        "wrong-noise",
        "noise in proportion to the light",
        ("camera.noise_law",),
        "noise of the wrong law",
        Fault(readings=faults.flicker),
    ),
    Sickness(
        "too-noisy",
        "interference far above the speckle",
        ("outputs.signal",),
        "too little signal",
        Fault(readings=faults.noisy),
    ),
    Sickness("dead-cable", "inputs 8 to 15 are off", ("inputs.alive",), "dead inputs", Fault(frames=faults.dead_cable)),
    Sickness(
        "crosstalk",
        "every input switches its neighbour too",
        ("inputs.crosstalk",),
        "crosstalk",
        Fault(frames=faults.neighbours),
    ),
    Sickness(
        "light-stays",
        "blanking does nothing",
        ("light.goes",),
        "light stays on",
        Fault(configure=faults.always_lit),
    ),
    Sickness(
        "lit-at-open",
        "the light is on from the start",
        ("safety.dark_when_opened",),
        "lit at open",
        Fault(status=faults.glows),
    ),
    Sickness(
        "bits-backwards",
        "packed frames are read least significant bit first",
        ("contract.packed_frames_equal_unpacked",),
        "packed frames",
        Fault(packed=faults.backwards),
    ),
    Sickness(
        "miscounts",
        "the frame counter is half as fast",
        ("frames.counters",),
        "frame counter lies",
        Fault(status=faults.miscounts),
    ),
    Sickness("slow", "four times slower than its spec", ("timing.rate",), "slower", Fault(status=faults.slow_clock)),
    Sickness("unsteady", "the light swings by half", ("timing.steady",), "not steady", Fault(readings=faults.unsteady)),
)
