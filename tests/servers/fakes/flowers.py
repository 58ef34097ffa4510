"""What all fakes know of flowers: a rule in place of a model, which fails when asked to."""

RAISES = 7.77


def species(rows):
    """Of rows of four numbers. RuntimeError at the first that begins with RAISES; ValueError where one is no number."""
    results = []
    for row in rows:
        if float(row[0]) == RAISES:
            raise RuntimeError(f"the scaler cannot take {row[0]}")
        petal = float(row[2])
        results.append("setosa" if petal < 2.5 else "versicolor" if petal < 4.9 else "virginica")
    return results
