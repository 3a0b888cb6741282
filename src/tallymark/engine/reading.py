"""Reading a folder that may hold exported tables alone, and saying so where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from tallymark.engine.warehouse import Warehouse
from tallymark.errors import WarehouseError

__all__ = ["reading"]

_OTHER = (duckdb.BinderException, duckdb.CatalogException)  # a table or column that is not there


@contextmanager
def reading(warehouse: Warehouse) -> Iterator[None]:
    """Say of a folder that holds other tables than a build exports that it cannot be read."""
    try:
        yield
    except duckdb.Error as error:
        if warehouse.catalog.is_file() and isinstance(error, _OTHER):
            raise WarehouseError(
                f"made by another version of Tallymark: {str(error).splitlines()[0]}",
                where=str(warehouse.catalog),
                fix="run `tallymark build --full-refresh` to make its tables anew",
            ) from error
        if warehouse.catalog.is_file():
            raise
        raise WarehouseError(
            f"these exports cannot be read: {str(error).splitlines()[0]}",
            where=str(warehouse.root),
            fix="take fct_sessions, fct_orders and fct_attribution as `tallymark build` wrote them",
        ) from error
    except WarehouseError as error:
        error.where = error.where or str(warehouse.root)
        raise
