"""The server's own answers on a visitor's connection: counted, written, and the connection's end after them."""

from __future__ import annotations

import time

import attrs

from conductor_trio.access.cors import sharing_fields
from conductor_trio.access.login_link import is_own
from conductor_trio.access.planted_cookies import CookieBomb
from conductor_trio.access.reasons import CookiesTooLarge, Reason, Refusal, TooManyGuesses
from conductor_trio.access.transport_security import is_exposed, transport_security_fields
from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.request import RequestHead
from conductor_trio.net.stream import Stream
from conductor_trio.pages.answers import Reply, answer_for
from conductor_trio.pages.documents import Document
from conductor_trio.pages.rendering import NOTHING_KNOWN, About, Setting, format_answer, render
from conductor_trio.server.proxy.context import ExchangeContext, ProxyContext
from conductor_trio.server.proxy.exchange.exchange import Outcome

_LIMITED = {
    Refusal.TOO_MANY_CONNECTIONS,
    Refusal.TOO_MANY_VISITORS,
    Refusal.TOO_MANY_FROM_ADDRESS,
    Refusal.TOO_MANY_PAGES,
}


@attrs.define(eq=False)  # one a connection, and frozen costs a call a field
class Answerer:
    """Answers the requests of one visitor that do not go to an application, or got no response there."""

    _context: ExchangeContext

    async def answer(self, reason: Reason, request: RequestHead, *, is_complete: bool) -> Outcome:
        """Tell the visitor the reason; `is_complete` tells that the request's end has been read."""
        _count_refusal(reason, self._context.proxy)
        return await self.show(answer_for(reason), request, is_complete=is_complete)

    async def show(self, answer: Reply | Document, request: RequestHead, *, is_complete: bool) -> Outcome:
        """Answer a request, and go on with the next only if nothing of its body is still to come."""
        requests, proxy = self._context.requests, self._context.proxy
        if not is_complete and request.body.is_empty:
            is_complete = isinstance(requests.next_event(), EndOfMessage)
        keep_alive = is_complete and request.keep_alive and not proxy.activity.is_draining
        await self._send(answer, request, keep_alive=keep_alive)
        if keep_alive:
            # The answer may have cost no wait; a flood of such requests must not hold up the others.
            await proxy.ledger.fairness.turnstile.take_turn()
            return Outcome.KEEP
        return Outcome.CLOSE

    async def answer_last(self, reason: Reason, request: RequestHead | None) -> Outcome:
        """Tell the visitor the reason, and read nothing more from them; without a request none could be read."""
        self._context.proxy.observer.note_refusal(reason)
        await self._send(answer_for(reason), request, keep_alive=False)
        return Outcome.CLOSE

    async def disarm(self, bomb: CookieBomb) -> Outcome:
        """Tell a visitor whose cookies are too large, and have the browser forget them."""
        peer = self._context.peer
        https = bomb.says_https if peer.is_trusted else peer.is_https
        reason = CookiesTooLarge(set_cookies=bomb.forget(https=https))
        self._context.proxy.observer.note_refusal(reason)
        answer = render(
            answer_for(reason), bomb.accept, bomb.accept_language, reloads=True, setting=self._setting()
        )
        await self._send(answer, None, keep_alive=False)
        return Outcome.CLOSE

    async def _send(self, answer: Reply | Document, request: RequestHead | None, *, keep_alive: bool) -> None:
        """Count an answer and send it."""
        context, proxy = self._context, self._context.proxy
        context.count_request()
        if not (isinstance(answer, Reply) and answer.is_expected):
            proxy.counters.count_answer(answer.status)
        context.watch.status = answer.status
        added: tuple[tuple[bytes, bytes], ...] = ()
        exposed = False
        if request is not None:
            https = context.peer.uses_https(request)
            exposed = is_exposed(request, https=https)
            added = _sharing_fields(answer, request, proxy) + transport_security_fields(request, https=https)
        text = format_answer(
            answer,
            request,
            keep_alive=keep_alive,
            date=proxy.date.now(),
            added=added,
            setting=self._setting(is_exposed=exposed),
            about=self._find_out(answer, request),
        )
        await context.visitor.send_all(text)
        context.watch.sent += len(text)

    def _setting(self, *, is_exposed: bool = False) -> Setting:
        proxy = self._context.proxy
        return Setting(
            house=proxy.settings.site,
            announcement=proxy.orders.announced,
            is_exposed=is_exposed,
            now=time.time(),
        )

    def _find_out(self, answer: Reply | Document, request: RequestHead | None) -> About:
        """Return what whoever gets the answer may know of the session that it is about."""
        proxy = self._context.proxy
        route = proxy.find_route(request) if request is not None and isinstance(answer, Reply) else None
        if route is None:
            return NOTHING_KNOWN
        is_for_owner = isinstance(answer, Reply) and answer.is_for_owner
        output = proxy.reports.last_output(route.id) if is_for_owner else None
        return About(key=route.key, application=route.application, output=output)


async def turn_away(visitor: Stream, reason: Refusal, proxy: ProxyContext) -> None:
    """Tell a visitor who is one too many, whatever they want."""
    _count_refusal(reason, proxy)
    answer = answer_for(reason)
    proxy.counters.count_answer(answer.status)
    await visitor.send_all(format_answer(answer, None, keep_alive=False, date=proxy.date.now()))


def _count_refusal(reason: Reason, proxy: ProxyContext) -> None:
    proxy.observer.note_refusal(reason)
    if reason in _LIMITED or isinstance(reason, TooManyGuesses):
        proxy.counters.limited += 1


def _sharing_fields(
    answer: Reply | Document, request: RequestHead, proxy: ProxyContext
) -> tuple[tuple[bytes, bytes], ...]:
    """Return what lets the page of an allowed origin see what became of its request; our own pages are not its."""
    if is_own(request.target.decode("ascii").partition("?")[0]):
        return ()
    if proxy.console is not None and proxy.console.is_for(request):
        return ()
    return sharing_fields(request, proxy.policy, (name.lower() for name, _ in answer.fields))
