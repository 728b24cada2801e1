import pytest

from kmlic.data import read_listing


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"", "must list images; it is empty"),
        ("a.csv", b"\xef\xbb\xbf \n\n", "it is empty"),
        ("a.json", b"[]\n", "it is empty"),
        ("a.jsonl", b"", "it is empty"),
        ("a.csv", b"\xff\xd8\xff\xe0", "it is a JPEG image"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "it is a JPEG image"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "it is a PNG image"),
        (
            "a.csv",
            b"PK\x03\x04 .. [Content_Types].xml",
            "an Excel workbook. Save it as",
        ),
        ("a.xlsx", b"PK\x03\x04 ..", "an Excel workbook. Save it as CSV"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "an Excel workbook. Save it as CSV"),
        ("a.csv", b"PK\x03\x04 ..", "it is a ZIP archive. Unpack it first"),
        ("a.csv", b'[{"path": "0.jpg"}]', "must be a table; it is JSON"),
        ("a.json", b"path,labels\n0.jpg,cat\n", r"Name a table \.csv"),
    ],
)
def test_names_the_real_kind_of_a_file(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} .*{sentence}"):
        read_listing(tmp_path / name)
