"""Make the face crops of a shard from its videos."""
