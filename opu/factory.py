"""opu.open: from a kind's name or a config file to an open OPU."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from opu.calibration import Calibration
from opu.config import Config, Table, load_config, merged
from opu.encodings import Encoding, encoding_from
from opu.errors import ConfigError, InputError
from opu.kinds import DeviceKind, kind_names, load_kind
from opu.processor import OPU
from opu.retrieval import Retrieval, retrieval_from
from opu.sharding import sharded
from opu.threads import set_num_threads
from opu.validation import suggestion, validated

OWN_KEYS = ("encoding", "retrieval", "calibration", "hil")
"""Keys of a profile that belong to the OPU or its acceptance test, whatever its device."""


def open(
    source: str | Path = "sim",
    *,
    device: str | None = None,
    encoding: str | Mapping[str, Any] | Encoding | None = None,
    retrieval: str | Retrieval | None = None,
    calibration: Calibration | str | Path | None = None,
    executor: Executor | None = None,
    shards: int | None = None,
    **parameters: Any,
) -> OPU:
    """An open OPU: opu.open("sim", n_inputs=784, n_outputs=2000), opu.open("lab.toml"), opu.open("lab.toml", device="lab1").

    source: the name of a device kind, or a TOML file (its name ends in .toml). device: the file's profile to use.
    encoding, retrieval, calibration: as for OPU. executor, shards: share the outputs out over workers (opu.sharding says
    when that pays). Every other keyword is a parameter of the device, over the file's.
    Close it, or use it in `with`. Raises ConfigError for names, keys and values, DeviceError when it does not open.
    """
    if isinstance(source, Path) or str(source).endswith(".toml"):
        config = load_config(source, device)
    elif source in kind_names():
        if device is not None:
            raise ConfigError(
                f"device = {device!r} chooses a profile of a config file, and {source!r} is a kind, not a file"
            )
        config = Config("opu.open", str(source))
    else:
        raise ConfigError(
            f"{source!r} is neither a device kind nor a config file; {suggestion(str(source), kind_names())}; "
            "the name of a config file ends in .toml"
        )
    return open_profile(config, parameters, encoding, retrieval, calibration, executor=executor, shards=shards)


def open_profile(
    config: Config,
    parameters: Mapping[str, Any] | None = None,
    encoding: str | Mapping[str, Any] | Encoding | None = None,
    retrieval: str | Retrieval | None = None,
    calibration: Calibration | str | Path | None = None,
    *,
    executor: Executor | None = None,
    shards: int | None = None,
) -> OPU:
    """The chosen profile of `config` as an open OPU; arguments go over the profile's own. Raises as `open` does."""
    opu = build_profile(config, parameters, encoding, retrieval, calibration, executor=executor, shards=shards)
    try:
        return opu.open()
    except BaseException:
        opu.close()
        raise


def build_profile(
    config: Config,
    parameters: Mapping[str, Any] | None = None,
    encoding: str | Mapping[str, Any] | Encoding | None = None,
    retrieval: str | Retrieval | None = None,
    calibration: Calibration | str | Path | None = None,
    *,
    executor: Executor | None = None,
    shards: int | None = None,
) -> OPU:
    """Like open_profile, but still closed: nothing has been lit or claimed."""
    kind, settings, own = _checked(config, parameters or {})
    try:
        if config.threads is not None:
            set_num_threads(config.threads)
        unsharded = executor is None and shards is None
        device = kind.build(settings) if unsharded else sharded(kind, settings, executor, shards)
    except InputError as error:
        raise ConfigError(f"{config.where}: {error}") from None
    encoding = own.get("encoding") if encoding is None else encoding
    retrieval = own.get("retrieval") if retrieval is None else retrieval
    return OPU(
        device,
        encoding=None if encoding is None else encoding_from(encoding, f"{config.where}.encoding"),
        retrieval=None if retrieval is None else retrieval_from(retrieval, f"{config.where}.retrieval"),
        calibration=own.get("calibration") if calibration is None else calibration,
    )


def check_profile(config: Config, fill: Mapping[str, Any], hints: Mapping[str, str]) -> None:
    """ConfigError if the chosen profile is wrong; builds nothing.

    fill: values to assume for what the profile leaves open. hints: where keys belong that are no device's.
    """
    profile = config.profile()
    takes = {"kind", *OWN_KEYS, *load_kind(str(profile.get("kind", ""))).settings.model_fields}
    for key in profile:
        if key in hints and key not in takes:
            raise ConfigError(f"{config.where}.{key}: unknown key of a device; did you mean {hints[key]}?")
    _checked(config, open_parameters(config, fill))


def _checked(config: Config, parameters: Mapping[str, Any]) -> tuple[DeviceKind, BaseModel, Table]:
    """The profile's kind, its validated settings, and the keys that are the OPU's own."""
    table = merged(config.profile(), parameters)
    kind_name = table.pop("kind", None)
    if not isinstance(kind_name, str):
        raise ConfigError(f"{config.where}.kind: missing; {suggestion('', kind_names())}")
    own = {key: table.pop(key) for key in OWN_KEYS if key in table}
    try:
        kind = load_kind(kind_name)
    except ConfigError as error:
        raise ConfigError(f"{config.where}.kind: {error}") from error
    return kind, validated(kind.settings, table, config.where), own


def open_parameters(config: Config, wanted: Mapping[str, Any]) -> Table:
    """Those of the `wanted` parameters that the chosen profile leaves open and its kind of device takes."""
    profile = config.profile()
    takes = load_kind(str(profile.get("kind", ""))).settings.model_fields
    return {key: value for key, value in wanted.items() if key in takes and key not in profile}
