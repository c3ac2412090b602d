"""Models as graphs of other runtimes: ONNX, LiteRT and SavedModel."""
