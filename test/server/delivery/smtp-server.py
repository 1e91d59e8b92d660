"""A real SMTP server (python3-aiosmtpd) for delivery.test.ts: one JSON line for each thing that happens.

Usage: smtp-server.py '{"answers": ["451 later", "250 ok"], "login": ["user", "password"], "tls": ["cert", "key"], "stall": true}'
Each message takes the next of `answers`, the last one for good.
"""

import asyncio
import json
import logging
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])
answers = options.get("answers", ["250 ok"])


def say(**what):
    print(json.dumps(what), flush=True)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        say(
            event="message",
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            content=envelope.content.decode("utf8"),
            tls=session.ssl is not None,
            answer=answer,
        )
        if options.get("stall"):
            await asyncio.sleep(3600)
        return answer


def authenticate(server, session, envelope, mechanism, data):
    good = [data.login.decode(), data.password.decode()] == options["login"]
    say(event="login", good=good)
    return AuthResult(success=good, handled=False)


async def main():
    settings = {"enable_SMTPUTF8": True}
    if "login" in options:
        settings |= {
            "authenticator": authenticate,
            "auth_required": True,
            "auth_require_tls": False,
        }
    if "tls" in options:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options["tls"])
        settings["tls_context"] = context
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), **settings), "127.0.0.1", 0
    )
    say(event="listening", port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


logging.disable()  # a stranger hanging up is not the test's trouble
asyncio.run(main())
