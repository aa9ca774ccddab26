import numpy as np
import pytest

from opu.characterization.bench import Bench, choose_outputs
from opu.characterization.linearity import measure_linearity
from opu.processor import OPU

K_SIGMAS = 4.5


def linearity(open_sim, encoding=None, retrieval=None, **settings):
    device = open_sim(**settings).device
    opu = OPU(device, encoding=encoding, retrieval=retrieval)
    return measure_linearity(opu, Bench(device, choose_outputs(device.spec), quick=True))


@pytest.mark.parametrize("encoding", ["bitplanes", "ternary", "binary"])
def test_the_four_frame_anchor_is_linear(open_sim, encoding):
    found = linearity(open_sim, encoding, "anchor4", anchor_share=0.7)
    assert abs(found.additivity.value) < K_SIGMAS * found.additivity.standard_error + 1e-3  # saturated readings
    assert found.additivity.standard_error < 0.03
    assert found.projection_snr.value > 5
    if encoding == "binary":
        assert found.homogeneity.value is None
    else:
        assert abs(found.homogeneity.value) < K_SIGMAS * found.homogeneity.standard_error
    assert found.uses == f"{encoding} encoding, anchor4 retrieval"


def test_an_intensity_difference_is_not_linear(open_sim):
    """|A(x + y)|^2 holds the cross terms 2 Re (Ax)* (Ay), of a good part of the whole power."""
    found = linearity(open_sim, "ternary", "difference", anchor_share=0.0)
    assert found.additivity.value > 0.2
    assert found.additivity.value > 10 * found.additivity.standard_error


def test_a_retrieval_that_the_device_cannot_do_is_told(open_sim):
    found = linearity(open_sim, "ternary", "anchor4", anchor_share=0.0)
    assert found.additivity.value is None
    assert "anchor" in found.additivity.note
    assert found.together.size == 0


def test_results_are_of_the_analysed_outputs(open_sim):
    device = open_sim(anchor_share=0.7).device
    some = Bench(device, np.arange(0, 768, 5), quick=True)
    found = measure_linearity(OPU(device, encoding="ternary", retrieval="anchor4"), some)
    assert found.together.size == 4 * len(some.outputs)
    assert np.corrcoef(found.together, found.apart)[0, 1] > 0.8
