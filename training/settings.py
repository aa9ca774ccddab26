"""Everything that decides a training run, validated before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .network import Activation
from .optimiser import OptimiserName
from .schedule import ScheduleName

MethodName = Literal["bp", "dfa", "shallow"]
FeedbackName = Literal["optical", "digital"]
DatasetName = Literal["digits", "mnist"]

EPOCHS: dict[DatasetName, int] = {"digits": 30, "mnist": 5}
BATCH_SIZE: dict[DatasetName, int] = {"digits": 16, "mnist": 128}


class TrainSettings(BaseModel):
    """Settings of one run; frozen. Unknown keys and values out of range raise pydantic's ValidationError."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: MethodName = Field("dfa", description="Learning rule: dfa, bp (backprop) or shallow (last layer only).")
    feedback: FeedbackName = Field(
        "optical", description="Where dfa projects its errors: optical (an OPU) or digital (a matrix in memory)."
    )
    dataset: DatasetName = Field("digits", description="digits (bundled with scikit-learn) or mnist.")
    data: Path | None = Field(None, description="Folder with data files; default: the environment's OPU_DATA.")
    epochs: int | None = Field(None, ge=1, description="Passes over the training part; default: digits 30, mnist 5.")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (512, 512), min_length=1, description="Widths of the hidden layers, as 512,512 or a list."
    )
    batch_size: int | None = Field(None, ge=1, description="Samples per update; default: digits 16, mnist 128.")
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False, description="Learning rate of the first epoch.")
    optimiser: OptimiserName = Field("adam", description="adam or sgd.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd.")
    schedule: ScheduleName = Field(
        "exponential", description="Learning rate over epochs: exponential, cosine, constant."
    )
    final_lr_fraction: float = Field(0.13, gt=0, le=1, description="Learning rate of the last epoch over the first.")
    activation: Activation = Field("tanh", description="tanh, or relu, which costs ternary errors about 5 points.")
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

    def resolved(self) -> ResolvedSettings:
        """Return the settings with the data set's defaults filled in."""
        values = self.model_dump()
        values["epochs"] = self.epochs or EPOCHS[self.dataset]
        values["batch_size"] = self.batch_size or BATCH_SIZE[self.dataset]
        values["out"] = self.out or Path("runs")
        return ResolvedSettings(**values)


class ResolvedSettings(TrainSettings):
    """Settings with nothing left open but the data folder."""

    epochs: int = Field(ge=1, description="Passes over the training part.")
    batch_size: int = Field(ge=1, description="Samples per update.")
    out: Path = Field(description="Parent of run folders.")

    @property
    def optical(self) -> bool:
        """Whether the run needs a device."""
        return self.method == "dfa" and self.feedback == "optical"
