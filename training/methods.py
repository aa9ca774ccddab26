"""From settings to a network and a method that trains it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from opu.errors import ConfigError
from opu.processor import OPU

from .activation import activation
from .array_module import array_module
from .backprop import Backprop
from .dfa import DFA
from .dithered import DitheredBackprop
from .dni import SyntheticGradients
from .dropout import Dropout
from .drtp import DRTP
from .feedback import DigitalFeedback, Feedback, OpticalFeedback
from .feedback_alignment import FeedbackAlignment
from .graph_convolution import GraphConvolution
from .graph_data import GraphData
from .layer import Layer
from .local import LocalLosses
from .method import Method
from .network import Network
from .sample import Source
from .settings import ResolvedSettings
from .shallow import Shallow
from .slots import SlotMachines
from .streams import stream


def make_network(settings: ResolvedSettings, dataset: Source) -> Network:
    """Return the network that the settings describe: dense for images, graph convolutions for a graph."""
    sizes = (dataset.n_features, *settings.hidden, dataset.n_classes)
    rng = stream(settings.seed, "init")
    if not isinstance(dataset, GraphData):
        xp = array_module(settings.arrays)
        network = Network(sizes, rng, settings.activation, dropout=settings.dropout, layer_norm=settings.layer_norm)
        return network if xp is np else network.to(xp)
    blocks: list[list[Layer]] = []
    for number, (n_in, n_out) in enumerate(pairwise(sizes)):
        block: list[Layer] = [Dropout(settings.dropout, number)] if settings.dropout > 0 else []
        block.append(GraphConvolution(dataset.adjacency, n_in, n_out, rng))
        blocks.append([*block, activation(settings.activation)] if number < len(settings.hidden) else block)
    return Network.of(blocks)


def make_method(settings: ResolvedSettings, network: Network, opu: OPU | None = None) -> Method:
    """Return the method that the settings name, for that network; opu: open, for optical feedback.

    Raises InputError when the OPU is too small, ConfigError for optical feedback without one.
    """
    seed = settings.seed
    makers: dict[str, Callable[[], Method]] = {
        "bp": Backprop,
        "fa": lambda: FeedbackAlignment(network, seed),
        "dfa": lambda: _dfa(settings, network, opu),
        "shallow": Shallow,
        "drtp": lambda: DRTP(_digital(network, seed)),
        "local": lambda: LocalLosses(network, seed, trained=settings.local_classifiers == "trained"),
        "dni": lambda: SyntheticGradients(network),
        "dithered": lambda: DitheredBackprop(settings.dither),
        "slots": lambda: SlotMachines(network, seed, settings.slots),
    }
    return makers[settings.method]()


def _digital(network: Network, seed: int) -> Feedback:
    return DigitalFeedback(network.sizes[-1], sum(network.hidden), seed)


def _dfa(settings: ResolvedSettings, network: Network, opu: OPU | None) -> Method:
    if not settings.optical:
        feedback = _digital(network, settings.seed)
    elif opu is not None:
        feedback = OpticalFeedback(opu, network.sizes[-1], sum(network.hidden))
    else:
        raise ConfigError(
            "feedback = 'optical' needs a device and none was given: name a device or use digital feedback"
        )
    last = next((layer for layer in network.blocks[-1] if isinstance(layer, GraphConvolution)), None)
    return DFA(feedback, None if last is None else last.spread)
