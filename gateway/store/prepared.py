"""Statements that are made once and run on the driver itself.

Why: SQLAlchemy takes 40 us to run a statement that it knows, and 90 us for one that is made anew;
the driver takes 5. So what every request does is written in SQLAlchemy's words, compiled once for
each database, and run past it; the types of the columns convert the values as ever.
Limits: every parameter has a name and is given each time; lists of values have a fixed length.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, LargeBinary
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]


class _Form(NamedTuple):
    """A statement as one database takes it."""

    text: str
    binds: tuple[tuple[str, Convert | None], ...]
    """The parameters, in their order where the driver counts them."""
    counted: bool
    fixed: Values
    """Those that are always the same."""
    results: tuple[tuple[int, Convert], ...]
    error: type[Exception]
    """What all errors of the driver are."""

    def parameters(self, values: Values) -> Any:
        """The values as the driver takes them."""
        if self.fixed:
            values = {**self.fixed, **values}
        if self.counted:
            return [
                convert(values[name]) if convert else values[name] for name, convert in self.binds
            ]
        return {
            name: convert(values[name]) if convert else values[name] for name, convert in self.binds
        }

    def in_order(self, rows: Iterable[Sequence[Any]]) -> Any:
        """The same of values in the order of the parameters, row by row; None is NULL."""
        values = [value for row in rows for value in row]
        converted = [
            value if value is None or convert is None else convert(value)
            for value, (_, convert) in zip(values, self.binds, strict=True)
        ]
        if self.counted:
            return converted
        return {name: value for (name, _), value in zip(self.binds, converted, strict=True)}


class Prepared:
    """One statement of SQLAlchemy."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._forms: dict[str, _Form] = {}

    def rows(self, connection: Connection, values: Values) -> list[tuple[Any, ...]]:
        """Run it with these values; the rows that it gives."""
        form = self._form(connection.dialect)
        return self._rows(connection, form, form.parameters(values))

    def inserted(
        self, connection: Connection, rows: Iterable[Sequence[Any]]
    ) -> list[tuple[Any, ...]]:
        """Run an INSERT of as many rows as are given here, the values in the order of its
        parameters; the rows that it gives, if it gives any."""
        form = self._form(connection.dialect)
        return self._rows(connection, form, form.in_order(rows))

    def _rows(self, connection: Connection, form: _Form, parameters: Any) -> list[tuple[Any, ...]]:
        cursor: Any = connection.connection.cursor()
        try:
            cursor.execute(form.text, parameters)
            found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        except form.error as error:
            raise _translated(error, form, connection.dialect) from error
        return [_converted(row, form.results) for row in found] if form.results else found

    def run(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Run it for each of these rows."""
        form = self._form(connection.dialect)
        every = [form.parameters(row) for row in rows]
        cursor: Any = connection.connection.cursor()
        try:
            if len(every) == 1:
                cursor.execute(form.text, every[0])
            else:
                cursor.executemany(form.text, every)
        except form.error as error:
            raise _translated(error, form, connection.dialect) from error

    def _form(self, dialect: Dialect) -> _Form:
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = _compiled(self._statement, dialect)
        return form


def _compiled(statement: Any, dialect: Dialect) -> _Form:
    driver: Any = dialect.dbapi
    compiled: SQLCompiler = statement.compile(dialect=dialect)
    binds = compiled.binds
    kinds = {name: bind.type.dialect_impl(dialect) for name, bind in binds.items()}
    given = getattr(statement, "exported_columns", ())
    columns = [column.type.dialect_impl(dialect) for column in given]
    results = ((place, kind.result_processor(dialect, None)) for place, kind in enumerate(columns))
    names = compiled.positiontup
    return _Form(
        str(compiled),
        tuple((name, _converter(kinds[name], dialect)) for name in names or binds),
        names is not None,
        {name: bind.value for name, bind in binds.items() if not bind.required},
        tuple((place, convert) for place, convert in results if convert),
        driver.Error,
    )


def _converter(kind: Any, dialect: Dialect) -> Convert | None:
    """What makes of a value what the driver takes: SQLAlchemy's own has two more functions around
    it, for each value. Both drivers take the bytes that ours makes as they are."""
    if isinstance(kind, TypeDecorator) and _converts(kind):
        plain = kind.impl_instance
        if isinstance(plain, LargeBinary) or plain.bind_processor(dialect) is None:
            return partial(kind.process_bind_param, dialect=dialect)
    found: Convert | None = kind.bind_processor(dialect)
    return found


def _converts(kind: TypeDecorator[Any]) -> bool:
    """Whether the type says what is made of a value; else what is behind it does."""
    return type(kind).process_bind_param is not TypeDecorator.process_bind_param


def _converted(row: tuple[Any, ...], results: Iterable[tuple[int, Convert]]) -> tuple[Any, ...]:
    values = list(row)
    for place, convert in results:
        values[place] = convert(values[place])
    return tuple(values)


def _translated(error: Any, form: _Form, dialect: Dialect) -> BaseException:
    """An error of the driver as one of SQLAlchemy."""
    told: BaseException = DBAPIError.instance(
        form.text, None, error, form.error, hide_parameters=True, dialect=dialect
    )
    return told
