from itertools import combinations

import pytest
from PIL import ImageChops

from ui.assets.icon import draw
from ui.assets.icons import png, state_image
from ui.words.health import Health


@pytest.mark.parametrize("size_px", [16, 20, 24, 32])
@pytest.mark.parametrize(("one", "other"), [*combinations(Health, 2)])
def test_states_differ_in_shape_and_not_in_colour_alone(
    size_px: int, one: Health, other: Health
) -> None:
    shapes = [state_image(state, size_px).getchannel("A") for state in (one, other)]

    difference = ImageChops.difference(*shapes).histogram()
    clearly_different = sum(difference[128:])

    assert clearly_different >= size_px * size_px // 50


@pytest.mark.parametrize("health", Health)
def test_a_picture_fills_its_place(health: Health) -> None:
    image = state_image(health, 32)
    solid = sum(image.getchannel("A").histogram()[200:])

    assert solid > 32 * 32 // 6
    assert image.size == (32, 32)


def test_pictures_are_png_for_tk() -> None:
    assert png(draw(16)).startswith(b"\x89PNG")
