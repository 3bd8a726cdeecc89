"""Plain streams for the tests of forwards: serves one kind of answer, or connects, sends a file, ends, and prints the rest."""
import os
import socket
import sys
import threading


def listen(place):
    if place.startswith("unix:"):
        server = socket.socket(socket.AF_UNIX)
        server.bind(place[5:])
    else:
        server = socket.socket()
        server.bind(("127.0.0.1", 0))
    server.listen(64)
    return server


def echo(peer):
    while data := peer.recv(65536):
        peer.sendall(data)


def source(peer):
    """Speaks first and ends first; whatever comes meanwhile is read."""
    reader = threading.Thread(target=lambda: sum(len(d) for d in iter(lambda: peer.recv(65536), b"")))
    reader.start()
    peer.sendall(b"0123456789abcdef" * 200_000)
    peer.shutdown(socket.SHUT_WR)
    reader.join()


def http(peer):
    peer.recv(65536)
    body = b"body " * 50_000
    peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def serve(kind, place="tcp"):
    server = listen(place)
    print(server.getsockname() if place != "tcp" else server.getsockname()[1], flush=True)

    def one(peer):
        try:
            {"echo": echo, "source": source, "http": http}[kind](peer)
        except OSError:
            pass
        peer.close()

    while True:
        peer, _ = server.accept()
        threading.Thread(target=one, args=(peer,), daemon=True).start()


def connect(place, file):
    kind, _, where = place.partition(":")
    peer = socket.socket(socket.AF_UNIX) if kind == "unix" else socket.socket()
    try:
        peer.connect(where if kind == "unix" else ("127.0.0.1", int(where)))
    except OSError as error:
        sys.exit(error.strerror)

    def send():
        try:
            with open(file, "rb") as sent:
                while data := sent.read(65536):
                    peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    while data := peer.recv(65536):
        sys.stdout.buffer.write(data)
    sender.join()


def free():
    print(listen("tcp").getsockname()[1])


if __name__ == "__main__":
    {"serve": serve, "connect": connect, "free": free}[sys.argv[1]](*sys.argv[2:])
