"""The servers that are measured against each other; each side runs in an environment of its own."""
