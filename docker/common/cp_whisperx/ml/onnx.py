"""ONNX models, opened for the CPU."""

from functools import cache

import onnxruntime

from cp_whisperx.ml.models import damaged_model, model_path


@cache
def open_model(relative: str, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX model from the cache, opened once per worker.

    Raises StageError if the file is missing or damaged.
    """
    path = model_path(relative)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A worker waits most of its life: its threads sleep meanwhile, and its memory goes back.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own errors share no base class
        raise damaged_model(path, error) from error
