"""The configuration: one module for each section. A step imports only its own."""
