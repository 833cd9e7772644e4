"""A model on its own: python server.py [PORT], then POST an image; needs onnxruntime, numpy, pillow."""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

HERE = Path(__file__).parent


def answer(session: Any, card: dict[str, Any], data: bytes) -> list[dict[str, Any]]:
    """The labels of an image file, best first, each with its box where the model finds boxes."""
    at_least = 2 * max(card["preprocessing"]["size"], card["preprocessing"]["height"] or 0)
    image = Image.open(io.BytesIO(data), formats=["JPEG", "PNG"])
    image.draft(None, (at_least, at_least))
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        whole = upright.convert("RGBA")
        upright = Image.new("RGB", whole.size, "white")
        upright.paste(whole, mask=whole.getchannel("A"))
    names = [output.name for output in session.get_outputs()]
    said = dict(zip(names, session.run(None, {"image": np.asarray(upright.convert("RGB"))}), strict=True))
    answers = []
    for place in np.argsort(-said["scores"], kind="stable"):
        if said["found"][place]:
            label = card["labels"][said["labels"][place] if "labels" in said else place]
            one = {"Name": label, "Confidence": float(said["scores"][place] * np.float32(100))}
            if "corners" in said:
                left, top, right, bottom = map(float, said["corners"][place])
                box = {"Left": left, "Top": top, "Width": right - left, "Height": bottom - top}
                one["Geometry"] = {"BoundingBox": box}
            answers.append(one)
    return answers


class Handler(BaseHTTPRequestHandler):
    """Answers POST with {"CustomLabels": [...]}, as the service does."""

    def do_POST(self) -> None:
        """One image."""
        found = answer(SESSION, CARD, self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"CustomLabels": found}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    CARD = json.loads((HERE / "model.json").read_text())
    SESSION = onnxruntime.InferenceSession(HERE / "model.onnx")
    HTTPServer(("127.0.0.1", int((sys.argv[1:] or ["8080"])[0])), Handler).serve_forever()
