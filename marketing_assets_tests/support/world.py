"""Made-up sources as plain lists, small enough to check by hand."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

AdsRow = dict[str, object]
Customer = tuple[str, date | None, str | None, str | None]
"""Customer id, acquisition date, acquisition source, acquisition channel."""
Order = tuple[str, str, Decimal, date]
"""Order id, customer id, revenue, order date."""
Sale = tuple[str, str, date, Decimal]
"""Order id, customer id, order date, revenue."""


@dataclass
class World:
    """What the three sources hold."""

    ads: dict[date, list[AdsRow]] = field(default_factory=dict)
    customers: list[Customer] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)

    def sales_by_month(self) -> dict[date, list[list[str]]]:
        """Lay the sales out as rows of monthly files; every month with ads has a file."""
        months: dict[date, list[list[str]]] = {day.replace(day=1): [] for day in self.ads}
        for order, customer, day, revenue in self.sales:
            months.setdefault(day.replace(day=1), []).append([order, customer, str(day), str(revenue), "books"])
        return months
