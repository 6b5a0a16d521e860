"""The worst day: faults from outside, cancellation, load and hostile input."""
