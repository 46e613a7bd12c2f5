#!/bin/sh
# From the data to the weights of pet-fdg-v2, with the very settings of the shipped ones.
#
#   sh Resources/Training/run.sh DATA RUNS [gpu]
#
# DATA holds sts/ and whole_body/. RUNS gets all results; the bundle is RUNS/refiner/pet-fdg-v2. Its laws and sampling
# are those of the configurations; later versions of the bundle changed them (configs/metadata.json).
# Start it again after a stop: a training goes on from its newest checkpoint, a finished one only writes its result.
# On two cores it takes about 3 hours, and an hour more for the examples. With `gpu`, each training takes a fifth of the
# steps, for one GPU and about ten minutes; that way was not run on a GPU.
set -eu

data=${1:?"usage: run.sh DATA RUNS [gpu]"}
runs=${2:?"usage: run.sh DATA RUNS [gpu]"}
mode=${3:-cpu}
here=$(cd "$(dirname "$0")" && pwd)
tumorgen=${TUMORGEN:-tumorgen}

train() { # STAGE OUTPUT CONFIG STEPS MORE...
    stage=$1 output=$2 config=$3 count=$4
    shift 4
    echo "$(date +%H:%M) $stage: $config"
    if [ "$mode" = gpu ]; then set -- "$@" --steps $((count / 5)); fi
    $tumorgen train "$stage" --data "$data" --output "$output" --config "$here/$config.json" --resume "$@"
}

train autoencoder "$runs/vae-first" pet-fdg-autoencoder 6000
train autoencoder "$runs/vae" pet-fdg-autoencoder-more 4000 --start-from "$runs/vae-first"
train generator "$runs/first" pet-fdg-generator 12000 --autoencoder "$runs/vae" --name first
train generator "$runs/second" pet-fdg-generator-more 5000 --autoencoder "$runs/vae" --name second \
    --start-from "$runs/first/first"
train generator "$runs/refiner" pet-fdg-refiner 1500 --autoencoder "$runs/vae" --name pet-fdg-v2 \
    --start-from "$runs/second/second"
echo "$(date +%H:%M) done: $runs/refiner/pet-fdg-v2"
