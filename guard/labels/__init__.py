"""Labels: the true quality of a model, from receipts that clients send back with what turned out to be true.

Here: the form of a receipt, the counts of what was issued and labelled, and the figures made of them; pure.
Not here: where a receipt is handed out (`guard.proxy.pipeline`), and files, tasks and the API (`guard.control.labels`).

    layout      what one row of a receipt means on a route: classes, bounds of the score, segments
    receipt     header and MAC of a receipt; keys; which rows of a large batch are in it
    book        hands out receipts and counts them                                   on the path of a request
    counts      issued and labelled cells of a version and a day
    strata      groups of alike predictions, weights, and the variance of a weighted mean
    intervals   95 % intervals
    classes     confusion, accuracy, precision, recall, F1
    scores      Brier score, calibration error, area under the ROC curve, expected accuracy
    numbers     MAE, RMSE and bias of numeric outputs
    quality     all figures of a version or a segment, with coverage and bias
"""
