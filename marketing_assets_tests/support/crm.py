"""A CRM of the contract's shape, filled by hand."""

CREATE = """
CREATE TABLE customers (
    customer_id {id_type}, customer_name text, email text, acquisition_date {date_type},
    acquisition_source text, acquisition_channel text);
CREATE TABLE orders (order_id text, customer_id {id_type}, revenue {money_type}, order_date {date_type});
"""


def create_tables(id_type: str = "text", date_type: str = "date", money_type: str = "numeric(12,2)") -> str:
    return CREATE.format(id_type=id_type, date_type=date_type, money_type=money_type)
