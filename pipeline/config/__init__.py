"""The configuration: one module a section, so that a step sees only its own."""
