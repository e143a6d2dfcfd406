"""The checks of the exercises, one module per notebook: independent formulas on small tensors."""
