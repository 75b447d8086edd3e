"""What several test modules use: test modules never import each other."""
