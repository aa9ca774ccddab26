"""Networks trained by projected errors: direct feedback alignment over an OPU, its digital twin, and its rivals.

The trainer sees a `Method`, a method sees a `Feedback`, and only `OpticalFeedback` sees an OPU, which it is handed.
"""

from __future__ import annotations

from .alignment import Alignment, measure_alignment
from .arms import ARMS, Arm, arm_of
from .backprop import Backprop
from .compare import CompareRow, Comparison, compare
from .data import Dataset, load
from .dfa import DFA
from .feedback import DigitalFeedback, Feedback, OpticalFeedback
from .method import Cost, Method
from .network import Network, Trace
from .record import EpochRecord
from .result import RunResult
from .run import RunStart, run_training
from .settings import TrainSettings
from .shallow import Shallow
from .trainer import Plan, fit

__all__ = [
    "ARMS",
    "DFA",
    "Alignment",
    "Arm",
    "Backprop",
    "CompareRow",
    "Comparison",
    "Cost",
    "Dataset",
    "DigitalFeedback",
    "EpochRecord",
    "Feedback",
    "Method",
    "Network",
    "OpticalFeedback",
    "Plan",
    "RunResult",
    "RunStart",
    "Shallow",
    "Trace",
    "TrainSettings",
    "arm_of",
    "compare",
    "fit",
    "load",
    "measure_alignment",
    "run_training",
]
