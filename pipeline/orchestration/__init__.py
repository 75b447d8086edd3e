"""What only the Snakefile uses: checks, parameters of jobs, SLURM."""
