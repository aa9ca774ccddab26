"""Direct random target projection: the label itself, at random, tells hidden layers where to go."""

from __future__ import annotations

from opu.arrays import Array, namespace
from opu.errors import InputError

from .batch import Batch
from .dfa import check_feedback, slices
from .feedback import Feedback
from .loss import one_hot
from .method import Cost, Span
from .network import Gradients, Network


class DRTP:
    """delta_i = (-t B_i / sqrt(n_i)) * f'(a_i), t the one-hot target in place of the error y - t. Frenkel et al. 2021.

    Of a softmax error only the target's entry is negative, so -t is its sign where it matters; hidden layers need no
    forward pass but their own, and learn before the output is known. Classification only: check and gradients raise
    InputError for feedback that does not fit, and for targets that are not labels.
    """

    name = "drtp"
    span: Span = "block"

    def __init__(self, feedback: Feedback) -> None:
        self.feedback = feedback
        self.parameters: list[Array] = []

    def check(self, network: Network) -> None:
        """Raise InputError when the feedback does not fit the network."""
        check_feedback(self.feedback, network)

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return the gradients from ONE projection of the targets; the last block's are exact."""
        check_feedback(self.feedback, network)
        if batch.targets.ndim != 1:
            raise InputError(f"drtp got targets of shape {batch.targets.shape}: it projects class labels (B,)")
        targets = one_hot(batch.targets, batch.error)
        if batch.rows is not None:
            known = namespace(targets).zeros_like(targets)
            known[batch.rows] = targets[batch.rows]
            targets = known
        signals = slices(self.feedback.project(-targets), network, batch.scale)
        return network.from_signals(batch.trace, [*signals, batch.error * batch.scale])

    def cost(self) -> Cost:
        """Frames and device time that the feedback has used."""
        return Cost(self.feedback.frames_shown, self.feedback.device_seconds)
