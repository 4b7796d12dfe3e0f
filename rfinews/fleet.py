"""What the workers of a fleet share in Redis: one queue, who is there, whose turn it is at a site.

A worker is a crawl; a fleet is all workers of one spider with the same arguments; a run is what they
do from when the first one comes to when the last one goes. Every change is one Lua script, so a
worker may die between any two of them: what it had taken returns to the queue when its lease ends.
All times are Redis' own, whatever the clocks of the machines say.

Keys of one Redis (no cluster); before each but the last three stands ``rfinews:<fleet>:``

``run``
    string: the name of the run. Without it Redis has lost all the rest.
``workers``
    set: who is there.
``queue``
    sorted set: requests as scrapy-redis writes them; by priority, then first come, first served.
``taken:<worker>``
    sorted set: requests that a worker has taken and is not done with.
``seen``
    set: fingerprints. Each request gets into the queue once a run.
``claims``
    hash: addresses, and the worker that accounts for each; ``""`` is whoever takes it from the queue.
``tips``
    hash: what is told of addresses in the queue, a line a tip.
``counts``
    hash: what the workers count together.
``answers``, ``again``
    hash and set: validators that workers would keep, and the feeds of which not to.
``left``, ``refusals``
    hashes: hosts left alone and why; refusals in a row.
``rfinews:alive:<worker>``
    string that expires: the lease of a worker of any fleet.
``rfinews:site:<host>``
    hash: when a request was sent there last, until when it is paused.
``rfinews:site:<host>:active``
    set: requests on their way there.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple, cast

import orjson
import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from rfinews.ledger import Tip
from rfinews.store import StoreError

#: Seconds to wait for Redis.
_PATIENCE = 10

_COMMON = """
local p, me = KEYS[1], ARGV[1]

local function live(ms)
    redis.call('SET', 'rfinews:alive:' .. me, '1', 'PX', ms)
    redis.call('SADD', p .. 'workers', me)
end

local function put_back(worker)
    local taken = redis.call('ZRANGE', p .. 'taken:' .. worker, 0, -1, 'WITHSCORES')
    for i = 1, #taken, 2 do redis.call('ZADD', p .. 'queue', taken[i + 1], taken[i]) end
    redis.call('DEL', p .. 'taken:' .. worker)
end

local function done(first)  -- ARGV from there on: requests, each with its key in `tips` or ''
    for i = first, #ARGV, 2 do
        if redis.call('ZREM', p .. 'taken:' .. me, ARGV[i]) == 1 and ARGV[i + 1] ~= '' then
            redis.call('HDEL', p .. 'tips', ARGV[i + 1])
        end
    end
end

local function is_alive(worker) return redis.call('EXISTS', 'rfinews:alive:' .. worker) == 1 end

