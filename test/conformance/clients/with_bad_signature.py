"""At the end of a jump any key that signs is good, and one that does not is none. Offers alone open nothing."""
import logging
import os

import paramiko

e = os.environ
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Liar(paramiko.Ed25519Key):
    def sign_ssh_data(self, data, algorithm=None):
        signature = bytearray(super().sign_ssh_data(data, algorithm).asbytes())
        signature[-1] ^= 1
        return paramiko.Message(bytes(signature))


def client(address, port, user, key, sock=None):
    new = paramiko.SSHClient()
    new.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    new.connect(address, port=int(port), username=user, pkey=key, look_for_keys=False, allow_agent=False, sock=sock)
    return new


honest = paramiko.Ed25519Key(filename=e["KEY"])
outer = client("127.0.0.1", e["GATEWAY_PORT"], "somebody", honest)
for key in (Liar(filename=e["KEY"]), honest):
    stream = outer.get_transport().open_channel("direct-tcpip", (e["ADDRESS"], int(e["PORT"])), ("127.0.0.1", 0))
    try:
        inner = client(e["ADDRESS"], e["PORT"], e["USERNAME"], key, stream)
        print("in", inner.exec_command("echo ran")[1].read())
    except paramiko.AuthenticationException as refusal:
        print("refused", type(refusal).__name__)
