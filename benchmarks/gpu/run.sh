#!/bin/sh
# What a machine with one GPU does, in under eight minutes and without a network: see README.md beside this file.
here=$(cd "$(dirname "$0")" && pwd)
exec "${PYTHON:-python3}" "$here/measure.py" "$@"
