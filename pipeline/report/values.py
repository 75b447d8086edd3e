"""Values of tables as the report shows them: rounded once, with their addresses.

The address of a value is the file (relative to the results folder), the row (the first
below the header is 1) and the column. Each value that the page shows carries row and
column as the attribute `data-at`, and the file as `data-file`, which may be on an
element around it. So a reader, or a test, can look the value up.
"""

from dataclasses import dataclass

from markupsafe import Markup, escape

NO_VALUE = "n/a"  # is shown where a table has no number
TEXT = ""  # the format of a value that is shown as it is
COUNT = "d"


@dataclass(frozen=True)
class Value:
    """A value of a table.

    Attributes:
        raw: as it stands in the file.
        file, row, column: its address.
        style: how it is shown: TEXT, or a format specification of Python for a number,
            such as ".3f", "+.2f", ".1%" or COUNT.
    """

    raw: str
    file: str
    row: int
    column: str
    style: str = TEXT

    @property
    def text(self) -> str:
        """What is shown, without markup."""
        return shown(self.raw, self.style)

    def __html__(self) -> str:
        template = Markup('<data value="{}" data-file="{}" data-at="{}:{}">{}</data>')
        return template.format(self.raw, self.file, self.row, self.column, self.text)

    @property
    def local(self) -> Markup:
        """Its HTML inside of an element that names the file."""
        # Pages have thousands of values: `Markup.format` is three times as slow.
        raw, column, text = escape(self.raw), escape(self.column), escape(self.text)
        place = f"{self.row}:{column}"
        return Markup(f'<data value="{raw}" data-at="{place}">{text}</data>')

    def __str__(self) -> str:
        return self.text


def shown(raw: str, style: str) -> str:
    """A value of a table as it is shown; NO_VALUE if a number is missing.

    Raises ValueError if a value to be formatted is a text.
    """
    if style == TEXT:
        return raw
    if raw == "" or raw.lower() == "nan":
        return NO_VALUE
    if style == COUNT:
        return format(int(float(raw)), ",")
    text = format(float(raw), style)
    is_zero = float(text.strip("%")) == 0
    return text.lstrip("+-") if is_zero else text


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval, which may be unknown."""

    value: Value
    low: Value
    high: Value

    @property
    def text(self) -> str:
        if NO_VALUE in (self.low.text, self.high.text):
            return self.value.text
        return f"{self.value.text} ({self.low.text} to {self.high.text})"

    @property
    def file(self) -> str:
        """The file of all three."""
        return self.value.file

    def __html__(self) -> str:
        return Markup('<span data-file="{}">{}</span>').format(self.file, self.local)

    @property
    def local(self) -> Markup:
        """Its HTML inside of an element that names the file."""
        if NO_VALUE in (self.low.text, self.high.text):
            return self.value.local
        low, high = self.low.local, self.high.local
        between = f'<span class="interval">({low} to {high})</span>'
        return Markup(f"{self.value.local} {between}")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Setting:
    """A value of the configuration, with its key."""

    key: str
    value: object

    @property
    def text(self) -> str:
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        return "none" if self.value is None else str(self.value)

    def __html__(self) -> str:
        template = Markup('<data value="{}" data-key="{}">{}</data>')
        return template.format(self.text, self.key, self.text)

    def __str__(self) -> str:
        return self.text


def fixed(text: str) -> Markup:
    """A name, or a text of ours: its numerals are no result."""
    return Markup('<span data-fixed="">{}</span>').format(escape(text))
