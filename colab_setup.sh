#!/usr/bin/env bash
# Fetches the course beside the notebook that runs this (on Colab), unless it is there.
# Installs nothing: Colab has all that the notebooks import.
set -euo pipefail
repository="${REPOSITORY:-https://github.com/segmentation-course/segmentation-course.git}"
folder=segmentation-course

if [ -d "$folder/helpers" ]; then
    echo "The course is already here, in $folder."
elif git clone --quiet --depth 1 "$repository" "$folder.part"; then
    mv "$folder.part" "$folder"
    echo "The course is now in $folder."
else
    rm -rf "$folder.part"
    echo "Could not fetch $repository: is there a network? Run this cell again when there is." >&2
    exit 1
fi
