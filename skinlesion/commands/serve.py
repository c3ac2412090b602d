"""serve: a model behind HTTP on this machine, with a page to drop pictures on."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from skinlesion.bundle import Description, default_bundle, read_bundle
from skinlesion.data.images import ImageBytes
from skinlesion.data.quality.flags import FLAGS
from skinlesion.ensemble import COMBINERS, weighty
from skinlesion.extras import require
from skinlesion.loading import open_model
from skinlesion.metrics.calibration import CALIBRATORS
from skinlesion.progress import Reporter
from skinlesion.report.overlay import layer, overlay_picture, scale_of
from skinlesion.runs import RunDir
from skinlesion.serving import Serving

if TYPE_CHECKING:
    from skinlesion.inference import Answer, Predictor
    from skinlesion.web.limits import Limits
    from skinlesion.web.served import Evidence, Explanation, Row

PACKAGES = {
    "fastapi": "fastapi",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
    "uvicorn": "uvicorn",
}
DIGITS = 6  # of probabilities, as predict writes them


def run(model: Path | None, asked: Serving, *, reporter: Reporter) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        model: A run, a bundle or an export; None: the bundle that comes with the package.
        asked: Where, to whom, and how much.
        reporter: Told of the address.

    Raises:
        ConfigError: If others could reach it without a token, or the port is taken.
        DataError: If there is no model.
        IntegrityError: If the bundle was changed.
        MissingExtraError: If the extra ``web`` is not installed, or no model came along.
    """
    server = _web()
    server.refuse_open(asked.host, asked.token)
    limits = _bounded(
        {
            "file_bytes": asked.max_file_mib << 20,
            "files": asked.max_files,
            "pixels": round(asked.max_megapixels * 1e6),
            "queue": asked.queue,
            "rate": asked.rate,
        }
    )
    path = model or default_bundle()
    if not RunDir(path).is_run():
        read_bundle(path)  # refuses what is no bundle before TensorFlow is imported
    with server.bind(asked.host, asked.port) as bound:
        served = Served(open_model(path))
        served.warm_up()
        name = served.predictor.description.name

        def started() -> None:
            reporter.say(f"{name} is served at {server.address_of(bound)}; Ctrl-C stops it")

        server.serve(served, bound, limits=limits, token=asked.token, started=started)
    reporter.say("stopped")


def _web() -> Any:
    """The module that serves."""
    require("web", PACKAGES, purpose="serve")
    from skinlesion.web import server

    return server


def _bounded(given: dict[str, Any]) -> Limits:
    """A request holds at least one file of the largest size; three such requests are held."""
    from skinlesion.web.limits import MIB, Limits

    request = max(Limits.request_bytes, given.get("file_bytes", 0) + MIB)
    return Limits(**{"request_bytes": request, "held_bytes": 3 * request, **given})


