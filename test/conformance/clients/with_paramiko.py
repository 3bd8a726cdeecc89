"""What paramiko gets to see, one line each, the same by every way."""
import hashlib
import logging
import os
import socket
import threading

import paramiko

e = os.environ
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def client(address, port, user, sock=None):
    new = paramiko.SSHClient()
    new.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    new.connect(address, port=int(port), username=user, key_filename=e["KEY"], look_for_keys=False, allow_agent=False, sock=sock)
    return new


def connect():
    if e["WAY"] != "jump":
        return client(e["ADDRESS"], e["PORT"], e["USERNAME"])
    outer = client("127.0.0.1", e["GATEWAY_PORT"], "somebody")
    stream = outer.get_transport().open_channel("direct-tcpip", (e["ADDRESS"], int(e["PORT"])), ("127.0.0.1", 0))
    inner = client(e["ADDRESS"], e["PORT"], e["USERNAME"], stream)
    inner.outer = outer
    return inner


def digest(data):
    return hashlib.sha256(data).hexdigest()


ssh = connect()
for status in (0, 1, 7, 255):
    _, out, err = ssh.exec_command(f"echo out; echo err >&2; exit {status}")
    print("exec", status, out.read(), err.read(), out.channel.recv_exit_status())

random = open(e["FILES"] + "/random", "rb").read(3_000_000)
stdin, out, err = ssh.exec_command("tee /dev/stderr")
threading.Thread(target=lambda: (stdin.write(random), stdin.channel.shutdown_write())).start()
errors = []
reader = threading.Thread(target=lambda: errors.append(err.read()))
reader.start()
print("mixed", digest(out.read()) == digest(random), end=" ")
reader.join()
print(digest(errors[0]) == digest(random))

_, out, err = ssh.exec_command("kill -KILL $$")
print("killed", out.channel.recv_exit_status())

channel = ssh.get_transport().open_session()
channel.get_pty("vt100", 101, 37)
channel.exec_command("stty size; echo $TERM; read x; stty size; echo $x")
got = b""
while got.count(b"\n") < 2:
    got += channel.recv(1000)
channel.resize_pty(99, 11)
channel.send("typed\n")
while data := channel.recv(1000):
    got += data
print("terminal", got, channel.recv_exit_status())

sftp = ssh.open_sftp()
here = e["WORK"]
with sftp.open(here + "/up", "wb") as file:
    file.set_pipelined(True)
    file.write(random)
with sftp.open(here + "/up", "rb") as file:
    file.prefetch()
    print("sftp", digest(file.read()) == digest(random), sftp.stat(here + "/up").st_size)
sftp.mkdir(here + "/folder")
sftp.rename(here + "/up", here + "/folder/moved")
sftp.symlink("moved", here + "/folder/link")
print(sorted(sftp.listdir(here + "/folder")), sftp.readlink(here + "/folder/link"), sftp.normalize(here + "/folder/..")[-4:] != "")
try:
    sftp.open(here + "/none")
except OSError as error:
    print(type(error).__name__, error.errno, error.strerror)
sftp.remove(here + "/folder/link")
sftp.chmod(here + "/folder/moved", 0o600)
print(oct(sftp.stat(here + "/folder/moved").st_mode))

server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(1)


def answer():
    peer, _ = server.accept()
    data = b""
    while more := peer.recv(65536):
        data += more
    peer.sendall(data[::-1])
    peer.close()


threading.Thread(target=answer).start()
stream = ssh.get_transport().open_channel("direct-tcpip", server.getsockname(), ("127.0.0.1", 1))
stream.sendall(b"abc" * 100_000)
stream.shutdown_write()
back = b""
while data := stream.recv(65536):
    back += data
print("forward", back == b"cba" * 100_000)

try:
    ssh.get_transport().open_channel("nonsense@example.com")
except paramiko.ChannelException:
    print("refused")
ssh.get_transport().renegotiate_keys()
_, out, _ = ssh.exec_command("echo after new keys")
print(out.read())
ssh.close()
print("done")
