"""A world small enough to see the method work on two cores: pictures, words, a base of a million parameters."""
