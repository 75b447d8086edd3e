"""From the videos of a shard to its face crops."""
