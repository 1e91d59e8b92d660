"""A oneknock client from SPEC.md alone: proof that the page is enough to write one.

    printf '%s\\n' "$INVITATION" "$CODE" | python3 test/vectors/client.py [SERVICE...]

The first line of standard input is the invitation, the second the code (empty or absent: none), since
both are secrets and arguments are not. Prints the reply as one line of JSON; ends with the statuses of
SPEC section 9. One address family at a time; not the client to use every day.
"""

import argparse
import base64
import ipaddress
import json
import os
import re
import socket
import struct
import sys
import time
import urllib.parse

# Not to leave a cache of compiled modules among the vectors.
sys.dont_write_bytecode = True

import protocol

# SPEC section 8, in seconds.
SEND_AT = (0, *(0.3 + 0.6 * n for n in range(13)))
GIVE_UP = 8.0
POLL_EVERY = 2.0
PATIENCE = 600.0
DEFAULT_PORT = 62201

OPENED, USAGE, PROFILE, NO_REPLY, REFUSED, PENDING = range(6)

ADVICE = {
    "wrong-factor": "the code is wrong: wait for the next one; is the phone's clock right?",
    "factor-used": "this code was used before: wait for the next one",
    "locked": "user or device is locked: wait, or ask the administrator",
    "service": "no such service, or not for you: see the invitation",
    "address": "that address is not admitted: the reply shows the one that the server saw",
    "hook-failed": "the server could not open the door: tell the administrator",
    "schedule": "not at this time",
    "denied": "the approver said no",
    "approval-timeout": "nobody approved in time",
    "state-unavailable": "the server cannot write its records: tell the administrator",
}


