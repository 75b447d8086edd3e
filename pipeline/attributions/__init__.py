"""Explain the logits of frames by Integrated Gradients."""
