"""Tails a store as Loki's clients do, over WebSocket, while lines are pushed. Says at its end how many checks held."""

import asyncio
import json
import sys
import time
import urllib.parse
import urllib.request

import websockets

BASE = sys.argv[1]
CHECKS = 0


def check(what, found, expected):
    global CHECKS
    CHECKS += 1
    if found != expected:
        sys.exit(f"{what}: {found!r} rather than {expected!r}")


def push(app, lines):
    """Lines with their times in nanoseconds."""
    values = [[str(time_ns), line] for time_ns, line in lines]
    body = json.dumps({"streams": [{"stream": {"app": app}, "values": values}]}).encode()
    request = urllib.request.Request(
        f"http://{BASE}/loki/api/v1/push", body, {"content-type": "application/json"}
    )
    urllib.request.urlopen(request).close()


def tail(query, headers=None, **parameters):
    text = urllib.parse.urlencode({"query": query, **parameters})
    return websockets.connect(
        f"ws://{BASE}/loki/api/v1/tail?{text}", additional_headers=headers or {}, max_queue=1
    )


async def receive(ws, count, most=10):
    """Messages until so many lines are there: the lines, and the last message."""
    lines, end, message = [], time.monotonic() + most, {}
    while len(lines) < count:
        message = json.loads(await asyncio.wait_for(ws.recv(), end - time.monotonic()))
        check("nothing is left out", message.get("dropped_entries"), None)
        lines += [value[1] for stream in message["streams"] for value in stream["values"]]
    return lines, message


async def silent(ws, span):
    try:
        return await asyncio.wait_for(ws.recv(), span)
    except asyncio.TimeoutError:
        return None


async def main():
    now = time.time_ns()
    push("history", [(now - (5 - i) * 10**9, f"line {i}") for i in range(5)])

    async with tail('{app="history"}', limit=3) as ws:
        lines, message = await receive(ws, 3)
        check("the last lines, oldest first", lines, ["line 2", "line 3", "line 4"])
        check("their stream", message["streams"][0]["stream"], {"app": "history"})
        push("history", [(time.time_ns(), "line 5")])
        check("a line that comes", (await receive(ws, 1))[0], ["line 5"])
        push("history", [(now - 3 * 10**9 + 1, "a late line")])
        check("a line that comes late", (await receive(ws, 1))[0], ["a late line"])
        check("nothing twice", await silent(ws, 1.5), None)

    async with tail('{app="history"} |= "line 4" | label_format kind="last"', start=now - 2 * 10**9) as ws:
        lines, message = await receive(ws, 1)
        check("lines from `start` on that pass the query", lines, ["line 4"])
        check("with its labels", message["streams"][0]["stream"], {"app": "history", "kind": "last"})

    async with tail('{app="history"}', {"x-loki-response-encoding-flags": "categorize-labels"}, limit=1) as ws:
        _, message = await receive(ws, 1)
        check("kinds of labels apart", message["encodingFlags"], ["categorize-labels"])
        check("a place for them", message["streams"][0]["values"][0][2], {})

    async with tail('{app="delayed"}', delay_for=2) as ws:
        sent, begun = time.time_ns(), time.monotonic()
        push("delayed", [(sent, "second")])
        push("delayed", [(sent - 10**8, "first")])
        check("in order, once they are old enough", (await receive(ws, 2))[0], ["first", "second"])
        check("not before", time.monotonic() - begun >= 1.9, True)

    # One that does not read is asked for less often, and loses nothing.
    async with tail('{app="many"}') as ws:
        for batch in range(10):
            begin = time.time_ns()
            push("many", [(begin + i, f"{batch} {i} {'.' * 500}") for i in range(1000)])
        await asyncio.sleep(1)
        lines, _ = await receive(ws, 10_000, 30)
        check("every line", len(set(lines)), 10_000)
        check("each once", len(lines), 10_000)

    for query, parameters in [("{app=", {}), ('{app="a"}', {"delay_for": 9}), ('rate({app="a"}[1m])', {})]:
        try:
            async with tail(query, **parameters):
                sys.exit(f"{query} was taken")
        except websockets.InvalidStatus as refused:
            check(query, refused.response.status_code, 400)
            check("with a reason", bool(refused.response.body.strip()), True)


asyncio.run(main())
print(CHECKS)
