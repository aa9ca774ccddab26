import pytest

import opu
from opu.config import load_config, merged
from opu.errors import ConfigError

LAB = """
device = "d"
[devices.d]
kind = "sim"
n_inputs = 20
n_outputs = 40
seed = 7
preset = "typical"
[devices.d.camera]
bit_depth = 10
full_well_e = 9000
[devices.other]
kind = "sim"
n_inputs = 5
n_outputs = 6
encoding = {kind = "ternary", threshold = 0.4}
retrieval = "anchor2"
[train]
epochs = 3
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.delenv("OPU_DEVICE", raising=False)
    path = tmp_path / "lab.toml"
    path.write_text(LAB)
    return path


def test_the_file_chooses_its_device(lab):
    with opu.open(lab) as o:
        assert (o.n_inputs, o.n_outputs, o.spec.bit_depth) == (20, 40, 10)


def test_one_word_swaps_the_device(lab, monkeypatch):
    with opu.open(str(lab), device="other") as o:
        assert (o.n_inputs, o.encoding, o.retrieval) == (5, opu.Ternary(threshold=0.4), opu.Anchor(2))
    monkeypatch.setenv("OPU_DEVICE", "other")
    assert load_config(lab).device == "other"
    assert load_config(lab, device="d").device == "d"


def test_a_kinds_name_stands_for_its_defaults_in_any_file(lab):
    with opu.open(lab, device="sim", n_inputs=3, n_outputs=4) as o:
        assert o.spec.bit_depth == 8


def test_keywords_and_overrides_go_over_the_file(lab):
    with opu.open(lab, camera={"bit_depth": 12}, seed=9) as o:
        assert (o.spec.bit_depth, o.spec.serial) == (12, "sim-9")
        assert o.device.settings.camera.full_well_e == 9000
    config = load_config(
        lab, overrides=["camera.bit_depth=8", "train.epochs=9", "devices.other.seed=3", "preset=harsh"]
    )
    assert config.profile()["camera"] == {"bit_depth": 8, "full_well_e": 9000}
    assert config.profile()["preset"] == "harsh"
    assert config.train == {"epochs": 9}
    assert config.devices["other"]["seed"] == 3


def test_the_only_profile_is_the_default_device(tmp_path, monkeypatch):
    monkeypatch.delenv("OPU_DEVICE", raising=False)
    path = tmp_path / "one.toml"
    path.write_text('[devices.only]\nkind = "sim"\n')
    assert load_config(path).device == "only"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            ("bit_depth", "bit_dept"),
            r"lab\.toml: devices\.d\.camera\.bit_dept: unknown key; did you mean 'bit_depth'\? allowed: bit_",
        ),
        (("n_inputs = 20", 'n_inputs = "many"'), r"devices\.d\.n_inputs = 'many': input should be a valid integer"),
        (("n_inputs = 20\n", ""), r"devices\.d\.n_inputs: missing"),
        (('kind = "sim"\nn_inputs = 20', "n_inputs = 20"), r"devices\.d\.kind: missing; allowed: bench, sim"),
        (
            ('kind = "sim"\nn_inputs = 20', 'kind = "sym"\nn_inputs = 20'),
            "unknown device kind 'sym'; did you mean 'sim'",
        ),
        (('device = "d"', 'device = "e"'), "no device profile 'e'"),
        (('device = "d"', "device = 3"), "must be the name of a profile"),
        (("[train]", "[training]"), "training: unknown key; did you mean 'train'"),
        (("[devices.d]", "[devices.d"), r"lab\.toml is not valid TOML: .*line"),
        (("seed = 7", "seed = -7"), r"devices\.d\.seed = -7: input should be greater than or equal to 0"),
        (("n_inputs = 20", "n_inputs = 2000000"), "needs 10000000 mirrors, and the panel has 912 x 1140"),
        (
            ('preset = "typical"', 'preset = "ideel"'),
            "devices.d.preset = 'ideel': input should be 'ideal', 'typical' or 'harsh'",
        ),
    ],
)
def test_mistakes_are_told_with_key_place_and_what_is_allowed(lab, edit, message):
    lab.write_text(LAB.replace(*edit, 1))
    with pytest.raises(ConfigError, match=message):
        opu.open(lab)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("camera.bit_depth", "expected key=value"),
        ("=3", "expected key=value"),
        ("device=lab1", "use --device NAME"),
        ("camera.bit_depth=nine", r"camera\.bit_depth = 'nine'"),
    ],
)
def test_wrong_overrides_are_told(lab, override, message):
    with pytest.raises(ConfigError, match=message):
        opu.factory.build_profile(load_config(lab, overrides=[override]))


def test_a_missing_file_is_an_error_and_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match=r"no config file .*nothing\.toml.*opu init"):
        opu.open(tmp_path / "nothing.toml")


@pytest.mark.parametrize("source", ["sym", "lab"])
def test_an_unknown_source_says_what_there_is(source):
    with pytest.raises(ConfigError, match=r"neither a device kind nor a config file.*ends in \.toml"):
        opu.open(source)


def test_threads_are_a_key_of_the_file(lab):
    lab.write_text("threads = 1\n" + LAB)
    try:
        opu.open(lab).close()
        assert opu.get_num_threads() == 1
        with pytest.raises(ConfigError, match="integer from 1 to 1024"):
            opu.factory.build_profile(load_config(lab, overrides=["threads=0"]))
    finally:
        opu.set_num_threads(None)


def test_merging_changes_neither_table():
    base, top = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}}
    assert merged(base, top) == {"a": {"b": 9, "c": 2}, "d": 3}
    assert (base["a"]["b"], top) == (1, {"a": {"b": 9}})
