"""From PyTorch to ONNX (``onnx_files``), the nets that ship (``zoo``) and their onnxruntime sessions (``runtime``)."""
