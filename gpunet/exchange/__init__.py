"""Networks to and from other tools: ONNX files, PyTorch modules, scikit-learn's networks.

Each tool is imported when it is used. What is exchanged is a :class:`gpunet.files.saved_network.SavedNetwork`, the same
value that a file holds.
"""
