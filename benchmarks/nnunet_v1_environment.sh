#!/bin/sh
# A throw-away environment with nnU-Net v1, for benchmarks/nnunet_v1.py alone: nothing of dapatlas needs it.
#   benchmarks/nnunet_v1_environment.sh /tmp/nnunet1
set -eu
folder=${1:?folder of the environment}
python3.11 -m venv "$folder"
"$folder/bin/pip" install --quiet setuptools wheel
"$folder/bin/pip" install --quiet torch==2.13.0
# batchgenerators 0.25 is the last with the modules that nnU-Net v1 imports
"$folder/bin/pip" install --quiet nnunet==1.7.1 batchgenerators==0.25
echo "$folder/bin/python"
