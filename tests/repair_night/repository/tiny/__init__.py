"""A tiny trainer in plain Python: a straight line through points, by gradient descent."""
