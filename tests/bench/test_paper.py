"""The paper's figures as data, spot-checked against the printed tables."""

from __future__ import annotations

import pytest

from imgcrypt.bench import paper


def test_every_table_is_there():
    assert {name.split("_")[0] for name in paper.tables()} >= {f"table{number}" for number in range(1, 10)}


def test_table_1():
    assert paper.set11("FCLBCNN", 0.25) == {"lena": 31.09, "monarch": 29.97, "flinstones": 27.57, "mean": 29.71}
    assert paper.set11("FCLBCNN", 0.1)["mean"] == 25.41
    assert paper.set11("TVAL3", 0.01)["mean"] == 11.31
    assert paper.set11("FCLBCNN", 0.53) == {}


def test_table_2():
    assert paper.bsds500("FCLBCNN", "gray", 0.53) == (32.87, 0.9392)
    assert paper.bsds500("FCLBCNN", "color", 0.18) == (32.07, 0.9279)
    assert paper.bsds500("FCLBCNN", "color", 0.53) is None


def test_table_3():
    assert paper.lena("gray", 0.53) == (36.4387, 0.9715)
    assert paper.lena("color", 0.18) == (32.5516, 0.9456)
    assert paper.lena("color", 0.25) is None


def test_table_4():
    lena = paper.correlations("Lena")
    assert lena["plain (gray)"] == (0.9396, 0.9639, 0.9189)
    assert lena["cipher, paper (color)"] == (-0.0024, 0.0012, 0.0035)
    assert paper.correlations("Peppers")["cipher, Hua 2015"] == (0.0071, -0.0065, -0.0165)


def test_table_5():
    assert paper.entropies("Lena")["cipher, paper (gray)"] == 7.9949
    assert paper.entropies("Peppers")["cipher, Shi 2019"] == 7.9633


def test_table_6():
    assert paper.local_entropies("Peppers") == {"gray": 7.9027, "color": 7.9023}


def test_tables_7_and_8():
    assert paper.differential("npcr", "Lena") == {
        "gray": 0.9960,
        "color": 0.9961,
        "Shi 2019": 0.9954,
        "Belazi 2016": 0.9962,
    }
    assert paper.differential("uaci", "Peppers")["color"] == 0.3331


def test_every_picture_of_tables_4_to_8_is_printed():
    for picture in paper.STATISTICS_PICTURES:
        assert len(paper.correlations(picture)) == 5
        assert len(paper.entropies(picture)) == 4
        assert list(paper.differential("uaci", picture)) == list(paper.differential("npcr", picture))


def test_table_9():
    assert list(paper.seconds(1024, "color").values()) == [4.62, 9.42, 14.04, 48.51]
    assert paper.seconds(2048, "gray") == {}


@pytest.mark.parametrize(
    ("stem", "name"),
    [("lena256", "lena"), ("lena_color_512", "lena"), ("Monarch", "monarch"), ("100007", "100007")],
)
def test_picture_names(stem, name):
    assert paper.picture_name(stem) == name
