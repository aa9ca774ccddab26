"""Everything that decides a training run, validated before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .activation import ActivationName
from .loss import LossName
from .optimiser import OptimiserName
from .schedule import ScheduleName

MethodName = Literal["bp", "fa", "dfa", "shallow", "drtp", "local", "dni", "dithered", "slots"]
FeedbackName = Literal["optical", "digital"]
DatasetName = Literal["digits", "mnist", "cora"]

_IMAGES: dict[str, Any] = {
    "hidden": (512, 512),
    "learning_rate": 1e-3,
    "schedule": "exponential",
    "dropout": 0.0,
    "weight_decay": 0.0,
}
DEFAULTS: dict[DatasetName, dict[str, Any]] = {
    "digits": {"epochs": 30, "batch_size": 16, **_IMAGES},
    "mnist": {"epochs": 5, "batch_size": 128, **_IMAGES},
    "cora": {
        "epochs": 250,
        "batch_size": 140,
        "hidden": (64,),
        "learning_rate": 1e-2,
        "schedule": "constant",
        "dropout": 0.5,
        "weight_decay": 1e-4,
    },
}
"""What a data set decides where the settings leave it open; Cora is shown whole, so its batch is its training part."""


class TrainSettings(BaseModel):
    """Settings of one run; frozen. Unknown keys and values out of range raise pydantic's ValidationError."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: MethodName = Field(
        "dfa",
        description="Learning rule: dfa, bp (backprop), fa, shallow (last layer only), drtp, local, dni, dithered, slots.",
    )
    feedback: FeedbackName = Field(
        "optical", description="Where dfa projects its errors: optical (an OPU) or digital (a matrix in memory)."
    )
    dataset: DatasetName = Field("digits", description="digits (bundled with scikit-learn), mnist or cora (a graph).")
    data: Path | None = Field(None, description="Folder with data files; default: the environment's OPU_DATA.")
    epochs: int | None = Field(
        None, ge=1, description="Passes over the training part; default: digits 30, mnist 5, cora 250."
    )
    hidden: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None, min_length=1, description="Widths of the hidden layers, as 512,512 or a list; default: 512,512, cora 64."
    )
    batch_size: int | None = Field(
        None, ge=1, description="Samples per update; default: digits 16, mnist 128, cora all."
    )
    learning_rate: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Learning rate of the first epoch; default: 0.001, cora 0.01."
    )
    optimiser: OptimiserName = Field("adam", description="adam or sgd.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd.")
    weight_decay: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Share of each weight added to its gradient; default: 0, cora 1e-4.",
    )
    schedule: ScheduleName | None = Field(
        None,
        description="Learning rate over epochs: exponential, cosine, constant; default: exponential, cora constant.",
    )
    final_lr_fraction: float = Field(0.13, gt=0, le=1, description="Learning rate of the last epoch over the first.")
    loss: LossName = Field("cross-entropy", description="cross-entropy, or mse or bce of one-hot labels.")
    activation: ActivationName = Field("tanh", description="tanh, or relu, which costs ternary errors about 5 points.")
    dropout: float | None = Field(
        None, ge=0, lt=1, description="Share of hidden values dropped while training; default: 0, cora 0.5."
    )
    layer_norm: bool = Field(False, description="Normalise the sums of every hidden layer over its features.")
    local_classifiers: Literal["trained", "fixed"] = Field(
        "trained", description="Of method local: whether each layer's classifier learns, too."
    )
    dither: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="Of method dithered: grid of the gradients, in standard deviations."
    )
    slots: int = Field(8, ge=2, le=256, description="Of method slots: fixed random values per weight.")
    pipeline: int = Field(
        0,
        ge=0,
        le=1,
        description="Of method dfa: 1 measures a step's projection while the next step's forward pass is computed.",
    )
    arrays: Literal["numpy", "cupy"] = Field(
        "numpy", description="Where the network is trained: numpy, or cupy on a GPU."
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Seed of weights, batches and digital feedback.")
    encoding: Any = Field(
        default_factory=lambda: {"kind": "ternary", "threshold": 0.3},
        description="How errors become frames; handed to the OPU as it is.",
    )
    retrieval: Any = Field(
        "anchor2", description="How readings become a linear projection; handed to the OPU as it is."
    )
    out: Path | None = Field(None, description="Parent of run folders; default: runs.")

    @field_validator("encoding", mode="before")
    @classmethod
    def _ternary_unless_named(cls, value: Any) -> Any:
        return {"kind": "ternary", **value} if isinstance(value, Mapping) else value

    @field_validator("hidden", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return (value,) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _possible_together(self) -> TrainSettings:
        if self.dataset == "cora" and self.batch_size not in (None, DEFAULTS["cora"]["batch_size"]):
            raise ValueError(f"batch_size = {self.batch_size}: cora is shown whole at every step, leave batch_size out")
        if self.dataset == "cora" and self.layer_norm:
            raise ValueError("layer_norm is for digits and mnist: leave it out for cora")
        if self.pipeline and (self.method != "dfa" or self.dataset == "cora"):
            what = "cora is one step an epoch" if self.dataset == "cora" else f"method {self.method} projects nothing"
            raise ValueError(f"pipeline = {self.pipeline}: {what}, so there is nothing to overlap; leave pipeline out")
        if self.arrays != "numpy" and (self.dataset == "cora" or self.method == "slots"):
            raise ValueError(f"arrays = {self.arrays!r}: cora and slots are for numpy")
        return self

    def resolved(self) -> ResolvedSettings:
        """Return the settings with the data set's defaults filled in."""
        values = self.model_dump()
        for name, value in {**DEFAULTS[self.dataset], "out": Path("runs")}.items():
            values[name] = value if values[name] is None else values[name]
        return ResolvedSettings(**values)


class ResolvedSettings(TrainSettings):
    """Settings with nothing left open but the data folder."""

    epochs: int = Field(ge=1, description="Passes over the training part.")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1, description="Widths of the hidden layers.")
    batch_size: int = Field(ge=1, description="Samples per update.")
    learning_rate: float = Field(gt=0, allow_inf_nan=False, description="Learning rate of the first epoch.")
    weight_decay: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Share of each weight added to its gradient."
    )
    schedule: ScheduleName = Field(description="Learning rate over epochs.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of hidden values dropped while training.")
    out: Path = Field(description="Parent of run folders.")

    @property
    def optical(self) -> bool:
        """Whether the run needs a device."""
        return self.method == "dfa" and self.feedback == "optical"
