from __future__ import annotations

from pathlib import Path

import pytest
from opu.training.plan import Plan
from opu.training.settings import TrainSettings
from pydantic import ValidationError


def test_defaults_are_optical_dfa_on_digits() -> None:
    settings = TrainSettings()
    assert (settings.method, settings.feedback, settings.dataset) == ("dfa", "optical", "digits")
    assert settings.encoding == {"kind": "ternary", "threshold": 0.3}
    assert settings.retrieval == "anchor2"


@pytest.mark.parametrize(("dataset", "epochs", "batch"), [("digits", 30, 16), ("mnist", 5, 128)])
def test_resolved_fills_what_the_data_set_decides(dataset: str, epochs: int, batch: int) -> None:
    settings = TrainSettings(dataset=dataset).resolved()
    assert (settings.epochs, settings.batch_size, settings.out) == (epochs, batch, Path("runs"))
    assert settings.optical
    assert not TrainSettings(method="bp").resolved().optical
    assert not TrainSettings(feedback="digital").resolved().optical


def test_given_values_survive_resolving() -> None:
    settings = TrainSettings(epochs=3, batch_size=7, out="x", hidden=[5]).resolved()
    assert (settings.epochs, settings.batch_size, settings.out, settings.hidden) == (3, 7, Path("x"), (5,))
    assert settings.resolved() == settings


def test_cora_decides_its_own_defaults_and_comes_whole() -> None:
    settings = TrainSettings(dataset="cora").resolved()
    assert (settings.epochs, settings.hidden, settings.learning_rate) == (250, (64,), 0.01)
    assert (settings.dropout, settings.weight_decay, settings.schedule) == (0.5, 1e-4, "constant")
    assert settings.resolved() == settings
    with pytest.raises(ValidationError, match="batch_size = 16: cora is shown whole"):
        TrainSettings(dataset="cora", batch_size=16)
    with pytest.raises(ValidationError, match="layer_norm"):
        TrainSettings(dataset="cora", layer_norm=True)
    assert TrainSettings(dropout=0.0, dataset="cora").resolved().dropout == 0


@pytest.mark.parametrize(("given", "want"), [("512,256", (512, 256)), ("64", (64,)), (" 3 , 4 ", (3, 4)), (9, (9,))])
def test_hidden_accepts_text(given: object, want: tuple[int, ...]) -> None:
    assert TrainSettings(hidden=given).hidden == want


@pytest.mark.parametrize(
    "bad",
    [
        {"method": "fb"},
        {"slots": 1},
        {"dropout": 1},
        {"dither": 0},
        {"weight_decay": -1},
        {"hidden": ""},
        {"hidden": "5,0"},
        {"hidden": "a"},
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"momentum": 1},
        {"seed": -1},
        {"seed": 2**63},
        {"final_lr_fraction": 0},
        {"lr": 1},
    ],
)
def test_bad_values_and_unknown_keys_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        TrainSettings(**bad)


def test_settings_are_frozen_and_described() -> None:
    settings = TrainSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 1  # type: ignore[misc]
    assert all(field.description for field in TrainSettings.model_fields.values())
    settings.encoding["threshold"] = 0.9
    assert TrainSettings().encoding["threshold"] == 0.3


def test_settings_go_round_through_json() -> None:
    settings = TrainSettings(hidden="7,8", data="d", seed=2**63 - 1).resolved()
    assert type(settings).model_validate(settings.model_dump(mode="json")) == settings


def test_a_pipeline_needs_projections_to_overlap() -> None:
    assert Plan.of(TrainSettings(pipeline=1).resolved()).pipeline == 1
    assert TrainSettings(pipeline=1, feedback="digital").pipeline == 1
    for changes in ({"method": "bp"}, {"method": "drtp"}, {"dataset": "cora"}):
        with pytest.raises(ValidationError, match="nothing to overlap"):
            TrainSettings(pipeline=1, **changes)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        TrainSettings(pipeline=2)
