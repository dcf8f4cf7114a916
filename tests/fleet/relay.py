"""A network between agents and their server that breaks: in the middle of requests, of answers, or all of it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from random import Random
from typing import Self

UP_BYTES, DOWN_BYTES = 15_000, 2_500
"""So far a connection gets on the average: a dozen deliveries, and the answers to them."""
PART = 400
"""No more is handed on at once, so that a cut leaves a request or an answer in pieces."""


class Relay:
    """While it is entered, what connects to its port is connected to a server's."""

    def __init__(self, port_of_server: int, seed: int) -> None:
        self._to, self._chance = port_of_server, Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._open = set[asyncio.StreamWriter]()
        self._is_cut = False
        self.broken = 0
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, *, off: bool) -> None:
        """End all connections and let nobody through, or let them through again."""
        self._is_cut = off
        if off:
            self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._relayed, "127.0.0.1", 0, backlog=1000)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _end(self) -> None:
        self._server.close()
        self._abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # transports close their sockets in the loop's next turn

    async def _relayed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            if not self._is_cut:
                there, back = await asyncio.open_connection("127.0.0.1", self._to)
                ends.append(back)
                self._open.update(ends)
                await asyncio.gather(
                    self._piped(reader, back, int(self._chance.expovariate(1 / UP_BYTES)), ends),
                    self._piped(there, writer, int(self._chance.expovariate(1 / DOWN_BYTES)), ends),
                )
        except OSError:
            pass  # the server is not there
        finally:
            self._open.difference_update(ends)
            for end in ends:
                end.transport.abort()

    async def _piped(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int, ends: list[asyncio.StreamWriter]
    ) -> None:
        """Hand on until one end closes; after so many bytes both are cut off, in the middle of whatever it is."""
        with suppress(OSError):
            while data := await reader.read(min(PART, most)):
                writer.write(data)
                await writer.drain()
                most -= len(data)
                if most <= 0:
                    self.broken += 1
                    break
        for end in ends:
            end.transport.abort()
