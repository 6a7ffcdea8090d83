"""Files: networks as safetensors, and writing that is whole or not at all."""
