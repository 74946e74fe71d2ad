"""Write `frames_pb2.py` and `frames_pb2.pyi` from `frames.proto`.

    python scripts/generate_protobuf.py [--check]

Only the descriptor (data, stable for ever) comes from protoc; the module around it is ours, for two
reasons:

- protoc's own Python module refuses a protobuf runtime that is older than the protoc which made it,
  and promises nothing for a runtime two majors newer. A descriptor has neither limit, so any
  grpcio-tools may be used here.
- protoc's module puts its messages into the process-wide descriptor pool, where Pipecat's module
  already owns the same names; a different version of it there is a TypeError at import. Ours go
  into a pool of their own.
"""

import argparse
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

PROTOS = Path(__file__).parents[1] / "src" / "voicewire" / "serializers" / "protos"

MODULE = '''\
"""The messages of frames.proto. Written by scripts/generate_protobuf.py: do not edit."""

from google.protobuf import descriptor_pool, message_factory

# Not the default pool: Pipecat's own module registers the same names there.
_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(
{descriptor}
)

DESCRIPTOR = _pool.FindFileByName("frames.proto")

{messages}
'''

BYTES_PER_LINE = 24


def compile_proto(folder: Path) -> tuple[bytes, list[str], str]:
    """Return the serialized file descriptor, the messages' names, and the type stub."""
    descriptor_path = folder / "frames.bin"
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--descriptor_set_out={descriptor_path}",
            f"--pyi_out={folder}",
            "frames.proto",
        ]
    )
    if status != 0:
        sys.exit(f"protoc failed with status {status}")
    (file,) = FileDescriptorSet.FromString(descriptor_path.read_bytes()).file
    for message in file.message_type:
        for field in message.field:
            field.ClearField("json_name")  # only for protobuf's own JSON form
    names = [message.name for message in file.message_type]
    stub = (folder / "frames_pb2.pyi").read_text()
    return file.SerializeToString(deterministic=True), names, stub


def module_source(descriptor: bytes, names: list[str]) -> str:
    lines = [
        f"    {descriptor[at : at + BYTES_PER_LINE]!r}"
        for at in range(0, len(descriptor), BYTES_PER_LINE)
    ]
    messages = [
        f'{name} = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["{name}"])'
        for name in names
    ]
    return MODULE.format(descriptor="\n".join(lines), messages="\n".join(messages))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write frames_pb2 from frames.proto.")
    parser.add_argument("--check", action="store_true", help="fail where a file is out of date")
    check = parser.parse_args().check

    with tempfile.TemporaryDirectory() as folder:
        descriptor, names, stub = compile_proto(Path(folder))
    outputs = {"frames_pb2.py": module_source(descriptor, names), "frames_pb2.pyi": stub}

    for filename, source in outputs.items():
        path = PROTOS / filename
        if not check:
            path.write_text(source)
        elif path.read_text() != source:
            sys.exit(f"{path} is out of date; run: python scripts/generate_protobuf.py")
    verb = "checked" if check else "wrote"
    print(f"{verb} {', '.join(outputs)} with grpcio-tools {version('grpcio-tools')}")


if __name__ == "__main__":
    main()
