#!/bin/bash
# A sweep as an array job: every job does one part of the work into a store of its own.
#
#   sbatch slurm_sweep.sh                                          the parts
#   sbatch --dependency=afterok:JOB slurm_sweep.sh merge           one store, when all are done
#
# A part that was cancelled or ran out of time continues where it stopped when it is submitted again. GRID, TRIALS and
# STORES may be set in the environment. The parts depend on the grid alone, so that they never overlap.
#SBATCH --job-name=neurondeath
#SBATCH --array=1-16
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
set -euo pipefail
stores=${STORES:-stores}
mkdir -p "$stores"
if [ "${1:-}" = merge ]; then
    exec neurondeath merge "$stores/all.sqlite" "$stores"/part_*.sqlite
fi
part=${SLURM_ARRAY_TASK_ID:?run by sbatch, or set SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT}
exec neurondeath simulate --grid "${GRID:-grid.toml}" --trials "${TRIALS:-100000}" --quiet \
    --part "$part/$SLURM_ARRAY_TASK_COUNT" --workers "${SLURM_CPUS_PER_TASK:-all}" --store "$stores/part_$part.sqlite"