class Served:
    """A ``web.served.ServedModel`` of a predictor."""

    def __init__(self, predictor: Predictor) -> None:
        told = predictor.description
        self.predictor, self.identity, self.target = predictor, predictor.identity, told.target
        self.operating_points = list(told.operating_points)
        self.why_no_map = _why_no_map(told)
        self._maps: dict[tuple[int, int], Callable[..., Any]] = {}

    def warm_up(self) -> None:
        """Compile what the first client would wait for."""
        grey = ImageBytes("grey", _png(np.full((64, 64, 3), 128, np.uint8)))
        self.predict([grey], threshold=self.operating_points[0])
        if not self.why_no_map:
            self.explain(grey, evidence="for")

    def predict(self, images: Sequence[ImageBytes], *, threshold: str) -> list[Row]:
        """A row for each image, in order."""
        answers = self.predictor.predict(
            images, threshold=threshold, workers=min(len(images), 2), spread=True
        )
        return [self._row(answer) for answer in answers]

    def _row(self, answer: Answer) -> Row:
        from skinlesion.web.served import Row

        if answer.probability is None:
            return Row(file=answer.path, error=answer.error)
        told = self.predictor.description
        return Row(
            file=answer.path,
            probability=_rounded(answer.probability),
            low=_rounded(answer.low),
            high=_rounded(answer.high),
            calibrated=_rounded(answer.calibrated),
            decision=answer.decision,
            decisions={
                name: told.classes[int(answer.probability >= point.threshold)]
                for name, point in told.operating_points.items()
            },
            refer=answer.refer,
            flags=list(answer.flags),
        )

    def explain(self, image: ImageBytes, *, evidence: Evidence) -> Explanation:
        """Grad-CAM, as the command ``explain`` draws it, of the upright view."""
        from skinlesion.data.augment import resize
        from skinlesion.explain import weighted_sum
        from skinlesion.web.served import Explanation

        weights = _map_weights(self.predictor.description)
        members = {n: self.predictor.description.members[n] for n in weights}
        squares = self.predictor.squares(image)
        pixels = {
            n: resize(squares[member.preprocessing][None], member.build.image_size)
            for n, member in members.items()
        }
        sign = 1 if evidence == "for" else -1
        maps = [self._map(n, sign)(batch).numpy() for n, batch in pixels.items()]
        values = weighted_sum(maps, [*weights.values()])[0]
        largest = max(pixels.values(), key=lambda batch: batch.shape[1]).numpy()[0]
        picture = np.round(largest.clip(0, 255)).astype(np.uint8)
        scale = scale_of(values)
        overlay = overlay_picture(
            picture,
            values,
            scale=scale,
            one_sided=True,
            lines=(image.name, f"gradcam: evidence {evidence} {self.target}, in logits"),
        )
        return Explanation(
            side=len(picture),
            is_empty=scale == 0,
            is_whole=all(map(_shows_all, members.values())),
            picture=_png(picture),
            layer=_png(layer(values, scale=scale)),
            overlay=_png(np.asarray(overlay)),
        )

    def _map(self, number: int, sign: int) -> Callable[..., Any]:
        """Compiled once: tracing a network's gradients takes a second or more."""
        from skinlesion.explain import grad_cam_call

        if (number, sign) not in self._maps:
            network: Any = self.predictor.networks[number]  # a KerasNetwork
            self._maps[number, sign] = grad_cam_call(network.model, sign=sign)
        return self._maps[number, sign]

    def card(self) -> dict[str, Any]:
        """What the bundle says of itself."""
        told = self.predictor.description
        return {
            "name": told.name,
            "identity": self.identity,
            "kind": told.kind,
            "target": told.target,
            "classes": list(told.classes),
            "members": [
                {
                    "backbone": member.build.backbone,
                    "image_size": member.build.image_size,
                    "parameters": member.parameters,
                    "views": len(member.views),
                }
                for member in told.members
            ],
            "combiner": told.combiner.name if told.combiner else None,
            "operating_points": {
                name: {
                    "threshold": point.threshold,
                    "words": point.words,
                    "calibrated": _calibrated(told, point.threshold),
                }
                for name, point in told.operating_points.items()
            },
            "calibration": told.calibration.method,
            "conformal": told.conformal.model_dump(mode="json") if told.conformal else None,
            "training": told.training.model_dump(mode="json"),
            "metrics": {
                split: scores.model_dump(mode="json") for split, scores in told.metrics.items()
            },
            "flags": FLAGS,
            "why_no_map": self.why_no_map,
            "skinlesion": told.skinlesion,
        }


def _why_no_map(told: Description) -> str | None:
    if told.format:
        return f"the model was exported to {told.format}, which computes no gradients"
    if told.combiner is None or COMBINERS[told.combiner.name].weighs:
        return None
    return (
        f"the ensemble combines its members by {told.combiner.name}:"
        " no sum of their maps explains that"
    )


def _map_weights(told: Description) -> dict[int, float]:
    """Of the members' maps, by place."""
    weights = told.combiner.params["weights"] if told.combiner else [1.0]
    return {n: weights[n] for n in weighty(weights)}


def _shows_all(member: Any) -> bool:
    how = member.preprocessing
    return how.fit == "squash" and not how.cleaning.border_crop


def _calibrated(told: Description, threshold: float) -> float:
    """Where the threshold lies after calibration."""
    clipped = np.array([min(threshold, 1.0)])
    apply = CALIBRATORS[told.calibration.method].apply
    return float(apply(told.calibration.params, clipped)[0])


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
