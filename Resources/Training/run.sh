#!/bin/sh
# From the data to the bundle pet-fdg-v3, with the very settings of the shipped one.
#
#   sh Resources/Training/run.sh DATA RUNS [gpu]
#
# DATA holds sts/, whole_body/, shapes/ and anatomy/. RUNS gets all results; the bundle is RUNS/v3/pet-fdg-v3.
# Start it again after a stop: finished stages are skipped, and a training goes on from its newest checkpoint.
# On two cores it takes about 5 hours. With `gpu`, each training takes a fifth of the steps; this way is for one GPU.
set -eu

data=${1:?"usage: run.sh DATA RUNS [gpu]"}
runs=${2:?"usage: run.sh DATA RUNS [gpu]"}
here=$(cd "$(dirname "$0")" && pwd)
tumorgen=${TUMORGEN:-tumorgen}
mode=${3:-cpu}
cases=$runs/cases

# 1. Cases of the last stage: the scans, the shapes, and bodies made from the anatomies.
mkdir -p "$cases/bodies"
for part in sts whole_body shapes; do
    [ -d "$cases/$part" ] || cp -r "$data/$part" "$cases/$part"
done
for anatomy in mesh50xcat_2mm VH_F_labels_3mm VH_M_labels_3mm; do
    for seed in 0 1 2 3; do
        body=$cases/bodies/BODY_${anatomy%_*mm}_${seed}_image.nii.gz
        body=$(echo "$body" | sed s/_labels//)
        [ -f "$body" ] || $tumorgen phantom "$body" --anatomy "$data/anatomy/$anatomy.npz" --seed $seed
    done
done

# 2. The VAE.
train() { # STAGE OUTPUT CONFIG STEPS DATA MORE...
    stage=$1 output=$2 config=$3 count=$4 from=$5
    shift 5
    echo "$(date +%H:%M) $stage: $config"
    if [ "$mode" = gpu ]; then set -- "$@" --steps $((count / 5)); fi
    $tumorgen train "$stage" --data "$from" --output "$output" --config "$here/$config.json" --resume "$@"
}
train autoencoder "$runs/vae-first" pet-fdg-autoencoder 6000 "$data"
train autoencoder "$runs/vae" pet-fdg-autoencoder-more 4000 "$data" --start-from "$runs/vae-first"

# 3. Vector field and mask refiner. The last run adds shapes, bodies, shifted patches and controls of the pattern.
train generator "$runs/first" pet-fdg-generator 12000 "$data" --autoencoder "$runs/vae" --name first
train generator "$runs/second" pet-fdg-generator-more 5000 "$data" --autoencoder "$runs/vae" --name second \
    --start-from "$runs/first/first"
train generator "$runs/v3" pet-fdg-v3 5500 "$cases" --autoencoder "$runs/vae" --name pet-fdg-v3 \
    --start-from "$runs/second/second"
echo "$(date +%H:%M) done: $runs/v3/pet-fdg-v3"
