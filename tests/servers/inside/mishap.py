"""A step of the served models that lets every row pass, until one asks it to fail. Imported inside the servers."""

RAISES = 7.77
"""A first feature of this value makes the model raise; it is within every contract of the tests."""


def check(rows):
    """The rows; RuntimeError, with a value in its message, as models fail."""
    first = rows.iloc[:, 0] if hasattr(rows, "iloc") else [row[0] for row in rows]
    for value in first:
        if value == RAISES:
            raise RuntimeError(f"the scaler cannot take {value} in {list(first)[:3]}")
    return rows
