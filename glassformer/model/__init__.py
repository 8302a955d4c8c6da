"""The transformer: single-device code only. Parallelism, adapters and quantization are applied to it from outside."""
