"""Networks trained by projected errors: direct feedback alignment over an OPU, its digital twin, and its rivals.

The trainer sees a `Method`, a method sees a `Feedback`, and only `OpticalFeedback` sees an OPU, which it is handed.
"""

from __future__ import annotations

from .alignment import Alignment, measure_alignment
from .arms import ALL_ARMS, ARMS, Arm, arm_of, arms_of
from .backprop import Backprop
from .batch import Batch
from .compare import CompareRow, Comparison, compare
from .data import Dataset, load
from .dfa import DFA
from .dithered import DitheredBackprop
from .dni import SyntheticGradients
from .drtp import DRTP
from .feedback import DigitalFeedback, Feedback, OpticalFeedback
from .feedback_alignment import FeedbackAlignment
from .graph_data import GraphData, load_cora
from .layer import Layer, Moment
from .local import LocalLosses
from .method import Cost, Method, trainable
from .methods import make_method, make_network
from .network import Gradients, Network, Trace
from .record import EpochRecord
from .result import RunResult
from .run import RunStart, run_training
from .sample import Sample, Source
from .settings import TrainSettings
from .shallow import Shallow
from .slots import SlotMachines
from .trainer import Plan, fit, train_step

__all__ = [
    "ALL_ARMS",
    "ARMS",
    "DFA",
    "DRTP",
    "Alignment",
    "Arm",
    "Backprop",
    "Batch",
    "CompareRow",
    "Comparison",
    "Cost",
    "Dataset",
    "DigitalFeedback",
    "DitheredBackprop",
    "EpochRecord",
    "Feedback",
    "FeedbackAlignment",
    "Gradients",
    "GraphData",
    "Layer",
    "LocalLosses",
    "Method",
    "Moment",
    "Network",
    "OpticalFeedback",
    "Plan",
    "RunResult",
    "RunStart",
    "Sample",
    "Shallow",
    "SlotMachines",
    "Source",
    "SyntheticGradients",
    "Trace",
    "TrainSettings",
    "arm_of",
    "arms_of",
    "compare",
    "fit",
    "load",
    "load_cora",
    "make_method",
    "make_network",
    "measure_alignment",
    "run_training",
    "train_step",
    "trainable",
]
