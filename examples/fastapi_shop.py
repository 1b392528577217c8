"""A FastAPI app that texts its customers in its own transactions, with SQLAlchemy's asyncio.

    pip install fastapi uvicorn 'sqlalchemy[asyncio]' aiosqlite
    export SHOP_DATABASE=sqlite+aiosqlite:///shop.sqlite3
    uvicorn --app-dir examples fastapi_shop:app

The texts wait beside the orders until a worker, or ``sluicegate relay``, hands them over:

    [databases.shop]
    url = "sqlite:///shop.sqlite3"
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sluicegate import InvalidMessage
from sluicegate.transactional.sqlalchemy import add_table, aenqueue

SENDER = "+15557654321"
engine = create_async_engine(os.environ.get("SHOP_DATABASE", "sqlite+aiosqlite:///shop.sqlite3"))
Session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The shop's tables."""


class Order(Base):
    """One order, and whether it was shipped."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    to: Mapped[str]
    shipped: Mapped[bool] = mapped_column(default=False)


add_table(Base.metadata)  # Sluicegate's, beside the shop's


@asynccontextmanager
async def opened(app: FastAPI) -> AsyncIterator[None]:
    """Make the tables; a real shop has migrations, and Alembic finds both."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=opened)


@app.post("/orders", status_code=201)
async def place(to: str) -> dict[str, int]:
    """Take an order."""
    async with Session.begin() as session:
        order = Order(to=to)
        session.add(order)
        await session.flush()
        return {"order": order.id}


@app.post("/orders/{number}/ship")
async def ship(number: int) -> dict[str, int]:
    """Ship an order, and text its customer: both or neither; a second click does nothing."""
    async with Session.begin() as session:
        order = await session.get(Order, number, with_for_update=True)
        if order is None:
            raise HTTPException(404)
        if not order.shipped:
            order.shipped = True
            text = f"Your order {number} is on its way."
            try:
                await aenqueue(
                    session, id=f"order-{number}", to=order.to, sender=SENDER, text=text
                )
            except InvalidMessage as error:
                raise HTTPException(422, str(error)) from None
    return {"order": number}
