"""A Flask app that texts its customers in its own transactions, with SQLAlchemy.

    export SHOP_DATABASE=sqlite:///shop.sqlite3
    flask --app examples/flask_shop.py run
    curl -d to=+15551234567 http://127.0.0.1:5000/orders
    curl -X POST http://127.0.0.1:5000/orders/1/ship

The texts wait beside the orders until a worker, or ``sluicegate relay``, hands them over:

    [databases.shop]
    url = "sqlite:///shop.sqlite3"
"""

import os

from flask import Flask, abort, request
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from sluicegate import InvalidMessage
from sluicegate.transactional.sqlalchemy import add_table, enqueue

SENDER = "+15557654321"


class Base(DeclarativeBase):
    """The shop's tables."""


class Order(Base):
    """One order, and whether it was shipped."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    to: Mapped[str]
    shipped: Mapped[bool] = mapped_column(default=False)


add_table(Base.metadata)  # Sluicegate's, beside the shop's
Session = sessionmaker(create_engine(os.environ.get("SHOP_DATABASE", "sqlite:///shop.sqlite3")))
Base.metadata.create_all(Session.kw["bind"])  # a real shop has migrations: Alembic finds both
app = Flask(__name__)


@app.post("/orders")
def place() -> tuple[dict[str, int], int]:
    """Take an order."""
    with Session.begin() as session:
        order = Order(to=request.form["to"])
        session.add(order)
        session.flush()
        return {"order": order.id}, 201


@app.post("/orders/<int:number>/ship")
def ship(number: int) -> dict[str, int]:
    """Ship an order, and text its customer: both or neither; a second click does nothing."""
    with Session.begin() as session:
        order = session.get(Order, number, with_for_update=True)
        if order is None:
            abort(404)
        if not order.shipped:
            order.shipped = True
            try:
                text = f"Your order {number} is on its way."
                enqueue(session, id=f"order-{number}", to=order.to, sender=SENDER, text=text)
            except InvalidMessage as error:
                app.logger.warning("order %d ships untold: %s", number, error)
    return {"order": number}
