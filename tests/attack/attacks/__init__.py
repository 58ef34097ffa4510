"""The attacks, one module for each thing that is attacked."""
