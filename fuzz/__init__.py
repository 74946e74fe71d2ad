"""Coverage-guided fuzzing of what strangers' bytes reach: `make fuzz`."""
