"""kornia's augmentations take the dicts of ``keys=``: image and mask change alike."""

import pytest
from tensor_loaders import open_set

import cloudio

torch = pytest.importorskip("torch", reason="torch is an extra")
kornia = pytest.importorskip("kornia.augmentation", reason="kornia is not installed")


@pytest.mark.parametrize("keys", ["torchgeo", {"image": "image", "label": "mask", "index": "id"}])
def test_image_and_mask_are_turned_alike(tmp_path, keys):
    reader = open_set(tmp_path).reader("L1C", "hq", size=20, keys=keys)
    augment = kornia.AugmentationSequential(
        kornia.RandomHorizontalFlip(p=0.5), kornia.RandomVerticalFlip(p=0.5), data_keys=None
    )
    torch.manual_seed(0)
    seen = set()
    for batch in cloudio.torch.Loader(reader, 4):
        image, mask = batch["image"].clone(), batch["mask"].clone()
        made = augment(batch)
        assert list(made) == list(batch)
        assert made["mask"].dtype is mask.dtype
        for k in range(len(image)):
            for axes in ((), (-1,), (-2,), (-2, -1)):
                if torch.equal(made["image"][k], image[k].flip(axes)):
                    assert torch.equal(made["mask"][k, 0], mask[k].flip(axes))
                    seen.add(axes)
                    break
            else:
                pytest.fail("the image is none of the four")
    assert len(seen) > 1
