"""Derives every value of every vector a second time, with protocol.py, and compares.

    python3 test/vectors/check.py

Ends with 0 and one line for each file if all agree; else names each value that does not.
"""

import json
import pathlib
import re
import sys

# Not to leave a cache of compiled modules among the vectors.
sys.dont_write_bytecode = True

import protocol

HERE = pathlib.Path(__file__).resolve().parent
SPEC = HERE.parent.parent / "SPEC.md"


class Check:
    """Collects what does not agree."""

    def __init__(self):
        self.compared = 0
        self.faults = []

    def equal(self, where, name, stated, derived):
        self.compared += 1
        if stated != derived:
            self.faults.append(f"{where}: {name} is stated as {stated}, derived as {derived}")

    def equal_bytes(self, where, name, stated, derived):
        self.equal(where, name, stated, derived.hex())


def load(name):
    return json.loads((HERE / name).read_text("utf-8"))


def keys_of(device):
    return protocol.derive_keys(bytes.fromhex(device["device_key"]))


def edited(sealed, edit):
    """The datagram as it is sent: SPEC's, but for the one change that the vector is about."""
    datagram = bytearray(sealed[:edit.get("cut")] + bytes.fromhex(edit.get("append", "")))
    if "flip" in edit:
        datagram[edit["flip"]["at"]] ^= int(edit["flip"]["with"], 16)
    return bytes(datagram)


