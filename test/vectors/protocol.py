"""oneknock/1 a second time, from SPEC.md alone, with Python's standard library.

It exists to be compared with the TypeScript: clear before fast, and nothing shared with it.
"""

import hashlib
import hmac
import ipaddress
import struct

LABELS = ("hint", "knock encrypt", "knock authenticate", "reply encrypt", "reply authenticate")
VERBS = {1: "open", 2: "close"}
FACTOR_KINDS = ("none", "totp", "yubikey", "recovery")
STATUSES = ("opened", "closed", "pending", "refused")
REASONS = (
    "none", "wrong-factor", "factor-used", "locked", "service", "address", "hook-failed",
    "schedule", "denied", "approval-timeout", "state-unavailable",
)
NAME_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")
MAPPED = bytes(10) + b"\xff\xff"
GREATEST_TIME = 2**53 - 1


# --- Keys (SPEC 2) --------------------------------------------------------------------------------

def hmac_sha256(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def pseudorandom_key(device_key):
    """HKDF-Extract with the salt `oneknock/1`."""
    return hmac_sha256(b"oneknock/1", device_key)


def derive_keys(device_key):
    """HKDF-Expand; 32 bytes are one block, so each key is one HMAC of its label and 0x01."""
    prk = pseudorandom_key(device_key)
    return {label: hmac_sha256(prk, label.encode("ascii"), b"\x01") for label in LABELS}


def hint_at(hint_key, epoch):
    return hmac_sha256(hint_key, struct.pack(">Q", epoch))[:8]


# --- XChaCha20 (RFC 8439 and draft-irtf-cfrg-xchacha-03) ------------------------------------------

CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def rounds(state):
    """Twenty rounds, without the final addition."""
    s = list(state)

    def quarter(a, b, c, d):
        s[a] = (s[a] + s[b]) & 0xFFFFFFFF
        s[d] = rotate(s[d] ^ s[a], 16)
        s[c] = (s[c] + s[d]) & 0xFFFFFFFF
        s[b] = rotate(s[b] ^ s[c], 12)
        s[a] = (s[a] + s[b]) & 0xFFFFFFFF
        s[d] = rotate(s[d] ^ s[a], 8)
        s[c] = (s[c] + s[d]) & 0xFFFFFFFF
        s[b] = rotate(s[b] ^ s[c], 7)

    for _ in range(10):
        quarter(0, 4, 8, 12)
        quarter(1, 5, 9, 13)
        quarter(2, 6, 10, 14)
        quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15)
        quarter(1, 6, 11, 12)
        quarter(2, 7, 8, 13)
        quarter(3, 4, 9, 14)
    return s


def rotate(word, bits):
    return ((word << bits) & 0xFFFFFFFF) | (word >> (32 - bits))


def chacha20_block(key, counter, nonce):
    state = CONSTANTS + struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(rounds(state), state)))


def hchacha20(key, nonce16):
    s = rounds(CONSTANTS + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))
    return struct.pack("<8I", *s[0:4], *s[12:16])


