"""What attribution maps show over a whole test set."""
