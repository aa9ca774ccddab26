"""Arrays of every kind: which one it is, the way into a namespace that can work on it, and the way back.

Code above the devices is written once, with the functions of the array API standard (`xp = namespace(x)`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_cupy_array, is_torch_array

Array: TypeAlias = Any
"""An array of the namespace that a call works in."""

Kinds: TypeAlias = tuple[str, ...]
NUMPY: Kinds = ("numpy",)


def namespace(x: Array) -> Any:
    """The array API of x's kind: `xp` in the code. NumPy's own for NumPy, which needs no wrapper and has no time for one."""
    return np if isinstance(x, np.ndarray) else array_namespace(x)


def kind_of(x: object) -> str:
    """The name of x's namespace ("numpy", "cupy", "torch", ...); "" for what is no array, such as a list or a table."""
    if isinstance(x, np.ndarray):
        return "numpy"
    if is_torch_array(x):  # asking for its namespace would load a wrapper for all of PyTorch
        return "torch"
    if not is_array_api_obj(x):
        return ""
    return str(array_namespace(x).__name__).removeprefix("array_api_compat.")


def taken(x: Any, kinds: Kinds = NUMPY) -> Array:
    """x itself if its kind is among `kinds`, else x as a NumPy array; raises as its library does if it cannot be one."""
    kind = kind_of(x)
    if kind == "torch" and kind not in kinds:
        # NumPy has no bfloat16; force: out of autograd, off the GPU.
        short = x.dtype.is_floating_point and x.dtype.itemsize < 4
        return (x.float() if short else x).numpy(force=True)
    if kind == "cupy" and kind not in kinds:
        return x.get()
    return x if kind in kinds and kind != "numpy" else np.asarray(x)


def like(result: Array, x: Any) -> Array:
    """The result as what x is: a PyTorch tensor or a CuPy array on x's device, else as it is."""
    if is_torch_array(x):
        import torch

        return torch.as_tensor(result, device=x.device)
    if is_cupy_array(x) and isinstance(result, np.ndarray):
        import cupy

        with x.device:
            return cupy.asarray(result)
    return result
