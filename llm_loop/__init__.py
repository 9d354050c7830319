"""Run CNN experiments all night: a worker decides, a mentor challenges, a gate judges, files remember."""

__version__ = "0.1.0"
