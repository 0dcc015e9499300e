"""pictures.py RSVG-CONVERT SVG…: draws pictures by librsvg, which knows no variables of style sheets and no dark pages, and looks at them.

Each picture as it is, and once more as on a dark page: there must be a drawing in every color that it names, and nothing on its edges.
"""

import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

NAMED = {"#fff": (255, 255, 255)}


def pixels(rsvg, svg):
    """The rows of a picture, each a list of (red, green, blue), on white."""
    png = subprocess.run([rsvg, "--background-color=white", "--format=png"], input=svg.encode(), capture_output=True, check=True).stdout
    at, data, size = 8, b"", None
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", body[:10])
            channels = {2: 3, 6: 4}[color]
            assert depth == 8, "8 bits a channel"
            size = (width, height)
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    raw, (width, height) = zlib.decompress(data), size
    rows, before = [], bytes(width * channels)
    for y in range(height):
        line = raw[y * (width * channels + 1) :][: width * channels + 1]
        before = unfiltered(line[0], bytearray(line[1:]), before, channels)
        rows.append([tuple(before[x : x + 3]) for x in range(0, len(before), channels)])
    return rows


def unfiltered(kind, line, above, channels):
    for i in range(len(line)):
        left, up = line[i - channels] if i >= channels else 0, above[i]
        corner = above[i - channels] if i >= channels else 0
        if kind == 1:
            line[i] = (line[i] + left) & 255
        elif kind == 2:
            line[i] = (line[i] + up) & 255
        elif kind == 3:
            line[i] = (line[i] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            line[i] = (line[i] + nearest) & 255
    return bytes(line)


def rgb(color):
    return NAMED.get(color) or tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def in_dark(svg):
    """The same as a browser draws it on a dark page: what the media query holds counts."""
    style = re.search(r"<style>\s*@media \(prefers-color-scheme:dark\)\{(.*)\}\s*</style>", svg, re.S)
    assert style, "no style for dark pages"
    return svg.replace(style[0], f"<style>{style[1]}</style>")


def problems(rsvg, name, svg, expected):
    if "var(" in svg:
        yield f"{name}: has variables, which programs other than browsers do not know"
    rows = pixels(rsvg, svg)
    drawn = {pixel for row in rows for pixel in row}
    for color in sorted(expected):
        if not any(sum(abs(a - b) for a, b in zip(rgb(color), pixel)) <= 24 for pixel in drawn):
            yield f"{name}: nothing is drawn in {color}"
    # The sheet has a line around it and a margin within: a text that runs off would cross either.
    ground = rows[4][len(rows[0]) // 2]
    edges = [row[x] for row in rows[12:-12] for x in (4, 5, -5, -6)] + rows[4][12:-12] + rows[-5][12:-12]
    if any(pixel != ground for pixel in edges):
        yield f"{name}: something runs off the sheet"


def main(rsvg, *files):
    wrong = []
    for file in map(Path, files):
        svg = file.read_text()
        painted = re.sub(r"<title>.*?</title>|<style>.*?</style>", "", svg, flags=re.S)
        light = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{3,6})"', re.sub(r'<[^>]*opacity="[^>]*>', "", painted)))
        wrong += problems(rsvg, file.name, svg, light)
        dark = in_dark(svg)
        classes = {"page", "disc", "quiet", "card"} & set(re.findall(r'[" ](\w+)[" ]', " ".join(re.findall(r'class="[^"]*"', painted))))
        named = {kind: re.search(rf"\.{kind}\{{fill:(#[0-9a-f]+)", dark)[1] for kind in classes}
        wrong += problems(rsvg, f"{file.name} on a dark page", dark, set(named.values()))
    for problem in wrong:
        print(f"WRONG {problem}")
    print(f"{len(files)} pictures, light and dark")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
