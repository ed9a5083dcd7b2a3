"""Trained models made ready for use: run sparsely with NumPy alone, or written as ONNX."""
