#!/usr/bin/env python3
"""Checks an evidence bundle of Sallyport, by its specification alone. Run it in the unpacked folder.

    python3 verify.py [--key FILE]...     public keys (PEM) that you trust; without any, those in keys/

Exits with 0 if everything is right, with 1 at the first thing that is not. Needs the package "cryptography".
What it checks: the manifest; the chain, counts and signatures of the recording; that the log of sessions has it;
the line of the audit log that says who took it out.
"""
import base64, hashlib, json, pathlib, struct, sys, zlib
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

HERE = pathlib.Path(__file__).resolve().parent
DOMAINS = {3: b"sallyport recording head v1\n", 4: b"sallyport recording seal v1\n"}
CHUNK = 2
LIMIT = 4 * 1024 * 1024


def fail(what):
    print("FAILED  " + what)
    sys.exit(1)


def ok(what):
    print("ok      " + what)


def keys_in(path):
    found, lines = [], None
    for line in pathlib.Path(path).read_text().splitlines():
        if line == "-----BEGIN PUBLIC KEY-----":
            lines = []
        if lines is not None:
            lines.append(line)
        if line == "-----END PUBLIC KEY-----":
            key = load_pem_public_key("\n".join(lines + [""]).encode())
            found.append((key_id(key), key))
            lines = None
    return found


def raw(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)[-32:]


def key_id(key):
    """As ssh-keygen prints it: the SHA-256 of the key in the form of SSH."""
    parts = [b"ssh-ed25519", raw(key)]
    blob = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def signer(keys, signature, text):
    for name, key in keys:
        try:
            key.verify(signature, text)
            return name
        except InvalidSignature:
            pass
    return None


def manifest():
    listed = {}
    for line in (HERE / "MANIFEST.sha256").read_text().splitlines():
        digest, name = line.split("  ", 1)
        listed[name] = digest
    present = {str(path.relative_to(HERE)) for path in HERE.rglob("*") if path.is_file()}
    for name in sorted(listed):
        if name not in present:
            fail(name + " is in the manifest and not here")
        if sha256_of(HERE / name) != listed[name]:
            fail(name + " is not the file of the manifest")
    for name in sorted(present - set(listed) - {"MANIFEST.sha256"}):
        if "__pycache__" not in name:
            fail(name + " is here and not in the manifest")
    ok("the %d files of the manifest" % len(listed))


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def frames(file):
    """Every frame with its number, its offset and its SHA-256; fails at the first that is not what it should be."""
    start = file.read(12)
    if start != b"\x89SPREC\r\n" + struct.pack(">I", 1):
        fail("the recording is none of version 1")
    link, sealed, number, offset = hashlib.sha256(start).digest(), None, 0, 12
    while len(head := file.read(40)) == 40:
        length, kind, flags, check = struct.unpack(">IBBH", head[:8])
        where = "record %d at byte %d" % (number, offset)
        if check != zlib.crc32(head[:6] + head[8:]) & 0xFFFF or flags != 0 or not 1 <= kind <= 5 or length > LIMIT:
            fail(where + " is damaged, or of a newer version")
        if head[8:] != (sealed or link) or (kind == 5) != (sealed is not None) or (kind == 1) != (number == 0):
            fail(where + " does not continue the record before it")
        body = file.read(length)
        if len(body) < length:
            return
        link = hashlib.sha256(head + body).digest()
        yield number, offset, kind, head, body, link
        if kind == 4:
            sealed = link
        number, offset = number + 1, offset + 40 + length


def recording(path, keys):
    """The links of its header and its seal; every signature has to be by one of the keys."""
    header = seal = None
    chunks = events = 0
    signers = set()
    with open(path, "rb") as file:
        for number, offset, kind, head, body, link in frames(file):
            where = "record %d at byte %d" % (number, offset)
            if kind == 1:
                header = link
            if kind == CHUNK:
                chunk, first, many = struct.unpack(">IxxxxQI", body[:20])
                if (chunk, first) != (chunks + 1, events + 1):
                    fail(where + " is not the next chunk")
                chunks, events = chunk, events + many
            if kind in DOMAINS:
                name = signer(keys, body[-64:], DOMAINS[kind] + head + body[:-64])
                if name is None:
                    fail(where + " is not signed by a key that you trust")
                said = json.loads(body[:-64])
                if (said["chunks"], said["events"]) != (chunks, events):
                    fail(where + " counts otherwise")
                signers.add(name)
                if kind == 4:
                    seal = link
    if header is None or not signers:
        fail("the recording has no header, or no signature")
    ok("the recording: %d events in %d chunks, signed by %s" % (events, chunks, ", ".join(sorted(signers))))
    if seal is None:
        print("note    it has no seal: nobody knows what came after")
    return header, seal