def keystream(key, nonce, length):
    subkey = hchacha20(key, nonce[:16])
    blocks = range((length + 63) // 64)
    return b"".join(chacha20_block(subkey, i, bytes(4) + nonce[16:]) for i in blocks)[:length]


def xchacha20(key, nonce, data):
    return bytes(a ^ b for a, b in zip(data, keystream(key, nonce, len(data))))


# --- Addresses (SPEC 5) ---------------------------------------------------------------------------

def address_bytes(text):
    address = ipaddress.ip_address(text)
    return MAPPED + address.packed if address.version == 4 else address.packed


def address_text(raw):
    if raw[:12] == MAPPED:
        return str(ipaddress.IPv4Address(raw[12:]))
    return str(ipaddress.IPv6Address(raw))


def is_prefix(prefix, raw):
    return (96 if raw[:12] == MAPPED else 0) <= prefix <= 128


# --- The knock's body (SPEC 4) --------------------------------------------------------------------

def is_printable(raw):
    return all(0x20 <= byte <= 0x7E for byte in raw)


def are_services(raw):
    return raw == b"" or all(name and set(name) <= NAME_CHARACTERS for name in raw.split(b" "))


def knock_faults(body):
    """Every field that breaks a rule, not just the first: a vector must break exactly one."""
    if len(body) != 192:
        return ["length"]
    kind, code_length, services_length = body[2], body[3], body[89]
    code, services = body[41:89][:code_length], body[90:192][:services_length]
    checks = {
        "version": body[0] == 1,
        "verb": body[1] in VERBS,
        "factor-kind": kind < len(FACTOR_KINDS),
        "factor-length": code_length <= 48 and not (kind == 0 and code_length > 0),
        "factor": is_printable(code),
        "sent-at": struct.unpack(">Q", body[8:16])[0] <= GREATEST_TIME,
        "prefix": is_prefix(body[40], body[24:40]),
        "services-length": services_length <= 102,
        "services": are_services(services),
        "padding": not any(body[41:89][code_length:]) and not any(body[90:192][services_length:]),
    }
    return [field for field, holds in checks.items() if not holds]


def read_knock(body):
    """Of a body without faults."""
    return {
        "verb": VERBS[body[1]],
        "factor": {
            "kind": FACTOR_KINDS[body[2]],
            "code": body[41:41 + body[3]].decode("ascii"),
        },
        "lifetime_s": struct.unpack(">I", body[4:8])[0],
        "sent_at_ms": struct.unpack(">Q", body[8:16])[0],
        "knock_id": body[16:24].hex(),
        "address": address_text(body[24:40]),
        "prefix": body[40],
        "services": body[90:90 + body[89]].decode("ascii").split(),
    }


def write_knock(knock):
    code = knock["factor"]["code"].encode("ascii")
    services = " ".join(knock["services"]).encode("ascii")
    body = (
        bytes([
            1,
            {name: number for number, name in VERBS.items()}[knock["verb"]],
            FACTOR_KINDS.index(knock["factor"]["kind"]),
            len(code),
        ])
        + struct.pack(">IQ", knock["lifetime_s"], knock["sent_at_ms"])
        + bytes.fromhex(knock["knock_id"])
        + address_bytes(knock["address"])
        + bytes([knock["prefix"]])
        + code.ljust(48, b"\0")
        + bytes([len(services)])
        + services.ljust(102, b"\0")
    )
    faults = knock_faults(body)
    if faults:
        raise ValueError(f"no packet can hold this knock: {', '.join(faults)}")
    return body


# --- The packet (SPEC 3) --------------------------------------------------------------------------

def seal_packet(keys, nonce, epoch, body):
    head = hint_at(keys["hint"], epoch) + nonce + xchacha20(keys["knock encrypt"], nonce, body)
    return head + hmac_sha256(keys["knock authenticate"], head)


def refusing_stages(datagram, devices, clock_ms, window_ms, floor_ms, seen):
    """Every stage of SPEC 7 that refuses this packet, as far as the later ones can be told.

    A server stops at the first. A vector that fails in one way only has no second.
    """
    if len(datagram) != 256:
        return ["length"]
    now = clock_ms // 60000
    hinted = [
        (keys, epoch)
        for keys in devices
        for epoch in range(max(0, now - 2), now + 3)
        if hint_at(keys["hint"], epoch) == datagram[:8]
    ]
    signer = next((keys for keys in devices if signs(keys, datagram)), None)
    is_hinted = signer in [keys for keys, _ in hinted]
    stages = []
    if not hinted:
        stages.append("hint")
    if signer is None or (hinted and not is_hinted):
        stages.append("tag")
    if "tag" in stages:
        return stages

    body = xchacha20(signer["knock encrypt"], datagram[8:32], datagram[32:224])
    if knock_faults(body):
        return stages + ["malformed"]
    sent_at = read_knock(body)["sent_at_ms"]
    if is_hinted and (signer, sent_at // 60000) not in hinted:
        stages.append("epoch")
    if abs(clock_ms - sent_at) > window_ms:
        stages.append("stale")
    if sent_at <= floor_ms:
        stages.append("floor")
    if datagram[224:] in seen:
        stages.append("replay")
    return stages


def signs(keys, datagram):
    return hmac.compare_digest(hmac_sha256(keys["knock authenticate"], datagram[:224]), datagram[224:])


# --- The reply (SPEC 6) ---------------------------------------------------------------------------

def reply_faults(body):
    if len(body) != 72:
        return ["length"]
    detail_length = body[40]
    checks = {
        "version": body[0] == 1,
        "status": body[1] < len(STATUSES),
        "reason": body[2] < len(REASONS),
        "prefix": is_prefix(body[3], body[16:32]),
        "server-clock": struct.unpack(">Q", body[8:16])[0] <= GREATEST_TIME,
        "detail-length": detail_length <= 31,
        "detail": is_printable(body[41:72][:detail_length]),
        "padding": not any(body[41:72][detail_length:]),
    }
    return [field for field, holds in checks.items() if not holds]


def read_reply(body):
    """Of a body without faults."""
    return {
        "status": STATUSES[body[1]],
        "reason": REASONS[body[2]],
        "prefix": body[3],
        "lifetime_s": struct.unpack(">I", body[4:8])[0],
        "server_ms": struct.unpack(">Q", body[8:16])[0],
        "address": address_text(body[16:32]),
        "grant": body[32:40].hex(),
        "detail": body[41:41 + body[40]].decode("ascii"),
    }


def seal_reply(keys, nonce, knock_tag, body):
    head = nonce + xchacha20(keys["reply encrypt"], nonce, body)
    return head + hmac_sha256(keys["reply authenticate"], knock_tag, head)


def open_reply(keys, knock_tag, datagram):
    """`(stage, faults, reply)`: the stage and faults that refuse it, or the reply."""
    if len(datagram) != 128:
        return "length", [], None
    tag = hmac_sha256(keys["reply authenticate"], knock_tag, datagram[:96])
    if not hmac.compare_digest(tag, datagram[96:]):
        return "tag", [], None
    body = xchacha20(keys["reply encrypt"], datagram[:24], datagram[24:96])
    faults = reply_faults(body)
    return ("malformed", faults, None) if faults else (None, [], read_reply(body))
