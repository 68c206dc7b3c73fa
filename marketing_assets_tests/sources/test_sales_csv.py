import csv
import io
import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import boto3
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from marketing_assets.errors import MarketingError, PermanentError, SourceNotReadyError, TransientError
from marketing_assets.sources.sales_csv import SalesMonth, read_month
from marketing_assets.storage.places import FolderPlace, S3Place
from marketing_assets.tables import RAW_SALES, UNDATED_SALES

JANUARY = date(2024, 1, 1)
HEADER = "order_id,customer_id,order_date,revenue,product_category\n"
MANY = "".join(f"N-{number},C-1,2024-01-02,100,Books\n" for number in range(20))


class Shop:
    """A folder of sales files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = FolderPlace(folder)

    def write(self, text: str | bytes, name: str = "sales_2024-01.csv") -> None:
        (self.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def read(self, text: str | bytes) -> SalesMonth:
        self.write(text)
        return read_month(self.place, JANUARY)

    def fault(self, text: str | bytes) -> str:
        with pytest.raises(PermanentError) as caught:
            self.read(text)
        assert str(self.folder / "sales_2024-01.csv") in str(caught.value)
        return str(caught.value)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_row_is_kept_as_read_and_as_understood(shop: Shop) -> None:
    month = shop.read(HEADER + ' Ａ－１ ,C-1,2024/1/5 10:30,"¥1,234",食品\n')
    assert month.rows.schema == RAW_SALES.schema
    assert month.undated.schema == UNDATED_SALES.schema
    assert month.rows.to_dicts() == [
        {
            "date": date(2024, 1, 5),
            "order_id": " Ａ－１ ",
            "customer_id": "C-1",
            "order_date": "2024/1/5 10:30",
            "revenue": "¥1,234",
            "product_category": "食品",
            "file_name": "sales_2024-01.csv",
            "line_number": 2,
            "parsed_order_id": "A-1",
            "parsed_customer_id": "C-1",
            "parsed_revenue": Decimal(1234),
            "repeats_line": None,
        }
    ]


def test_file_as_excel_saves_it_in_a_japanese_office(shop: Shop) -> None:
    text = (
        "注文番号,顧客番号,顧客名,注文日,売上金額,カテゴリ,備考\r\n"
        '1001,C-1,山田 太郎,2024年1月5日,"\\1,234",表計算,"急ぎ\r\n電話済"\r\n'
        "\r\n"
        "1002,C-2,佐藤 花子,令和6年1月6日,▲500,ソフト,\r\n"
        ",,,,,,\r\n"
        "1003,C-3,鈴木,2024/1/7,（３００）,食品\r\n"
    )
    month = shop.read(text.encode("cp932"))
    assert month.rows.select("line_number", "date", "parsed_revenue", "product_category").rows() == [
        (2, date(2024, 1, 5), Decimal(1234), "表計算"),
        (5, date(2024, 1, 6), Decimal(-500), "ソフト"),
        (7, date(2024, 1, 7), Decimal(-300), "食品"),
    ]
    assert month.last_day == date(2024, 1, 7)


@pytest.mark.parametrize(
    "header",
    [
        "注文ID\t顧客ID\t注文日\t売上\t商品カテゴリ",
        "注文番号\t顧客番号\t注文日\t売上金額\tカテゴリ",
        "注文ID\t顧客ID\t注文日\t金額\tカテゴリ",
        "Order_ID\t CUSTOMER_ID \tｏｒｄｅｒ＿ｄａｔｅ\trevenue\tproduct_category",
        "注文ＩＤ\t顧客ＩＤ\t注文日\t売上\t商品ｶﾃｺﾞﾘ",
    ],
)
def test_header_names(shop: Shop, header: str) -> None:
    month = shop.read(f"\ufeff{header}\nA\tC\t20240131\t12\tBooks\n")
    assert month.rows.select("order_id", "customer_id", "date", "revenue", "product_category").rows() == [
        ("A", "C", date(2024, 1, 31), "12", "Books")
    ]


def test_empty_fields_are_null_and_spaces_are_kept_as_read(shop: Shop) -> None:
    row = shop.read(HEADER + "\u3000,,2024-01-02, ,\n").rows.to_dicts()[0]
    assert (row["order_id"], row["customer_id"], row["revenue"], row["product_category"]) == ("\u3000", None, " ", None)
    assert (row["parsed_order_id"], row["parsed_customer_id"], row["parsed_revenue"]) == (None, None, None)


def test_rows_of_no_day_are_set_aside_with_their_reason(shop: Shop) -> None:
    month = shop.read(
        HEADER
        + MANY
        + "A,C-1,2024-02-01,100,Books\n"
        + "B,C-1,2023-12-31,100,Books\n"
        + "D,C-1,2024-01-32,100,Books\n"
        + "E,C-1,2024-01-03,1,234,Books\n"
    )
    assert month.rows.height == 20
    assert month.undated.select("line_number", "reason", "order_id", "order_date", "revenue").rows() == [
        (22, "outside_month", "A", "2024-02-01", "100"),
        (23, "outside_month", "B", "2023-12-31", "100"),
        (24, "unreadable_date", "D", "2024-01-32", "100"),
        (25, "wrong_field_count", None, None, None),  # under a column's name might stand a person's
    ]
    assert set(month.undated["file_name"]) == {"sales_2024-01.csv"}
    assert month.last_day == date(2024, 1, 2)


def test_a_file_that_ends_in_the_middle_of_a_row_is_not_read_yet(shop: Shop) -> None:
    with pytest.raises(TransientError, match="it looks cut off: expected 5 fields in line 3, its last, found 4"):
        shop.read(HEADER + "A,C-1,2024-01-03,100,Books\n" + "B,C-1,2024-01-04,12")
    assert shop.read(HEADER + "B,C-1,2024-01-04,12\n").rows["revenue"].to_list() == ["12"]


def test_any_day_names_the_month(shop: Shop) -> None:
    shop.write(HEADER + "A,C,2024-12-31,100,Books\n", "sales_2024-12.csv")
    shop.write(HEADER, "sales_2025-01.csv")
    month = read_month(shop.place, date(2024, 12, 31))
    assert (month.file_name, month.rows.height, month.next_month_exists) == ("sales_2024-12.csv", 1, True)


# Repeats


def repeats(shop: Shop, *lines: str) -> list[int | None]:
    return shop.read(HEADER + "\n".join(lines)).rows["repeats_line"].to_list()


def test_of_repeats_the_earliest_day_stays(shop: Shop) -> None:
    assert repeats(shop, "A,C,2024-01-09,1,x", "B,C,2024-01-09,1,x", "A,C,2024-01-08,1,x") == [4, None, None]


def test_of_repeats_of_a_day_the_first_line_stays(shop: Shop) -> None:
    assert repeats(shop, "A,C,2024-01-09,1,x", "A,C,2024-01-09,2,x", "A,D,2024-01-10,3,x") == [None, 2, 2]


def test_repeats_are_found_by_the_normal_form_of_the_id(shop: Shop) -> None:
    assert repeats(shop, "A-1,C,2024-01-09,1,x", " Ａ－１,C,2024-01-09,1,x") == [None, 2]
    assert repeats(shop, "A-1,C,2024-01-09,1,x", "a-1,C,2024-01-09,1,x") == [None, None]


@pytest.mark.parametrize(
    "unusable",
    ["A,,2024-01-01,1,x", "A,\u3000,2024-01-01,1,x", "A,C,2024-01-01,?,x", "A,C,2024-01-01,,x", "A,C,2024-01-01,-1,x"],
)
def test_unusable_rows_neither_stay_nor_repeat(shop: Shop, unusable: str) -> None:
    assert repeats(shop, unusable, "A,C,2024-01-02,1,x", unusable, "A,C,2024-01-03,1,x") == [None, None, None, 3]


def test_rows_without_an_order_id_repeat_nothing(shop: Shop) -> None:
    assert repeats(shop, ",C,2024-01-01,1,x", ",C,2024-01-01,1,x") == [None, None]


def test_rows_outside_the_month_repeat_nothing(shop: Shop) -> None:
    assert repeats(shop, "A,C,2023-12-31,1,x", "A,C,2024-01-01,1,x") == [None]


# Some days


def test_one_day_knows_the_whole_month(shop: Shop) -> None:
    shop.write(
        HEADER
        + MANY
        + "A,C,2024-01-09,1,x\n"
        + "B,C,2024-01-09,2,x\n"
        + "A,C,2024-01-08,3,x\n"
        + "B,C,2024-01-10,4,x\n"
        + "D,C,?,5,x\n"
    )
    month = read_month(shop.place, JANUARY, {date(2024, 1, 9)})
    assert month.rows.select("line_number", "order_id", "repeats_line").rows() == [(22, "A", 24), (23, "B", None)]
    assert month.undated["line_number"].to_list() == [26]
    assert month.last_day == date(2024, 1, 10)


def test_a_day_without_rows(shop: Shop) -> None:
    shop.write(HEADER + "A,C,2024-01-09,1,x\n")
    month = read_month(shop.place, JANUARY, [date(2024, 1, 8)])
    assert (month.rows.schema, month.rows.height) == (RAW_SALES.schema, 0)
    assert month.reported(date(2024, 1, 8))


def test_rows_of_a_day(shop: Shop) -> None:
    month = shop.read(HEADER + "A,C,2024-01-09,1,x\nB,C,2024-01-08,1,x\nD,C,2024-01-09,1,x\n")
    assert month.of_day(date(2024, 1, 9))["order_id"].to_list() == ["A", "D"]
    assert month.of_day(date(2024, 1, 10)).schema == RAW_SALES.schema


# Reported


def test_days_up_to_the_last_row_are_reported(shop: Shop) -> None:
    month = shop.read(HEADER + "A,C,2024-01-10,100,x\nB,C,2024-02-20,100,x\n")
    assert month.reported(date(2024, 1, 9))
    assert month.reported(date(2024, 1, 10))
    assert not month.reported(date(2024, 1, 11))


def test_next_months_file_closes_the_month(shop: Shop) -> None:
    shop.write(HEADER, "sales_2024-02.csv")
    assert shop.read(HEADER + "A,C,2024-01-10,100,x\n").reported(date(2024, 1, 31))


@pytest.mark.parametrize("next_month_exists", [False, True])
def test_header_without_rows_reports_nothing_before_the_next_months_file(shop: Shop, next_month_exists: bool) -> None:
    if next_month_exists:
        shop.write(HEADER, "sales_2024-02.csv")
    month = shop.read(HEADER)
    assert month.rows.schema == RAW_SALES.schema
    assert month.undated.schema == UNDATED_SALES.schema
    assert (month.rows.height, month.undated.height, month.last_day) == (0, 0, None)
    assert month.next_month_exists == next_month_exists
    assert month.reported(JANUARY) == next_month_exists


# Faults


def test_missing_file_names_its_address(shop: Shop) -> None:
    with pytest.raises(SourceNotReadyError) as caught:
        read_month(shop.place, JANUARY)
    assert f"Expected the month's sales at {shop.folder}/sales_2024-01.csv" in str(caught.value)


def test_missing_column_names_every_form(shop: Shop) -> None:
    message = shop.fault("注文ID,顧客ID,受注日,売上,カテゴリ\n")
    assert "found '注文ID', '顧客ID', '受注日', '売上', 'カテゴリ', which lacks order_date (or 注文日)" in message
    assert "revenue (or 売上, 売上金額, 金額)" in message


def test_column_that_comes_twice(shop: Shop) -> None:
    message = shop.fault("注文ID,顧客ID,注文日,売上,金額,カテゴリ\n")
    assert "expected one column for revenue, found 2: '売上' (column 4), '金額' (column 5)" in message


def test_workbook_under_the_name_of_a_csv(shop: Shop) -> None:
    workbook = io.BytesIO()
    with ZipFile(workbook, "w") as parts:
        parts.writestr("[Content_Types].xml", "<Types/>")
    assert "found a ZIP archive (an Excel workbook is one)" in shop.fault(workbook.getvalue())


def test_up_to_a_tenth_of_the_rows_may_lack_a_date(shop: Shop) -> None:
    nine = "".join(f"N-{number},C,2024-01-02,100,x\n" for number in range(9))
    month = shop.read(HEADER + nine + "A,C,?,100,x\n")
    assert (month.rows.height, month.undated["reason"].to_list()) == (9, ["unreadable_date"])


def test_more_than_a_tenth_without_a_date_is_a_fault_with_examples_of_dates_only(shop: Shop) -> None:
    message = shop.fault(HEADER + "A,Yamada,5th of January,100,x\nB,Sato,,100,x\nD,Ito,2024-01-05,100,x\n")
    assert (
        "at least 90 % of the 3 rows, found 2 without a readable date (line 2: '5th of January', line 3: empty)"
        in message
    )
    assert "Yamada" not in message


def test_more_than_a_tenth_with_too_many_fields_is_a_fault(shop: Shop) -> None:
    message = shop.fault(HEADER + "A,C,2024-01-05,1,234,x\n" + "B,C,2024-01-05,100,x\n")
    assert "found 1 with more fields than the header (lines [2])" in message


def test_rows_outside_the_month_are_no_fault(shop: Shop) -> None:
    month = shop.read(HEADER + "A,C,2024-02-05,100,x\n")
    assert (month.rows.height, month.undated.height, month.last_day) == (0, 1, None)


def test_file_that_is_written_meanwhile_is_worth_another_try(shop: Shop) -> None:
    class Growing(FolderPlace):
        def exists(self, key: str) -> bool:
            with (self.root / "sales_2024-01.csv").open("a") as file:
                file.write("B,C,2024-01-06,100,x\n")
            return super().exists(key)

    shop.write(HEADER + "A,C,2024-01-05,100,x\n")
    with pytest.raises(TransientError, match="was written while it was read"):
        read_month(Growing(shop.folder), JANUARY)


# S3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Place]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="shop")
    yield S3Place("shop", "exports")
    server.stop()


def test_file_in_s3(bucket: S3Place) -> None:
    with pytest.raises(SourceNotReadyError, match=r"s3://shop/exports/sales_2024-01\.csv"):
        read_month(bucket, JANUARY)
    bucket.write("sales_2024-01.csv", (HEADER + "A,C,2024-01-05,100,x\n").encode())
    bucket.write("sales_2024-02.csv", HEADER.encode())
    month = read_month(bucket, JANUARY)
    assert (month.rows["order_id"].to_list(), month.next_month_exists) == (["A"], True)


# Whole files


_ORDER_IDS = st.sampled_from(["A-1", "A-2", " A-1 ", "Ａ－１", "注文1", "", " ", 'A"1', "A;1"])
_CUSTOMER_IDS = st.sampled_from(["C-1", "Ｃ－２", "", "\u3000", "C,\t3"])
_AMOUNTS = st.integers(-5000, 10**9).map(lambda cents: Decimal(cents) / 100)
_CATEGORIES = st.sampled_from(["食品", "表計算", "", "a\nb", 'x "y", z', "tab\there"])
_ROWS = st.tuples(_ORDER_IDS, _CUSTOMER_IDS, st.integers(0, 40), _AMOUNTS, _CATEGORIES)


def spelled_day(day: date, chance: random.Random) -> str:
    return chance.choice(
        [
            day.isoformat(),
            f"{day.year}/{day.month}/{day.day}",
            f"{day:%Y%m%d}",
            f"{day.year}年{day.month}月{day.day}日",
            f"令和{day.year - 2018}年{day.month}月{day.day}日",
            f"{day.isoformat()} 23:59",
        ]
    )


def spelled_amount(amount: Decimal, chance: random.Random) -> str:
    sign = chance.choice("-▲△") if amount < 0 else ""
    return chance.choice(
        [f"{sign}{abs(amount)}", f"{sign}¥{abs(amount):,}".replace("¥", "\\"), f"{sign}{abs(amount):,}円"]
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    sales=st.lists(_ROWS, max_size=25),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp932"]),
    delimiter=st.sampled_from(",\t;"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_break=st.sampled_from(["\n", "\r\n"]),
    seed=st.integers(),
)
def test_any_file_agrees_with_plain_arithmetic(
    tmp_path: Path,
    sales: list[tuple[str, str, int, Decimal, str]],
    encoding: str,
    delimiter: str,
    quoting: Literal[0, 1],
    line_break: str,
    seed: int,
) -> None:
    chance = random.Random(seed)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_break)
    writer.writerow(["氏名", "売上", "カテゴリ", "注文日", "注文ID", "顧客ID"])
    line = 2
    usable: dict[str, list[tuple[date, int]]] = {}
    revenue = Decimal(0)
    expected = []
    outside = 0
    for order_id, customer_id, offset, amount, category in sales:
        day = JANUARY + timedelta(days=offset)
        written = (spelled_amount(amount, chance), category, spelled_day(day, chance), order_id, customer_id)
        writer.writerow(["山田", *written])
        if day.month == 1:
            expected.append((line, day, order_id or None, amount, category or None))
            revenue += amount
            identity = order_id.strip().replace("Ａ－１", "A-1")
            if identity and customer_id.strip() and amount >= 0:
                usable.setdefault(identity, []).append((day, line))
        else:
            outside += 1
        line += 1 + category.count("\n")
    (tmp_path / "sales_2024-01.csv").write_bytes(text.getvalue().encode(encoding))

    month = read_month(FolderPlace(tmp_path), JANUARY)

    assert month.rows.select("line_number", "date", "order_id", "parsed_revenue", "product_category").rows() == expected
    assert month.rows["parsed_revenue"].sum() == revenue
    assert month.undated["reason"].to_list() == ["outside_month"] * outside
    assert month.last_day == max((row[1] for row in expected), default=None)
    repeating = {line: min(group)[1] for group in usable.values() for _, line in group if line != min(group)[1]}
    found = month.rows.filter(pl.col("repeats_line").is_not_null()).select("line_number", "repeats_line")
    assert dict(found.rows()) == repeating
    for day in (JANUARY, JANUARY + timedelta(days=9)):
        one_day = read_month(FolderPlace(tmp_path), JANUARY, {day})
        assert one_day.rows.equals(month.rows.filter(date=day))
        assert (one_day.undated.height, one_day.last_day) == (outside, month.last_day)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map((HEADER + MANY).encode().__add__)))
def test_any_bytes_are_a_month_or_a_fault_on_purpose(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "sales_2024-01.csv").write_bytes(data)
    try:
        month = read_month(FolderPlace(tmp_path), JANUARY)
    except MarketingError as error:
        assert "sales_2024-01.csv" in str(error)
    else:
        assert month.rows["line_number"].is_sorted()
        assert month.undated["reason"].null_count() == 0
