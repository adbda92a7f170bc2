#!/usr/bin/env bash
# tools/environment.sh FOLDER REQUIREMENTS: a virtual environment with these packages; PYTHON= chooses its Python.
# uv fetches several files at a time and shows how far each is; where uv can't be had or its index doesn't answer, pip
# does the same. Both compile what they install: where Python may not write its caches (PYTHONDONTWRITEBYTECODE, as in
# many containers), each process would otherwise compile PyTorch again.
# TORCH=cpu takes PyTorch's build without CUDA, a tenth of the size, where its index can be reached.
set -euo pipefail
folder=$1 requirements=$2
index=https://download.pytorch.org/whl/cpu
backend=() extra=()  # as ${a[@]+...} below: the bash of macOS takes an empty list for unset
if [ "${TORCH:-}" = cpu ]; then
    if curl --fail --silent --head --max-time 10 --output /dev/null "$index/torch/"; then
        backend=(--torch-backend cpu) extra=(--extra-index-url "$index")
    else
        echo "TORCH=cpu: $index can't be reached, so the usual build is installed (5 GB)" >&2
    fi
elif [ -n "${TORCH:-}" ]; then
    echo "TORCH: expected cpu or nothing, found $TORCH" >&2
    exit 1
fi
"${PYTHON:-python3}" -m venv "$folder"
pip=("$folder/bin/python" -m pip install --disable-pip-version-check)
echo "Installing the environment in $folder, just this once: a few minutes."
if ! { "${pip[@]}" --quiet "$(grep '^uv==' requirements.txt)" && "$folder/bin/uv" pip install \
        --python "$folder/bin/python" --compile-bytecode ${backend[@]+"${backend[@]}"} --requirement "$requirements"; }; then
    echo "uv could not install it; pip tries the same." >&2
    "${pip[@]}" --progress-bar on ${extra[@]+"${extra[@]}"} --requirement "$requirements"
fi
touch "$folder/ready"
