"""HTML pages and the charts in them: one look, every value escaped, nothing loaded from elsewhere."""

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(template: str, **values: Any) -> str:
    """Render one of the package's templates; a value that the template names and nobody gave is an error.

    Args:
        template: Name of a file in `templates`.
        values: What the template may use. Text in them is escaped, whatever it holds.

    Returns:
        A whole page or picture without any reference to the outside.
    """
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> "Environment":
    # Imported when the first page is rendered: definitions load without it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("marketing_assets.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