local function living()  -- the workers, once the dead have given back what they had taken
    local found = {}
    for _, worker in ipairs(redis.call('SMEMBERS', p .. 'workers')) do
        if is_alive(worker) then
            found[#found + 1] = worker
        else
            put_back(worker)
            redis.call('SREM', p .. 'workers', worker)
        end
    end
    return found
end

local function queue(score, request)
    -- a thousand million requests together weigh less than one step of priority
    local order = redis.call('HINCRBY', p .. 'counts', 'queued', 1)
    redis.call('ZADD', p .. 'queue', score + order * 1e-9, request)
end

local function forget()
    for _, name in ipairs({'run', 'workers', 'queue', 'seen', 'claims', 'tips', 'counts', 'answers',
                           'again', 'left', 'refusals'}) do
        redis.call('DEL', p .. name)
    end
end

local function microseconds()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end
"""

# Arguments: lease in ms, a name for the run. Returns the name that the run has. One whose last
# worker died when all was done is over.
_JOIN = """
if #living() == 0 and redis.call('ZCARD', p .. 'queue') == 0 then forget() end
redis.call('SET', p .. 'run', ARGV[3], 'NX')
live(ARGV[2])
return redis.call('GET', p .. 'run')
"""

# Arguments: lease in ms, the run. Returns whether it still is that one.
_RENEW = """
if redis.call('GET', p .. 'run') ~= ARGV[3] then return 0 end
live(ARGV[2])
return 1
"""

# Arguments: score, request, fingerprint, address that it accounts for or ''. Returns whether it is
# new.
_PUT = """
if redis.call('SADD', p .. 'seen', ARGV[4]) == 0 then return 0 end
queue(ARGV[2], ARGV[3])
if ARGV[5] ~= '' then redis.call('HSET', p .. 'claims', ARGV[5], '') end
return 1
"""

# Arguments: score, request, address, tip. Returns whether the address is new. It is so, too, for a
# document that told the very same before: it is read again, for its first reader died.
_PUT_WAITING = """
if redis.call('HSETNX', p .. 'claims', ARGV[4], '') == 1 then
    queue(ARGV[2], ARGV[3])
    redis.call('HSET', p .. 'tips', ARGV[4], ARGV[5])
    return 1
end
local told = redis.call('HGET', p .. 'tips', ARGV[4])
if not told then return 0 end
if string.find(told, ARGV[5], 1, true) then return 1 end
redis.call('HSET', p .. 'tips', ARGV[4], told .. '\\n' .. ARGV[5])
return 0
"""

# Arguments: lease in ms, the run, whether to take one, then what is done. Returns how many requests
# there are, queued or taken by anyone (-1: there is no such run), and the one that was taken.
# What has priority may still lead to more of its kind and to tips: the rest waits while any of it
# is on its way.
_TAKE = """
if redis.call('GET', p .. 'run') ~= ARGV[3] then return {-1} end
live(ARGV[2])
done(5)
local number, leading = 0, 0
for _, worker in ipairs(living()) do
    number = number + redis.call('ZCARD', p .. 'taken:' .. worker)
    leading = leading + redis.call('ZCOUNT', p .. 'taken:' .. worker, '-inf', '(0')
end
number = number + redis.call('ZCARD', p .. 'queue')
if ARGV[4] == '0' then return {number} end
local first = redis.call('ZRANGE', p .. 'queue', 0, 0, 'WITHSCORES')
if #first == 0 or (leading > 0 and tonumber(first[2]) >= 0) then return {number} end
redis.call('ZREM', p .. 'queue', first[1])
redis.call('ZADD', p .. 'taken:' .. me, first[2], first[1])
return {number, first[1]}
"""

# Argument: a request that was taken. What it might lead to is not waited for.
_HOLD = "redis.call('ZADD', p .. 'taken:' .. me, 'XX', 'GT', 0, ARGV[2])"

# Arguments: what is done. All else that was taken returns to the queue.
_PUT_BACK = """
done(2)
put_back(me)
"""

# Argument: address. Returns whether this worker is to account for it.
_CLAIM = """
local owner = redis.call('HGET', p .. 'claims', ARGV[2])
if owner and owner ~= me and (owner == '' or is_alive(owner)) then return 0 end
redis.call('HSET', p .. 'claims', ARGV[2], me)
return 1
"""

# Arguments: validators to keep, feeds of which not to. Returns those of all workers once the last
# one goes and all is done: the run ends, and nothing of it is left.
_LEAVE = """
put_back(me)
redis.call('HSET', p .. 'answers', me, ARGV[2])
for i = 3, #ARGV do redis.call('SADD', p .. 'again', ARGV[i]) end
redis.call('SREM', p .. 'workers', me)
redis.call('DEL', 'rfinews:alive:' .. me)
if #living() > 0 or redis.call('ZCARD', p .. 'queue') > 0 then return false end
local all = {redis.call('HVALS', p .. 'answers'), redis.call('SMEMBERS', p .. 'again')}
forget()
return all
"""

# Arguments: host, number of the request, µs between two requests, how many at once. Returns one of
# ``left`` and why, ``paused`` and for how many µs, ``wait`` and how many µs, ``go`` and how many
# refusals in a row there have been.
_TURN = """
local left = redis.call('HGET', p .. 'left', ARGV[2])
if left then return {'left', left} end
local site = 'rfinews:site:' .. ARGV[2]
local active = site .. ':active'
local now = microseconds()
local paused = tonumber(redis.call('HGET', site, 'paused') or 0)
if paused > now then return {'paused', paused - now} end
local free = tonumber(redis.call('HGET', site, 'last') or 0) + tonumber(ARGV[4])
if free > now then return {'wait', free - now} end
if redis.call('SCARD', active) >= tonumber(ARGV[5]) then
    for _, each in ipairs(redis.call('SMEMBERS', active)) do
        if not is_alive(string.match(each, '^(.*) ')) then redis.call('SREM', active, each) end
    end
    if redis.call('SCARD', active) >= tonumber(ARGV[5]) then return {'wait', 0} end
end
redis.call('HSET', site, 'last', now)
redis.call('SADD', active, me .. ' ' .. ARGV[3])
redis.call('EXPIRE', site, 86400)
redis.call('EXPIRE', active, 86400)
return {'go', tonumber(redis.call('HGET', p .. 'refusals', ARGV[2]) or 0)}
"""

# Arguments: host, µs.
_PAUSE = """
local site = 'rfinews:site:' .. ARGV[2]
local till = microseconds() + tonumber(ARGV[3])
if till > tonumber(redis.call('HGET', site, 'paused') or 0) then
    redis.call('HSET', site, 'paused', till)
    redis.call('EXPIRE', site, 86400)
end
"""


class FleetError(StoreError):
    """Redis cannot be used or has lost what the fleet keeps there; one line for the user."""


class LeftAlone(NamedTuple):
    """A host that is asked no more in this run."""

    status: int
    """Its last answer."""
    reason: str


class Turn(NamedTuple):
    """Whether a request may be sent to a site now."""

    left_alone: LeftAlone | None = None
    """Never again."""
    paused: float = 0.0
    """Seconds for which the site wants to be left alone."""
    wait: float | None = None
    """Seconds after which to ask again; `None`: it may."""
    refusals: int = 0
    """How many requests in a row the site has refused."""


class Fleet:
    """A worker's view of its fleet. Every method raises `FleetError`."""

    def __init__(self, url: str, name: str, worker: str, lease: float) -> None:
        """`lease`: seconds without a sign of life after which a worker counts as dead."""
        self.client = client(url)
        self.prefix = f"rfinews:{name}:"
        self.worker = worker
        self.lease = int(lease * 1000)
        self.run = ""
        self._scripts: dict[str, Script] = {}

    # ----------------------------------------------------------------------------- who is there

    def join(self) -> None:
        """Come to the run that is on, or begin one."""
        self.run = self._do(_JOIN, self.lease, self.worker).decode()

    def renew(self) -> None:
        """Give a sign of life."""
        if not self._do(_RENEW, self.lease, self.run):
            raise self._lost()

    def leave(
        self, answers: Iterable[object], again: Iterable[str]
    ) -> tuple[list[list[Any]], set[str]] | None:
        """Go. The last one, once all is done, gets `answers` and `again` of all workers."""
        all_ = self._do(_LEAVE, orjson.dumps(list(answers)), *again)
        if all_ is None:
            return None
        kept = [answer for each in all_[0] for answer in orjson.loads(each)]
        return kept, {url.decode() for url in all_[1]}

    # ------------------------------------------------------------------------------- the queue

    def put(self, request: bytes, score: int, fingerprint: str, address: str | None) -> bool:
        """Queue a request, which accounts for `address`. Returns whether it is new."""
        return bool(self._do(_PUT, score, request, fingerprint, address or ""))

    def put_waiting(self, request: bytes, address: str, tip: Tip) -> bool:
        """Queue an address, or add a tip to what is told of it. Returns whether it is new."""
        return bool(self._do(_PUT_WAITING, 0, request, address, _written(tip)))

    def take(
        self, done: Iterable[tuple[bytes, str]], *, is_to_take: bool
    ) -> tuple[int, bytes | None]:
        """Take a request. Returns how many there are, queued or taken by anyone, and the request.

        `done`: requests taken before and the addresses that waited in them, ``""`` for none.
        """
        number, *taken = self._do(
            _TAKE, self.lease, self.run, int(is_to_take), *chain.from_iterable(done)
        )
        if number < 0:
            raise self._lost()
        return number, taken[0] if taken else None

    def tips(self, address: str) -> list[Tip]:
        """Recall what is told of an address that waited in the queue, in order."""
        told = self._call("HGET", f"{self.prefix}tips", address)
        return [_read(line) for line in told.split(b"\n")] if told else [Tip(None)]

    def hold(self, request: bytes) -> None:
        """Let nobody wait for what a request that was taken may lead to."""
        self._do(_HOLD, request)

    def put_back(self, done: Iterable[tuple[bytes, str]]) -> None:
        """Return to the queue all that was taken and is not `done`."""
        self._do(_PUT_BACK, *chain.from_iterable(done))

    # ---------------------------------------------------------------------------- the accounts

    def claim(self, address: str) -> bool:
        """Return whether this worker is to account for an address: the first one is."""
        return bool(self._do(_CLAIM, address))

    def count(self, name: str, number: int = 1) -> int:
        """Count something together; return how many it is now."""
        return int(self._call("HINCRBY", f"{self.prefix}counts", name, number))

    # ------------------------------------------------------------------------------- the sites

    def turn(self, host: str, number: int, delay: float, at_once: int) -> Turn:
        """Ask whether the request `number` may be sent to a host now; if so, it is on its way.

        `delay`: seconds between two requests, whoever sends them; `at_once`: how many at once.
        """
        word, told = self._do(_TURN, host, number, int(delay * 1e6), at_once)
        if word == b"left":
            return Turn(left_alone=LeftAlone(*orjson.loads(told)))
        if word == b"paused":
            return Turn(paused=told / 1e6)
        return Turn(wait=told / 1e6) if word == b"wait" else Turn(refusals=told)

    def end_turn(self, host: str, number: int) -> None:
        """The request is on its way no more."""
        self._call("SREM", f"rfinews:site:{host}:active", f"{self.worker} {number}")

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody send anything there for so long."""
        self._do(_PAUSE, host, int(seconds * 1e6))

    def refused(self, host: str) -> int:
        """Count a refusal; return how many in a row."""
        return int(self._call("HINCRBY", f"{self.prefix}refusals", host, 1))

    def accepted(self, host: str) -> None:
        """End the row of refusals."""
        self._call("HDEL", f"{self.prefix}refusals", host)

    def leave_alone(self, host: str, why: LeftAlone) -> None:
        """Let nobody ask a host any more in this run."""
        self._call("HSET", f"{self.prefix}left", host, orjson.dumps(tuple(why)))

    # ----------------------------------------------------------------------------------- inside

    def _do(self, lua: str, *args: object) -> Any:
        script = self._scripts.get(lua)
        if script is None:
            script = self._scripts[lua] = self.client.register_script(_COMMON + lua)
        try:
            return script(keys=[self.prefix], args=[self.worker, *cast(tuple[Any, ...], args)])
        except redis.RedisError as error:
            raise self._unusable(error) from error

    def _call(self, *command: object) -> Any:
        try:
            return self.client.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: redis.RedisError) -> FleetError:
        return FleetError(f"Cannot use Redis at {self._where}: {' '.join(str(error).split())}")

    def _lost(self) -> FleetError:
        return FleetError(
            f"Redis at {self._where} has lost the fleet's queue, or the run has ended without "
            f"this worker, which was silent for more than {self.lease / 1000:g} s"
        )

    @property
    def _where(self) -> str:
        options = self.client.connection_pool.connection_kwargs
        return str(options.get("path") or f"{options.get('host')}:{options.get('port')}")


def client(url: str) -> redis.Redis:
    """Return a client, which connects when it is used. Raises ValueError for a malformed address.

    Nothing is tried twice: what was taken might be taken once more.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
        encoding_errors="backslashreplace",  # an address may have half a character
        retry=Retry(NoBackoff(), 0),
    )


def merged(tips: list[Tip]) -> Tip:
    """Merge what is told of an address as `rfinews.ledger.Ledger` does.

    >>> merged([Tip("rss", None, b"{}"), Tip("news", "2024-03-20")])
    Tip(feed='rss', lastmod='2024-03-20', entry=b'{}')
    """
    lastmod = max((tip.lastmod for tip in tips if tip.lastmod is not None), default=None)
    entry = next((tip.entry for tip in tips if tip.entry is not None), None)
    return Tip(tips[0].feed, lastmod, entry)


def _written(tip: Tip) -> bytes:
    return orjson.dumps((tip.feed, tip.lastmod, tip.entry and tip.entry.decode()))


def _read(line: bytes) -> Tip:
    feed, lastmod, entry = orjson.loads(line)
    return Tip(feed, lastmod, entry and entry.encode())
