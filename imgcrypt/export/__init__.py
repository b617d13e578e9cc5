"""From PyTorch to ONNX. What runs the files is in imgcrypt.runtime."""
