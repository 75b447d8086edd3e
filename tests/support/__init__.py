"""Helpers of several test modules. Test modules do not import each other."""
