#!/usr/bin/env bash
# Brings the course to where this runs, unless it is there. A notebook's first cell calls it on Colab.
#   bash colab_setup.sh          fetch the course; installs nothing
#   bash colab_setup.sh verify   and prove it: run the five solutions on real photographs, end with the mean IoU
# verify takes DATASET=shapes|voc (default voc), DATA_ROOT=dir, WEIGHTS=file and MODEL=name, and writes verify.log.
set -euo pipefail
repository="${REPOSITORY:-https://github.com/segmentation-course/segmentation-course.git}"
folder=segmentation-course
beside="$(cd "$(dirname "${BASH_SOURCE[0]:-.}")" && pwd)"  # of this script; the working folder when it comes by a pipe

if [ -d "$beside/helpers" ]; then
    course="$beside"
elif [ -d "$folder/helpers" ]; then
    course="$PWD/$folder"
    echo "The course is already here, in $folder."
elif rm -rf "$folder.part" && reason="$(git clone --quiet --depth 1 "$repository" "$folder.part" 2>&1)"; then
    mv "$folder.part" "$folder"
    course="$PWD/$folder"
    echo "The course is now in $folder."
else
    rm -rf "$folder.part"
    echo "Could not fetch $repository: is there a network? ($(tail -n 1 <<<"$reason"))" >&2
    exit 1
fi

case "${1:-}" in
"") ;;
verify)
    export COURSE_DATASET="${DATASET:-${COURSE_DATASET:-voc}}" COURSE_DATA_ROOT="${DATA_ROOT:-${COURSE_DATA_ROOT:-}}"
    export COURSE_WEIGHTS="${WEIGHTS:-${COURSE_WEIGHTS:-}}" COURSE_MODEL="${MODEL:-${COURSE_MODEL:-}}"
    export PYTHONPATH="$course${PYTHONPATH:+:$PYTHONPATH}"
    python="${PYTHON:-python3}"
    if [ -z "${PYTHON:-}" ] && [ -x "$course/.venv/bin/python" ]; then
        python="$course/.venv/bin/python"
    fi
    exec "$python" -P -m tools.verify
    ;;
*)
    echo "colab_setup.sh: expected nothing or verify, found $1" >&2
    exit 1
    ;;
esac
