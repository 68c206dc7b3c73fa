from pathlib import Path

from marketing_assets.settings import OperationSettings, Settings

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_lists_every_setting_with_its_default():
    lines = [line for line in README.read_text().splitlines() if line.startswith("| `")]
    for name, field in (OperationSettings.model_fields | Settings.model_fields).items():
        [line] = [line for line in lines if f"`{name.upper()}`" in line.split("|")[1]]
        if field.is_required():
            assert line.split("|")[3].strip() == "required", line
        elif field.default is not None:
            assert f"`{field.default:g}`" in line if isinstance(field.default, float) else f"`{field.default}`" in line