class Failure(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


# --- The invitation (SPEC 11) ---------------------------------------------------------------------

NAME = re.compile(r"[a-z0-9-]{1,32}")


def read_invitation(text):
    """`(host, port, key)`; names what is wrong, never what stood there."""
    try:
        uri = urllib.parse.urlsplit(text.strip())
        host, port = uri.hostname, uri.port
        pairs = urllib.parse.parse_qsl(uri.query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise Failure(PROFILE, "the invitation is no URI") from None
    values = dict(pairs)
    names = [name for name, _ in pairs if name in ("v", "name", "user", "device", "key", "services")]
    services = values.get("services", "")
    holds = {
        "scheme": uri.scheme == "oneknock",
        "host": bool(host) and "@" not in uri.netloc,
        "port": port != 0,
        "v": values.get("v") == "1",
        "name": NAME.fullmatch(values.get("name", "")),
        "user": NAME.fullmatch(values.get("user", "")),
        "device": NAME.fullmatch(values.get("device", "")),
        "key": re.fullmatch(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", values.get("key", "")),
        "services": services == "" or all(map(NAME.fullmatch, services.split(","))),
        "number of parameters": len(names) == len(set(names)),
    }
    for part, is_right in holds.items():
        if not is_right:
            raise Failure(PROFILE, f"the invitation's {part} is missing or wrong")
    return host, port or DEFAULT_PORT, base64.urlsafe_b64decode(values["key"] + "=")


# --- What to ask (SPEC 4, 5, 10) ------------------------------------------------------------------

def read_factor(text):
    code = text.strip()
    if code == "":
        return {"kind": "none", "code": ""}
    if re.fullmatch(r"[0-9]{6}", code.replace(" ", "")):
        return {"kind": "totp", "code": code.replace(" ", "")}
    if re.fullmatch(r"[cbdefghijklnrtuv]{44}", code):
        return {"kind": "yubikey", "code": code}
    return {"kind": "recovery", "code": code}


def read_network(text):
    """`ADDRESS` or `ADDRESS/PREFIX`, the prefix as its family writes it."""
    address, _, prefix = text.partition("/")
    width = 96 if ipaddress.ip_address(address).version == 4 else 0
    return address, int(prefix) + width if prefix else 128


def own_address(connection):
    """What the server sees, where that can be known without asking the system for its links."""
    own = ipaddress.ip_address(connection.getsockname()[0])
    server = ipaddress.ip_address(connection.getpeername()[0])
    is_translated = server in ipaddress.ip_network("64:ff9b::/96")
    is_known = (own.is_global and not is_translated) or (own.is_loopback and server.is_loopback)
    return (str(own) if is_known else "::"), 128


# --- The knock (SPEC 8) ---------------------------------------------------------------------------

class Knock:
    """One knock id, as many packets as it takes."""

    def __init__(self, connection, keys, ask):
        self.connection = connection
        self.keys = keys
        self.ask = {**ask, "knock_id": os.urandom(8).hex()}
        self.tags = []

    def send(self):
        sent_at = time.time_ns() // 1_000_000
        body = protocol.write_knock({**self.ask, "sent_at_ms": sent_at})
        packet = protocol.seal_packet(self.keys, os.urandom(24), sent_at // 60000, body)
        self.tags.append(packet[224:])
        try:
            self.connection.send(packet)
        except OSError:
            pass  # A network that is not there yet, or a stranger's ICMP: the next packet may pass.

    def hear(self, until):
        """The next reply that is one, or None when the time has come."""
        while (left := until - time.monotonic()) > 0:
            self.connection.settimeout(left)
            try:
                datagram = self.connection.recv(65536)
            except OSError:
                continue
            for tag in self.tags:
                _, _, reply = protocol.open_reply(self.keys, tag, datagram)
                if reply:
                    return reply
        return None

    def ask_until_answered(self, give_up):
        begin = time.monotonic()
        ends = [at for at in SEND_AT[1:] if at < give_up] + [give_up]
        for end in ends:
            self.send()
            reply = self.hear(begin + end)
            if reply:
                return reply
        raise Failure(
            NO_REPLY,
            "no reply: is this machine's clock right (timedatectl)? "
            "Then look for a filter on UDP, the host and the port, and whether the device was removed",
        )

    def wait_for_approval(self, reply, patience):
        end = time.monotonic() + patience
        while reply["status"] == "pending" and time.monotonic() < end:
            time.sleep(max(0, min(POLL_EVERY, end - time.monotonic())))
            self.tags.clear()
            self.send()
            reply = self.hear(time.monotonic() + POLL_EVERY) or reply
        return reply


def connect(host, port, family):
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)
        connection = socket.socket(found[0][0], socket.SOCK_DGRAM)
        connection.connect(found[0][4])
    except OSError as error:
        raise Failure(NO_REPLY, f"{host}: {error.strerror}") from None
    return connection


def run(options):
    lines = sys.stdin.read().splitlines()
    host, port, key = read_invitation(lines[0] if lines else "")
    connection = connect(host, port, options.family)
    address, prefix = options.address or own_address(connection)
    ask = {
        "verb": "close" if options.close else "open",
        "factor": read_factor(lines[1] if len(lines) > 1 else ""),
        "lifetime_s": options.lifetime,
        "address": address,
        "prefix": prefix,
        "services": options.services,
    }
    try:
        protocol.write_knock({**ask, "sent_at_ms": 0, "knock_id": bytes(8).hex()})
    except (ValueError, struct.error) as error:
        raise Failure(USAGE, str(error)) from None
    knock = Knock(connection, protocol.derive_keys(key), ask)
    reply = knock.wait_for_approval(knock.ask_until_answered(options.give_up), options.patience)
    print(json.dumps(reply))
    if reply["status"] == "refused":
        raise Failure(REFUSED, ADVICE.get(reply["reason"], "refused"))
    return PENDING if reply["status"] == "pending" else OPENED


def main():
    parser = argparse.ArgumentParser(description="Knock once; invitation and code on standard input.")
    parser.add_argument("services", nargs="*", help="names of services; none: the user's default")
    parser.add_argument("--close", action="store_true", help="end what this device opened")
    parser.add_argument("--lifetime", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--address", type=read_network, metavar="ADDRESS[/PREFIX]")
    parser.add_argument("--give-up", type=float, default=GIVE_UP, metavar="SECONDS")
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="SECONDS")
    family = parser.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=socket.AF_INET, default=0)
    family.add_argument("-6", dest="family", action="store_const", const=socket.AF_INET6)
    try:
        return run(parser.parse_args())
    except Failure as failure:
        print(f"client.py: {failure}", file=sys.stderr)
        return failure.status
    except SystemExit as exit:
        return USAGE if exit.code else 0


if __name__ == "__main__":
    sys.exit(main())
