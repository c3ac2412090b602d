"""BACKBONES: what each network is, and what it expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras

from skinlesion.models import alexnet, efficientnet_lite
from skinlesion.pretrained import SOURCES, Weights

KERAS_STOCHASTIC_DEPTH = 0.2  # of the EfficientNets of keras.applications, and of the paper


@dataclass(frozen=True)
class Backbone:
    """One row of the table.

    Attributes:
        network: From a side in pixels to a Model of scaled images, without classifier, random.
        scaling: One of ``scaling.SCALINGS``.
        native_size: Side in pixels that the ImageNet weights were trained at.
        min_size: Smallest side that leaves a feature map.
        block_end: Pattern of the names of layers that end a block; group 1 names the block, and
            the last match of a name ends it.
        imagenet: Where the ImageNet weights come from; None: there are none.
        citation: The paper.
        stochastic_depth: Rate by default, if ``network`` takes ``stochastic_depth``; else None.
    """

    network: Callable[..., keras.Model]
    scaling: str
    native_size: int
    min_size: int
    block_end: str
    imagenet: Weights | None
    citation: str
    stochastic_depth: float | None = None


def _application(
    application: Callable[..., keras.Model], image_size: int, *, weights: str | None = None
) -> keras.Model:
    """A network of ``keras.applications`` that takes scaled images."""
    shape = (image_size, image_size, 3)
    return application(include_top=False, weights=weights, input_shape=shape, name="backbone")


def _efficientnet(
    image_size: int,
    *,
    weights: str | None = None,
    stochastic_depth: float = KERAS_STOCHASTIC_DEPTH,
) -> keras.Model:
    """EfficientNetB0 without the scaling that Keras builds in.

    Keras's scaling depends on ``weights``, so that a network reloaded from a file would compute
    something else; and its Normalization layer cannot be exported to ONNX.
    """
    # No name: Keras would look for a weights file of that name.
    whole = keras.applications.EfficientNetB0(
        include_top=False, weights=weights, input_shape=(image_size, image_size, 3)
    )
    for layer in whole.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate *= stochastic_depth / KERAS_STOCHASTIC_DEPTH
    return keras.Model(whole.get_layer("stem_conv_pad").input, whole.output, name="backbone")


_EFFICIENTNET_BLOCK = r"^(block[0-9]+[a-z]?)_(?:project_bn|add)$"
_EFFICIENTNET_PAPER = "Tan and Le, ICML 2019, arXiv:1905.11946"

BACKBONES: dict[str, Backbone] = {
    "alexnet": Backbone(
        network=alexnet.network,
        scaling="torch",
        native_size=227,
        min_size=64,
        block_end=r"^(conv[1-5]|fc[67])_relu$",
        imagenet=SOURCES["alexnet"],
        citation="Krizhevsky, Sutskever and Hinton, NIPS 2012",
    ),
    "inceptionv3": Backbone(
        network=partial(_application, keras.applications.InceptionV3),
        scaling="tf",
        native_size=299,
        min_size=75,
        block_end=r"^(mixed[0-9]+)$",
        imagenet=SOURCES["inceptionv3"],
        citation="Szegedy et al., CVPR 2016, arXiv:1512.00567",
    ),
    "resnet50": Backbone(
        network=partial(_application, keras.applications.ResNet50),
        scaling="caffe",
        native_size=224,
        min_size=32,
        block_end=r"^(conv[2-5]_block[0-9]+)_out$",
        imagenet=SOURCES["resnet50"],
        citation="He et al., CVPR 2016, arXiv:1512.03385",
    ),
    "densenet121": Backbone(
        network=partial(_application, keras.applications.DenseNet121),
        scaling="torch",
        native_size=224,
        min_size=32,
        # A block is one of the paper's four dense blocks with its transition.
        block_end=r"^(pool[234]_pool|conv5_block16_concat)$",
        imagenet=SOURCES["densenet121"],
        citation="Huang et al., CVPR 2017, arXiv:1608.06993",
    ),
    "efficientnetb0": Backbone(
        network=_efficientnet,
        scaling="torch",
        native_size=224,
        min_size=32,
        block_end=_EFFICIENTNET_BLOCK,
        imagenet=SOURCES["efficientnetb0"],
        citation=_EFFICIENTNET_PAPER,
        stochastic_depth=KERAS_STOCHASTIC_DEPTH,
    ),
    "efficientnet_lite0": Backbone(
        network=partial(efficientnet_lite.network, width=1.0, depth=1.0),
        scaling="lite",
        native_size=224,
        min_size=32,
        block_end=_EFFICIENTNET_BLOCK,
        imagenet=SOURCES["efficientnet_lite0"],
        citation=_EFFICIENTNET_PAPER,
        stochastic_depth=0.0,
    ),
    "efficientnet_lite1": Backbone(
        network=partial(efficientnet_lite.network, width=1.0, depth=1.1),
        scaling="lite",
        native_size=240,
        min_size=32,
        block_end=_EFFICIENTNET_BLOCK,
        imagenet=SOURCES["efficientnet_lite1"],
        citation=_EFFICIENTNET_PAPER,
        stochastic_depth=0.0,
    ),
    "efficientnet_lite2": Backbone(
        network=partial(efficientnet_lite.network, width=1.1, depth=1.2),
        scaling="lite",
        native_size=260,
        min_size=32,
        block_end=_EFFICIENTNET_BLOCK,
        imagenet=SOURCES["efficientnet_lite2"],
        citation=_EFFICIENTNET_PAPER,
        stochastic_depth=0.0,
    ),
}
