"""The ordered sources of an answer, and what closes them."""
