import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opu.characterization.quantity import Quantity, jackknife, quantity, unmeasured


def test_jackknife_of_a_mean_is_the_textbook_standard_error():
    x = np.random.default_rng(0).standard_normal(20)
    blocks = np.stack([x, np.ones(20)], axis=1)
    value, error = jackknife(blocks, lambda total: total[0] / total[1])
    assert value == pytest.approx(x.mean(), rel=1e-12)
    assert error == pytest.approx(x.std(ddof=1) / 20**0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Quantity(0.0188123, 0.000071, "DN/e"), "0.018812 ± 0.000071 DN/e"),
        (Quantity(12.034, 0.16, "e"), "12.03 ± 0.16 e"),
        (Quantity(300101.0, 5891.0, "DN/s"), "300101 ± 5891 DN/s"),
        (Quantity(13452.0, None, "e", "lower"), "at least 13452 e"),
        (Quantity(1.7454e8, 8.0e6, "DN/s"), "(1.745 ± 0.080)e8 DN/s"),
        (unmeasured("s", "too dark"), "not measured"),
    ],
)
def test_figures_are_shown_to_the_digits_that_their_errors_allow(figure, text):
    assert str(figure) == text


@given(st.floats(1e-12, 1e12), st.floats(1e-6, 10))
def test_what_is_shown_agrees_with_the_value_to_a_tenth_of_its_error(value, relative):
    shown = str(Quantity(value, value * relative)).replace("(", "").replace(")", "")
    number, _, rest = shown.partition(" ± ")
    power = rest.partition("e")[2] if "e" in rest else "0"
    assert abs(float(number) * 10.0 ** int(power) - value) <= 0.1 * value * relative


def test_no_number_is_not_measured_and_json_holds_null():
    figure = quantity(float("nan"), 1.0, "e", "nothing was seen")
    assert (figure.value, figure.note, figure.seen) == (None, "nothing was seen", False)
    assert json.loads(json.dumps(figure.as_json())) == {
        "value": None,
        "standard_error": None,
        "unit": "e",
        "note": "nothing was seen",
    }
