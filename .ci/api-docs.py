"""api-docs.py [--check]: writes docs/API.md from the protos; with --check, fails where it is not what the protos say."""

import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pb2, unknown_fields
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/API.md"
HEAD = """# API reference

Package `kith.v1`, generated from [proto/kith/v1](../proto/kith/v1) by `.ci/api-docs.py`; edit the protos, not this page.
"""
FIELD = descriptor_pb2.FieldDescriptorProto
# The option's number, and the roles' in `options.proto`.
ROLE = 50484
ROLES = {1: "read", 2: "write", 3: "service", 4: "admin"}


def files():
    """The descriptors of the API's own files, with their comments."""
    protos = sorted(str(path) for path in (ROOT / "proto/kith/v1").glob("*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        flags = [f"-I{ROOT / 'proto'}", f"-I{well_known}", "--include_source_info", f"--descriptor_set_out={out.name}"]
        if protoc.main(["protoc", *flags, *protos]) != 0:
            sys.exit("the protos could not be compiled")
        return descriptor_pb2.FileDescriptorSet.FromString(Path(out.name).read_bytes()).file


def anchor(name):
    return name.lower().replace(".", "")


def comment(comments, path):
    return " ".join(comments.get(tuple(path), "").split())


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def type_of(field, maps):
    name = field.type_name.rpartition(".")[2]
    if field.type_name in maps:
        key, value = maps[field.type_name].field
        return f"map of {type_of(key, maps)} to {type_of(value, maps)}"
    if field.type in (FIELD.TYPE_MESSAGE, FIELD.TYPE_ENUM):
        shown = f"[{name}](#{anchor(name)})" if field.type_name.startswith(".kith.v1.") else f"`{field.type_name[1:]}`"
    else:
        shown = f"`{FIELD.Type.Name(field.type)[5:].lower()}`"
    repeated = "list of " if field.label == FIELD.LABEL_REPEATED else ""
    return repeated + shown + (", optional" if field.proto3_optional else "")


def message_lines(message, comments, path):
    maps = {f".kith.v1.{message.name}.{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
    assert len(maps) == len(message.nested_type), f"{message.name}: nested messages need a place in this page"
    yield f"### {message.name}\n"
    yield f"{comment(comments, path)}\n"
    if message.field:
        yield "| field | type | |\n|---|---|---|"
    for index, field in enumerate(message.field):
        group = ""
        if field.HasField("oneof_index") and not field.proto3_optional:
            group = f" (one of `{message.oneof_decl[field.oneof_index].name}`)"
        about = cell(comment(comments, [*path, 2, index]))
        yield f"| `{field.name}` = {field.number} | {type_of(field, maps)}{group} | {about} |"
    yield ""


def enum_lines(enum, comments, path):
    yield f"### {enum.name}\n"
    yield f"{comment(comments, path)}\n"
    yield "| value | |\n|---|---|"
    for index, value in enumerate(enum.value):
        yield f"| `{value.name}` = {value.number} | {cell(comment(comments, [*path, 2, index]))} |"
    yield ""


def service_lines(service, comments, path):
    yield f"### {service.name}\n"
    yield f"{comment(comments, path)}\n"
    yield "| RPC | role | takes | gives | |\n|---|---|---|---|---|"
    for index, method in enumerate(service.method):
        sides = []
        for name, streamed in ((method.input_type, method.client_streaming), (method.output_type, method.server_streaming)):
            short = name.rpartition(".")[2]
            sides.append(f"{'stream of ' if streamed else ''}[{short}](#{anchor(short)})")
        yield f"| `{method.name}` | {role_of(method)} | {sides[0]} | {sides[1]} | {cell(comment(comments, [*path, 2, index]))} |"
    yield ""


def role_of(method):
    """What the option `kith.v1.role` says, which protobuf's own descriptors do not know."""
    number = {field.field_number: field.data for field in unknown_fields.UnknownFieldSet(method.options)}[ROLE]
    return f"`{ROLES[number]}`"


def page():
    all_files = [file for file in files() if file.package == "kith.v1"]
    # Services first: they are what a caller looks for.
    all_files.sort(key=lambda file: (not file.service, file.name))
    lines = [HEAD, *(f"- [{file.name.rpartition('/')[2]}](#{anchor(Path(file.name).name)})" for file in all_files), ""]
    for file in all_files:
        comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        lines += [f"## {Path(file.name).name}\n", f"{comment(comments, [12])}\n"]
        for index, service in enumerate(file.service):
            lines += service_lines(service, comments, [6, index])
        for index, enum in enumerate(file.enum_type):
            lines += enum_lines(enum, comments, [5, index])
        for index, message in enumerate(file.message_type):
            lines += message_lines(message, comments, [4, index])
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    text = page()
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            sys.exit(f"{TARGET.relative_to(ROOT)} is not what the protos say: run .ci/api-docs.py")
        print(f"{TARGET.relative_to(ROOT)} is what the protos say")
    else:
        TARGET.write_text(text, encoding="utf-8")
