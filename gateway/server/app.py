"""The running gateway: builds the parts and hands them to each other, starts and stops them.

Limits: it decides nothing; ``front`` serves partners, ``links`` reach them.
Why: stopping has a limit at every step, so that no partner, client or database can keep the process
alive; what is cut off is in the store and goes out after the next start.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall

from gateway.adapter import Partner, Seal
from gateway.errors import Unreachable
from gateway.http import Request
from gateway.routing.attempt import Effort
from gateway.routing.delivery import Deliveries
from gateway.routing.exchange import Exchange
from gateway.routing.poll import Polls
from gateway.routing.threads import Threads
from gateway.routing.transcript import Keeping
from gateway.routing.upkeep import Upkeep
from gateway.security.hidden import hidden
from gateway.server import admin, inventory, key_files, parties
from gateway.server.busy import busy_answers
from gateway.server.client_certificates import ClientCertificates
from gateway.server.config import Config
from gateway.server.config import ServerTls as TlsOptions
from gateway.server.config_options import KEPT
from gateway.server.figures import Figures
from gateway.server.front import public_router, warm_up
from gateway.server.http import HttpServer, Limits
from gateway.server.links import Links
from gateway.server.listeners import Listeners
from gateway.server.message_auth import MessageAuth
from gateway.server.metrics import CONTENT_TYPE, Metrics
from gateway.server.reload import Reloading
from gateway.server.route_limits import longest_bodies, share
from gateway.server.router import Router
from gateway.server.shares import Shares
from gateway.server.signatures import message_security
from gateway.server.tls import ServerTls, server_tls
from gateway.store import SeenMessages, Store

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 2.0
"""For the steps after what was under way: operators, links, the last answers into the ledger."""
LOOK = 2.0
"""Seconds between two looks at how the process is."""
IDLE_SECONDS = 2.0
"""For the clients of a process that leaves its work to others; see ``HttpServer.drain``."""
_DAY = 24 * 3600.0
_STALLED = timedelta(seconds=30)
"""The outbox worker looks every second; after this it is not well."""


def utc_now() -> datetime:
    """The clock of the running gateway."""
    return datetime.now(UTC)


class App:
    """One process of the gateway. ``start`` listens and works, ``stop`` finishes and leaves.

    ``shared``: sockets that are bound already and that other processes accept on too.
    """

    def __init__(
        self,
        config: Config,
        reactor: Any,
        clock: Callable[[], datetime] = utc_now,
        *,
        shared: Listeners | None = None,
    ) -> None:
        """Raises ConfigError, StoreUnavailable."""
        self.config, self._reactor, self._clock = config, reactor, clock
        self._shared = shared
        self.metrics = Metrics(shared.board[1] if shared and shared.board else 0)
        gateway = config.gateway
        self.directory = parties.directory(config)
        partners = {id: party.partner for id, party in self.directory.parties.items()}
        self.certificates = ClientCertificates(config, partners, clock)
        self._tls = _listener_tls(gateway.tls, self.certificates) if gateway.tls else None
        self.links = Links(config, reactor, clock)
        self.store = Store(gateway.database.reveal(), clock)
        self.threads = Threads(reactor)
        try:
            keeping = Keeping(hidden, frozenset(config.retention.hashed))
            self.exchange = Exchange(
                self.directory,
                self.store,
                self.links.get,
                clock,
                self.threads,
                keeping=keeping,
                tally=self.metrics,
            )
            self.security = message_security(config, self.directory, self.exchange.together, clock)
            self._auth = MessageAuth(config, SeenMessages(self.store), clock, self.threads)
            self.exchange.admit = self._admit
            self.exchange.sees_all = self.exchange.sees_all and not shared
            self.links.connect(self.directory, self.exchange, self.security)
            outbox = config.outbox
            effort = Effort(outbox.first_pause, outbox.longest_pause, outbox.give_up)
            self.deliveries = Deliveries(self.exchange, clock, effort=effort)
            self.polls = Polls(self.exchange, config.schedule, clock)
            kinds = {kind: getattr(config.retention, kind) for kind in KEPT}
            self.upkeep = Upkeep(self.exchange, config.retention, kinds, effort.longest)
            self.shares = _shares(config, reactor, shared.workers if shared else 1)
            self.router = public_router(
                self.directory,
                self.exchange,
                self.links,
                self.threads,
                gateway.public_url,
                self.security,
                self.certificates,
                config.limits,
                self.shares,
            )
        except BaseException:
            self.close()
            raise
        self._drain_seconds = gateway.drain.total_seconds()
        whole, longest = longest_bodies(config.limits)
        limits = Limits(
            drain_seconds=self._drain_seconds,
            connections=config.limits.connections,
            connections_of_one=config.limits.connections_of_one,
            held_of_one=max(Limits().held_of_one, 2 * whole),
            spooled_of_one=max(Limits().spooled_of_one, longest + longest // 16),
            unknown=max(Limits().unknown, 2 * whole),
        )
        self._public = HttpServer(
            self.router,
            limits,
            reactor,
            bound=self.router.bound,
            begun=self.router.begun,
            page_for=self.router.page_for,
            busy=busy_answers(),
            turned_away=self.metrics.turned_away,
        )
        self.figures = Figures(self.metrics, config, self.store, self.threads, clock)
        self.admin = self._admin_router()
        self._operators = HttpServer(self.admin, limits, reactor, bound=self.admin.bound)
        self._warm = self.draining = False
        self._keys = LoopingCall(lambda: inventory.warn(config, clock()))
        self._keys.clock = reactor
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._next_look = 0.0
        self.reloading = Reloading(reactor)
        key_files.watch(
            self.reloading,
            config,
            self.directory,
            self.links,
            self.certificates,
            self._tls,
            self.security,
        )

    async def _admit(self, partner: Partner, request: Request) -> Seal | None:
        """Who has presented a secret is believed when connection and message are its own too."""
        self.certificates.check(partner, request)
        return await self._auth.check(partner, request)

    def _admin_router(self) -> Router:
        router = Router()
        checks = {
            "database": self._database,
            "contracts": self._contracts,
            "outbox": self._outbox,
            "listening": self._listening,
            "keys": self.figures.keys,
            "key files": self._key_files,
        }
        admin.add_metrics(router, self.figures.text, CONTENT_TYPE)
        admin.add_health(router, checks, self._reactor)
        return router

    # -- checks --------------------------------------------------------------------------------

    async def _database(self) -> str | None:
        def look() -> None:
            with self.store.read() as tx:
                tx.parties.value("", "")

        await self.threads.in_thread(look, writing=False)
        return self.store.lost or None

    async def _contracts(self) -> str | None:
        return None if self._warm else "not loaded yet"

    async def _outbox(self) -> str | None:
        looked = self.deliveries.looked
        if looked is None:
            return "nobody has looked yet"
        late = self._clock() - looked
        if late > _STALLED:
            return f"nobody has looked for {late}"
        return await self.figures.outbox({*self.deliveries.resting(), *self.deliveries.busy()})

    async def _listening(self) -> str | None:
        return "draining" if self.draining else None

    async def _key_files(self) -> str | None:
        faults = "; ".join(f"{name}: {why}" for name, why in self.reloading.faults.items())
        return admin.Remark(f"the old ones are in use; {faults}") if faults else None

    def _look(self) -> None:
        """Take down how the process is, and how late this is."""
        now, public = self._reactor.seconds(), self._public
        if self._next_look:
            self.metrics.late(max(0.0, now - self._next_look))
        self._next_look = now + LOOK
        resting = self.deliveries.resting()
        self.metrics.look(public.under_way, public.connections, public.held, resting)

    # -- running -------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen and work. Raises CannotListenError; ``stop`` or ``close`` follows then too."""
        gateway, shared = self.config.gateway, self._shared
        if shared is None:
            self._operators.listen(gateway.admin.port, gateway.admin.host)
            self._public.listen(gateway.listen.port, gateway.listen.host, self._tls)
        warm_up()
        self._warm = True
        if shared is not None:  # not before it can answer: others can
            self._operators.adopt(shared.admin)
            self._public.adopt(shared.public, self._tls, shared.board)
        self.deliveries.start()
        self.polls.start()
        self.upkeep.start()
        self._keys.start(_DAY)
        self._looking.start(LOOK)
        self.reloading.start()
        log.info("gateway started", public=gateway.public_url, parties=len(self.config.parties))

    async def stop(self, *, leaving: bool = False) -> None:
        """Accept no more, finish what is in flight, give back what is claimed.

        ``leaving``: others go on, so operators are not told that the gateway is stopping.
        """
        if self.draining:
            return
        self.draining = True
        self.reloading.stop()
        self.upkeep.stop()
        for each in (self._keys, self._looking):
            if each.running:
                each.stop()
        steps = [self._public.drain(min(IDLE_SECONDS, self._drain_seconds / 2) if leaving else 0)]
        if leaving:
            steps.append(self._operators.drain())
        await self._all(
            *(self._within(self._drain_seconds, step) for step in steps),
            self._within(self._drain_seconds, self.polls.stop()),
            self._within(self._drain_seconds, self.deliveries.stop()),
        )
        await self._all(
            self._within(CLOSE_SECONDS, self._operators.drain()),
            self._within(CLOSE_SECONDS, self.links.close()),
            self._within(CLOSE_SECONDS, self.exchange.journal.flush()),
        )
        self.metrics.count()
        self.close()
        log.info("gateway stopped")

    def close(self) -> None:
        """Leave the threads and the database as they are."""
        self.threads.stop()
        self.store.close()

    async def _within(self, seconds: float, ending: Awaitable[Any]) -> None:
        try:
            await self.threads.within(seconds, ending)
        except Unreachable:
            log.warning("stopped before all was finished")

    async def _all(self, *waiting: Any) -> None:
        results: Any = await DeferredList(
            [Deferred.fromCoroutine(each) for each in waiting], consumeErrors=True
        )
        for fine, result in results:
            if not fine:
                log.error("not stopped in order", error=repr(result.value))


def _shares(config: Config, reactor: Any, workers: int) -> Shares:
    """What each partner gets of this process."""
    own = {party.id: share(party.limits, workers) for party in config.parties if party.limits}
    return Shares(share(config.limits.partner, workers), own, reactor.seconds)


def _listener_tls(tls: TlsOptions, shown: ClientCertificates) -> ServerTls:
    return ServerTls(
        lambda: server_tls(
            tls.cert,
            tls.key,
            client_ca=tls.client_ca,
            client_required=tls.client_required,
            clients=shown.anchors,
            tls_1_2=tls.tls_1_2,
        )
    )
