"""The numbered steps from an empty file to today's schema."""
