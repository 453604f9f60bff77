"""Messages of protocol buffers, described where they are used: no compiler, no generated files.

The library `protobuf` encodes and decodes. Fields are written in the order of their numbers, so that equal messages
have equal bytes; the messages of libp2p are of the second version of the language, in which a field that is set is
written even if it is zero.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as LibraryError
from google.protobuf.message import EncodeError, Message

from transfer.errors import DecodeError

Fields: TypeAlias = dict[str, tuple[int, str]]
"""Of each field its number, and its kind: a label (`required`, `optional` or `repeated`) and a type."""


class ProtobufError(DecodeError):
    """Bytes that are not the message they should be."""


def message_types(package: str, **messages: Fields) -> dict[str, type[Message]]:
    """Classes for messages that may refer to each other by their names.

    Args:
        package: a name that no other caller uses.
        messages: their fields; the type is `bytes`, `string`, `bool`, `uint64`, `int64`, `int32`, `uint32`, `fixed64`
            or the name of a message.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            label, type_name = kind.split()
            added = described.field.add(name=field, number=number, label=_LABELS[label])
            if type_name in messages:
                added.type, added.type_name = _MESSAGE, f".{package}.{type_name}"
            else:
                added.type = _TYPES[type_name]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


def decode(kind: type[Message], data: bytes, *, max_bytes: int) -> Any:
    """The message that some bytes hold. Fields that it does not have are left alone.

    Raises:
        ProtobufError: too long, cut off, or without a field that it needs.
    """
    if len(data) > max_bytes:
        raise ProtobufError(f"a message of {len(data)} bytes is longer than {max_bytes}")
    message = kind()
    try:
        message.ParseFromString(bytes(data))
    except LibraryError as error:
        raise ProtobufError(f"not a message: {' '.join(str(error).split())}") from None
    missing = message.FindInitializationErrors()
    if missing:
        raise ProtobufError(f"not a message: {missing[0]} is missing")
    return message


def encode(message: Message) -> bytes:
    """The bytes of a message: of equal ones the same.

    Raises:
        ValueError: a field is missing that it needs.
    """
    try:
        return bytes(message.SerializeToString(deterministic=True))
    except EncodeError as error:
        raise ValueError(str(error)) from None


_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGE = _FIELD.TYPE_MESSAGE
_LABELS = {"required": _FIELD.LABEL_REQUIRED, "optional": _FIELD.LABEL_OPTIONAL, "repeated": _FIELD.LABEL_REPEATED}
_TYPES = {
    "bytes": _FIELD.TYPE_BYTES,
    "string": _FIELD.TYPE_STRING,
    "bool": _FIELD.TYPE_BOOL,
    "uint64": _FIELD.TYPE_UINT64,
    "int64": _FIELD.TYPE_INT64,
    "uint32": _FIELD.TYPE_UINT32,
    "int32": _FIELD.TYPE_INT32,
    "fixed64": _FIELD.TYPE_FIXED64,
}