def root_of(entry, index, size, steps):
    """RFC 6962, section 2.1.1, walked from the leaf to the root."""
    value = hashlib.sha256(b"\0" + entry).digest()
    node, last = index, size - 1
    for step in steps:
        if last == 0:
            return None
        if node & 1 or node == last:
            value = hashlib.sha256(b"\1" + step + value).digest()
            while (node & 1) == 0 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            value = hashlib.sha256(b"\1" + value + step).digest()
        node, last = node >> 1, last >> 1
    return value if last == 0 else None


def checkpoint_of(note, keys):
    """Size and root of a signed checkpoint (C2SP tlog-checkpoint), and who signed it."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    origin, size, root = text.split("\n")[:3]
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        value = base64.b64decode(encoded)
        for known, key in keys:
            expected = hashlib.sha256(origin.encode() + b"\n\1" + raw(key)).digest()[:4]
            if name == origin and value[:4] == expected and signer([(known, key)], value[4:], text.encode()):
                return int(size), base64.b64decode(root), known
    fail("a checkpoint is not signed by a key that you trust")


def proofs(links, keys):
    for kind, link in links.items():
        path = HERE / "proofs" / (kind + ".tlog-proof")
        if link is None or not path.exists():
            print("note    there is no proof for " + kind)
            continue
        entry = (HERE / "proofs" / (kind + ".entry")).read_bytes()
        said = json.loads(entry)
        if said["kind"] != kind or said["sha256"] != link.hex():
            fail("the log of sessions tells of another recording, " + kind)
        head, _, note = path.read_text().partition("\n\n")
        version, index, *steps = head.split("\n")
        if version != "c2sp.org/tlog-proof@v1" or not index.startswith("index "):
            fail("the proof for %s has another form" % kind)
        size, root, name = checkpoint_of(note, keys)
        number = int(index[6:])
        if not 0 <= number < size or root_of(entry, number, size, [base64.b64decode(step) for step in steps]) != root:
            fail("the proof for %s does not lead to the root of its checkpoint" % kind)
        ok("%s is entry %d of %d in the log of sessions, %s, signed by %s" % (kind, number, size, said["at"], name))


def exported(session, keys):
    line = (HERE / "exported" / "line.ndjson").read_bytes()
    said, checkpoint = json.loads(line), json.loads((HERE / "exported" / "checkpoint.json").read_text())
    if hashlib.sha256(line).hexdigest() != checkpoint["link"] or said["sequence"] != checkpoint["upTo"]:
        fail("the signature of the audit log is about another line")
    text = "sallyport audit checkpoint v1\n%d\n%s\n%s\n" % (checkpoint["upTo"], checkpoint["link"], checkpoint["at"])
    name = signer(keys, base64.b64decode(checkpoint["signature"]), text.encode())
    if name is None:
        fail("the line of the audit log is not signed by a key that you trust")
    if said["session"] != session:
        fail("the line of the audit log is about another session")
    shown = " ".join(str(said.get(field, "")) for field in ("at", "purpose", "by"))
    ok("taken out: %s, signed by %s" % (shown.encode("unicode_escape").decode(), name))


def main(arguments):
    given = [arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == "--key"]
    if given:
        head_keys = log_keys = [key for path in given for key in keys_in(path)]
    else:
        head_keys, log_keys = keys_in(HERE / "keys/recording-heads.pem"), keys_in(HERE / "keys/log-checkpoints.pem")
        print("note    no --key: the keys in this bundle are taken for the gateway's")
    manifest()
    (path,) = HERE.glob("*.sallyport")
    header, seal = recording(path, head_keys)
    proofs({"session-open": header, "session-seal": seal}, log_keys)
    exported(path.stem, log_keys)


if __name__ == "__main__":
    main(sys.argv[1:])
