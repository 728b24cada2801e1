"""The labels and operators in a LiteRT file."""

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from kmlic.export.format import LABELS_FILE
from kmlic.labels import Labels


def labels_in(content: bytes, *, name: str = "the file") -> str | None:
    """Returns the text of the labels in a LiteRT file's bytes, or None without.

    Raises:
        ValueError: naming the file, if it is not a LiteRT file.
    """
    if content[4:8] != b"TFL3":
        raise ValueError(f"{name} must be a LiteRT file; it does not begin like one.")
    parsed = schema.Model.GetRootAs(content, 0)
    for index in range(parsed.MetadataLength()):
        entry = parsed.Metadata(index)
        if entry.Name() == LABELS_FILE.encode():
            return parsed.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
    return None


def with_labels(content: bytes, labels: Labels) -> bytes:
    """Adds labels to the metadata of a LiteRT file's bytes."""
    parsed = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(labels.to_json().encode(), np.uint8)
    entry = schema.MetadataT()
    entry.name = LABELS_FILE
    entry.buffer = len(parsed.buffers)
    parsed.buffers.append(buffer)
    others = [
        each for each in parsed.metadata or [] if each.name != LABELS_FILE.encode()
    ]
    parsed.metadata = [*others, entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(parsed))


def operators(content: bytes) -> list[str]:
    """Lists the operators in a LiteRT file's bytes, built-in ones in capitals."""
    names = {
        code: name
        for name, code in vars(schema.BuiltinOperator).items()
        if isinstance(code, int)
    }
    parsed = schema.Model.GetRootAs(content, 0)
    found = set()
    for index in range(parsed.OperatorCodesLength()):
        operator = parsed.OperatorCodes(index)
        if operator.CustomCode():
            found.add(operator.CustomCode().decode())
        else:
            # The code outgrew its first field, which then holds 127.
            code = max(operator.BuiltinCode(), operator.DeprecatedBuiltinCode())
            found.add(names[code])
    return sorted(found)


def foreign_operators(content: bytes) -> list[str]:
    """Lists the operators in a LiteRT file's bytes that are not built in."""
    return [name for name in operators(content) if not name.isupper()]
