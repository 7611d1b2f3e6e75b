import numpy as np
import pytest
from PIL import Image, ImageCms

from celltransfer_core.data import check_image, decode
from celltransfer_core.data.colours import DAMAGED, NOT_APPLIED
from tests.data.encoded import gradient, saved, swapped_profile, tiff

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF", "JPEG"])
def test_a_profile_is_applied(kind):
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}.get(kind, {"quality": 100})
    flat = np.zeros((64, 64, 3), np.uint8)
    flat[:] = (200, 40, 90)
    swapped = decode(saved(flat, kind, icc_profile=swapped_profile(), **options))
    np.testing.assert_allclose(swapped[32, 32].astype(int), (40, 200, 90), atol=6)
    assert check_image(saved(flat, kind, icc_profile=swapped_profile(), **options)).note == ""


def test_the_profile_of_srgb_changes_no_byte():
    np.testing.assert_array_equal(decode(saved(gradient(), icc_profile=SRGB)), gradient())


def test_palettes_and_what_is_transparent_keep_their_profile():
    palette = Image.fromarray(gradient()).quantize(8)
    with_profile = decode(saved_image(palette, icc_profile=swapped_profile()))
    plain = np.asarray(palette.convert("RGB"))
    np.testing.assert_allclose(with_profile.astype(int), plain[..., [1, 0, 2]], atol=3)
    rgba = np.dstack([gradient(), np.full((20, 30), 255, np.uint8)])
    rgba[:5, :, 3] = 0
    found = decode(saved(rgba, icc_profile=swapped_profile()))
    assert (found[:5] == 255).all()
    np.testing.assert_allclose(found[5:].astype(int), gradient()[5:, :, [1, 0, 2]], atol=3)


def saved_image(image, **options):
    import io

    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("profile", [b"no profile", SRGB[:300], LAB])
def test_a_profile_that_cannot_be_used_is_noted(profile):
    data = saved(gradient(), icc_profile=profile)
    found = check_image(data)
    assert (found.problem, found.note) == ("", DAMAGED)
    np.testing.assert_array_equal(decode(data), gradient())


def test_grey_with_the_profile_of_colours_stays_grey():
    data = saved(gradient()[..., 0], icc_profile=SRGB)
    assert check_image(data).note == ""
    np.testing.assert_array_equal(decode(data)[..., 1], gradient()[..., 0])


def test_16_bit_colours_say_that_their_profile_is_not_applied():
    values = gradient().astype(np.uint16) * 200
    plain = tiff(values, photometric="rgb", iccprofile=SRGB)
    assert check_image(plain).note == ""
    data = tiff(values, photometric="rgb", iccprofile=swapped_profile())
    assert check_image(data).note == NOT_APPLIED


def test_packed_colours_of_a_tiff_keep_their_profile():
    data = tiff(
        gradient(48, 48), photometric="rgb", compression="lerc", iccprofile=swapped_profile()
    )
    np.testing.assert_allclose(decode(data).astype(int), gradient(48, 48)[..., [1, 0, 2]], atol=3)
