#!/usr/bin/env bash
# Build the wheel, install it into an empty environment, and use it from outside the tree: what pip users get.
set -euo pipefail
uv=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
away=$(mktemp -d)
serving=
trap '[ -z "$serving" ] || kill "$serving"; rm -rf "$away"' EXIT

"$uv" build --quiet --wheel --out-dir "$away/dist" "$root"
"$uv" venv --quiet "$away/venv"
"$uv" pip install --quiet --python "$away/venv/bin/python" "$away"/dist/openopu-*.whl
cd "$away"
PATH="$away/venv/bin:$PATH"
opu --version
opu devices
python - <<'PYTHON'
import numpy as np
import opu
from opu.testing import LAWS, Subject
from opu.kinds import load_kind

assert "site-packages" in opu.__file__, opu.__file__
with opu.open("sim", n_inputs=20, n_outputs=100, seed=7) as o:
    assert o.transform(np.arange(20) % 2).shape == (100,)
    assert o.linear_transform(np.ones((3, 20))).shape == (3, 100)
kind = load_kind("sim")
settings = kind.settings(n_inputs=20, n_outputs=160)
for law in LAWS.values():
    law(Subject(make=lambda: kind.build(settings), repeatable=True))
print(f"{len(LAWS)} laws hold in the wheel")
PYTHON
if opu train --epochs 1 2>message; then echo "the train extra should be missing here"; exit 1; fi
grep -q "pip install 'openopu\[train\]'" message
"$uv" pip install --quiet --python "$away/venv/bin/python" "$(ls dist/openopu-*.whl)[train]"
opu train --epochs 3 --json | tail -n 1
test -f runs/*/curves.png

# The network: the kind `visa` is there without pyvisa, whose name and extra its use tells; with the extra it reads a served device.
opu devices | grep -qE '^ +visa '
cat > lab.toml <<'TOML'
device = "lab"

[devices.d]
kind = "sim"
n_inputs = 20
n_outputs = 100
seed = 7

[devices.lab]
kind = "visa"
resource = "TCPIP::127.0.0.1::9::SOCKET"
TOML
if opu info --config lab.toml 2>message; then echo "the visa extra should be missing here"; exit 1; fi
grep -q "pip install 'openopu\[visa\]'" message
"$uv" pip install --quiet --python "$away/venv/bin/python" "$(ls dist/openopu-*.whl)[visa]"
opu devices | grep -qE '^ +visa '
opu serve --config lab.toml --device d --bind 127.0.0.1:0 > served &
serving=$!
for _ in $(seq 600); do
    resource=$(grep -oE 'TCPIP::.*' served || true)
    [ -z "$resource" ] || break
    sleep 0.1
done
opu info --config lab.toml --set "resource=$resource" --json | tail -n 1 | grep -q '"n_outputs": *100'
kill -TERM "$serving"
wait "$serving"
serving=
grep -q '^light off, stopped' served
echo "a served device is read with the visa extra"

# Hardware in the loop, away from the tree: a healthy device is fit, a sick one is not, and the same suite is one of pytest's.
opu hil --config lab.toml --device d --set n_inputs=40 --set n_outputs=256 --json | tail -n 1 | grep -q '"fitness": "fit"'
if opu hil --config lab.toml --device d --only codes --sick bit-stuck > unfit; then echo "a stuck bit should be unfit"; exit 1; fi
grep -q 'bit 3 stuck at 1' unfit
"$uv" pip install --quiet --python "$away/venv/bin/python" pytest
suite=$(opu hil --where)
pytest -q "$suite" --opu-config lab.toml --opu-device d -k "identity or codes or light"
status=0
pytest -q "$suite" > skipped || status=$?
test "$status" = 5
grep -q 'no device, nothing tested' skipped
echo "the hardware tests run from the wheel"
