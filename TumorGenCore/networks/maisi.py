"""MAISI's VAE weights as a ``PetVAE``.

The weights are the user's own: TumorGen never ships or downloads them, and their licence does not allow commercial use.
They were trained on CT and MR scaled to [0, 1], not on PET in [-1, 1]: scale the input, or train them on, before use.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from TumorGenCore.errors import ModelBundleError
from TumorGenCore.networks.vae import PetVAE

__all__ = ["MAISI_ARGUMENTS", "load_maisi_vae"]

#: The arguments of ``PetVAE`` that describe MAISI's public autoencoder.
MAISI_ARGUMENTS: dict[str, Any] = {
    "channels": [64, 128, 256],
    "num_res_blocks": [2, 2, 2],
    "latent_channels": 4,
    "norm_num_groups": 32,
    "space_to_depth": 1,
    "use_convtranspose": False,
}

#: Training scripts nest the weights under one of these names.
_NESTED = ("unet_state_dict", "state_dict")


def load_maisi_vae(folder_or_file: str | Path, arguments: dict[str, Any] | None = None) -> PetVAE:
    """MAISI's autoencoder as a ``PetVAE``, float32, in evaluation mode; its data range is [0, 1].

    Args:
        folder_or_file: ``autoencoder*.pt`` or ``autoencoder*.safetensors``, or a folder with exactly one of them.
        arguments: of ``PetVAE`` (``use_convtranspose`` must be False); None: ``MAISI_ARGUMENTS``.

    Raises:
        ModelBundleError: no such file, more than one, damaged, or names and shapes that do not fit.
    """
    file = _weights_file(Path(folder_or_file))
    network = PetVAE(**(MAISI_ARGUMENTS if arguments is None else arguments))
    expected = network.autoencoder.state_dict()
    state = {_our_name(name): tensor for name, tensor in _read(file).items()}
    wrong = (
        [f"{name} is missing" for name in expected if name not in state]
        + [f"{name} is not known" for name in state if name not in expected]
        + [
            f"{name} has shape {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
            for name, tensor in expected.items()
            if name in state and state[name].shape != tensor.shape
        ]
    )
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelBundleError(
            f"{file.name} does not fit MAISI's autoencoder: {'; '.join(wrong[:3])}{more}. "
            "Give the weights of an AutoencoderKlMaisi with these settings."
        )
    network.autoencoder.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return network.eval()


def _weights_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(p for suffix in ("pt", "safetensors") for p in path.glob(f"autoencoder*.{suffix}"))
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise ModelBundleError(
            f"One autoencoder*.pt or autoencoder*.safetensors is needed in {path.name!r}, there are: {names}. "
            "Give the file itself."
        )
    return found[0]


def _read(file: Path) -> dict[str, torch.Tensor]:
    try:
        content: Any
        if file.suffix == ".safetensors":
            content = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelBundleError(f"{file.name} cannot be read as weights ({reason}); get it again.") from error
    for name in _NESTED:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ModelBundleError(f"{file.name} holds no table of weights; give MAISI's autoencoder.")
    return content


def _our_name(name: str) -> str:
    """MAISI wraps each convolution of encoder and decoder once more, and calls what follows an upsampling ``conv``."""
    if not name.startswith(("encoder.", "decoder.")):
        return name
    name = name.replace(".conv.conv.", ".conv.", 1)
    return re.sub(r"^(decoder\.blocks\.\d+)\.conv\.conv\.", r"\1.postconv.conv.", name)
