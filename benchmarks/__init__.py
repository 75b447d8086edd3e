"""What the pipeline's speed and formats are measured by, beside what one would use."""
