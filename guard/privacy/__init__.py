"""What is private: how sensitive, how found, and what stands in its place."""
