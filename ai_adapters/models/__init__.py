"""One file per model family. Only these files may import a model library, inside `load`."""
