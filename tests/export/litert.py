"""What stands in a LiteRT file."""

from tensorflow.lite.python import schema_py_generated as schema


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
