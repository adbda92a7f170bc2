#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image of the autograder: as root, with a network.
set -euo pipefail
cd /autograder/source
export DEBIAN_FRONTEND=noninteractive PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore
export UV_PYTHON_INSTALL_DIR=/opt/python  # not in root's home: submissions run as another user
apt-get update
apt-get install --yes --no-install-recommends python3-pip bubblewrap

# Ubuntu 22.04 has Python 3.10; uv fetches a newer one if there is none
python3 -m pip install --quiet uv==0.13.9
uv venv --quiet --seed --python ">=3.11,<3.14" /opt/course
pip() { /opt/course/bin/python -m pip install --quiet --no-cache-dir "$@"; }
# PyTorch for the CPU alone: a tenth of the size
pip --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" $(grep -E '^torch(vision)?==' requirements.txt)
pip --requirement requirements.txt

# What grading makes once: the data set, the list of fonts, a library for each exercise
/opt/course/bin/python -c "from grading.run import bubblewrap, library; bubblewrap.prepare(); library.folder()"
