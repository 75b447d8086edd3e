"""What only the Snakefile calls: checks, parameters of jobs, SLURM."""