def check_good(check):
    good = load("good.json")
    keys = keys_of(good)
    for label, stated in good["keys"].items():
        check.equal_bytes("good.json", label, stated, keys[label])

    packet = good["packet"]
    body = protocol.write_knock(packet)
    datagram = protocol.seal_packet(keys, bytes.fromhex(packet["nonce"]), packet["epoch"], body)
    check.equal("good.json", "epoch", packet["epoch"], packet["sent_at_ms"] // 60000)
    check.equal_bytes("good.json", "packet body", packet["body"], body)
    check.equal_bytes("good.json", "packet datagram", packet["datagram"], datagram)

    reply = good["reply"]
    stage, _, read = protocol.open_reply(keys, datagram[224:], bytes.fromhex(reply["datagram"]))
    check.equal("good.json", "reply stage", None, stage)
    for name, value in (read or {}).items():
        check.equal("good.json", f"reply {name}", reply[name], value)
    sealed = protocol.seal_reply(
        keys, bytes.fromhex(reply["nonce"]), datagram[224:], bytes.fromhex(reply["body"])
    )
    check.equal_bytes("good.json", "reply datagram", reply["datagram"], sealed)


def check_devices(check, name, devices):
    for label, device in devices.items():
        where = f"{name} device {label}"
        prk = protocol.pseudorandom_key(bytes.fromhex(device["device_key"]))
        check.equal_bytes(where, "pseudorandom key", device["pseudorandom_key"], prk)
        derived = {label: key.hex() for label, key in keys_of(device).items()}
        check.equal(where, "keys", device["keys"], derived)


def check_packets(check):
    file = load("packets.json")
    devices = file["devices"]
    check_devices(check, "packets.json", devices)
    enrolled = [keys_of(device) for device in devices.values() if device["enrolled"]]
    for vector in file["vectors"]:
        where = f"packets.json {vector['name']}"
        check_packet_bytes(check, where, vector, devices)
        stages = protocol.refusing_stages(
            bytes.fromhex(vector["datagram"]),
            enrolled,
            vector["clock_ms"],
            file["freshness_window_ms"],
            vector["floor_ms"],
            [bytes.fromhex(tag) for tag in vector["seen"]],
        )
        check.equal(where, "stages", [vector["stage"]] if vector["stage"] else [], stages)
        body = bytes.fromhex(vector["body"])
        faults = protocol.knock_faults(body)
        check.equal(where, "faults", [vector["field"]] if "field" in vector else [], faults)
        if vector["stage"] is None:
            check.equal(where, "knock", vector["knock"], protocol.read_knock(body))
            check.equal_bytes(where, "body", vector["body"], protocol.write_knock(vector["knock"]))
    return len(file["vectors"])


def check_packet_bytes(check, where, vector, devices):
    nonce, body = bytes.fromhex(vector["nonce"]), bytes.fromhex(vector["body"])
    keys = keys_of(devices[vector["device"]])
    encrypt = keys["knock encrypt"]
    hint = protocol.hint_at(keys_of(devices[vector["hint_device"]])["hint"], vector["epoch"])
    ciphertext = protocol.xchacha20(encrypt, nonce, body)
    sign = keys_of(devices[vector["tag_device"]])["knock authenticate"]
    tag = protocol.hmac_sha256(sign, hint, nonce, ciphertext)
    check.equal_bytes(where, "hint", vector["hint"], hint)
    check.equal_bytes(where, "subkey", vector["subkey"], protocol.hchacha20(encrypt, nonce[:16]))
    check.equal_bytes(where, "ciphertext", vector["ciphertext"], ciphertext)
    check.equal_bytes(where, "tag", vector["tag"], tag)
    datagram = edited(hint + nonce + ciphertext + tag, vector["edit"])
    check.equal_bytes(where, "datagram", vector["datagram"], datagram)


def check_replies(check):
    file = load("replies.json")
    devices = file["devices"]
    check_devices(check, "replies.json", devices)
    client = keys_of(devices["laptop"])
    for vector in file["vectors"]:
        where = f"replies.json {vector['name']}"
        check_reply_bytes(check, where, vector, keys_of(devices[vector["device"]]))
        stage, faults, reply = protocol.open_reply(
            client, bytes.fromhex(vector["awaited_tag"]), bytes.fromhex(vector["datagram"])
        )
        check.equal(where, "stage", vector["stage"], stage)
        check.equal(where, "faults", [vector["field"]] if "field" in vector else [], faults)
        check.equal(where, "reply", vector.get("reply"), reply)
        if stage != "malformed":
            check.equal(where, "other faults", [], protocol.reply_faults(bytes.fromhex(vector["body"])))
    return len(file["vectors"])


def check_reply_bytes(check, where, vector, keys):
    nonce, body = bytes.fromhex(vector["nonce"]), bytes.fromhex(vector["body"])
    answered = bytes.fromhex(vector["answered_tag"])
    subkey = protocol.hchacha20(keys["reply encrypt"], nonce[:16])
    ciphertext = protocol.xchacha20(keys["reply encrypt"], nonce, body)
    sealed = protocol.seal_reply(keys, nonce, answered, body)
    check.equal_bytes(where, "subkey", vector["subkey"], subkey)
    check.equal_bytes(where, "ciphertext", vector["ciphertext"], ciphertext)
    check.equal_bytes(where, "tag", vector["tag"], sealed[96:])
    check.equal_bytes(where, "datagram", vector["datagram"], edited(sealed, vector["edit"]))


def check_spec(check):
    """The values that SPEC's appendix walks through: lines `name = hex` in its code blocks."""
    good = load("good.json")
    device_key = bytes.fromhex(good["device_key"])
    keys = protocol.derive_keys(device_key)
    packet, reply = good["packet"], good["reply"]
    datagram, answer = bytes.fromhex(packet["datagram"]), bytes.fromhex(reply["datagram"])
    derived = {
        "device key": device_key,
        "pseudorandom key": protocol.pseudorandom_key(device_key),
        **{f"{label} key": key for label, key in keys.items()},
        "epoch bytes": packet["epoch"].to_bytes(8, "big"),
        "hint": protocol.hint_at(keys["hint"], packet["epoch"]),
        "nonce": bytes.fromhex(packet["nonce"]),
        "subkey": protocol.hchacha20(keys["knock encrypt"], datagram[8:24]),
        "body": protocol.write_knock(packet),
        "keystream": protocol.keystream(keys["knock encrypt"], datagram[8:32], 192),
        "ciphertext": protocol.xchacha20(
            keys["knock encrypt"], datagram[8:32], protocol.write_knock(packet)
        ),
        "tag": protocol.hmac_sha256(keys["knock authenticate"], datagram[:224]),
        "reply nonce": bytes.fromhex(reply["nonce"]),
        "reply subkey": protocol.hchacha20(keys["reply encrypt"], answer[:16]),
        "reply body": bytes.fromhex(reply["body"]),
        "reply keystream": protocol.keystream(keys["reply encrypt"], answer[:24], 72),
        "reply ciphertext": protocol.xchacha20(
            keys["reply encrypt"], answer[:24], bytes.fromhex(reply["body"])
        ),
        "reply tag": protocol.hmac_sha256(
            keys["reply authenticate"], datagram[224:], answer[:96]
        ),
    }
    stated = stated_in_spec()
    check.equal("SPEC.md", "the names in its appendix", sorted(stated), sorted(derived))
    for name, value in derived.items():
        check.equal_bytes("SPEC.md", name, stated.get(name), value)


def stated_in_spec():
    """Long values go on in lines that hold nothing but hexadecimal digits."""
    stated, name = {}, None
    for line in SPEC.read_text("utf-8").splitlines():
        begins = re.fullmatch(r"([a-z ]+?) += ([0-9a-f]+)", line)
        goes_on = re.fullmatch(r" +([0-9a-f]+)", line)
        if begins:
            name = begins[1]
            stated[name] = begins[2]
        elif goes_on and name:
            stated[name] += goes_on[1]
        else:
            name = None
    return stated


def main():
    check = Check()
    check_good(check)
    packets = check_packets(check)
    replies = check_replies(check)
    check_spec(check)
    for fault in check.faults:
        print(fault, file=sys.stderr)
    if check.faults:
        return 1
    print(f"{packets} packets, {replies} replies, good.json, SPEC.md: {check.compared} values agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
