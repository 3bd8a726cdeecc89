"""What asyncssh gets to see, one line each, the same by every way."""
import asyncio
import os

import asyncssh

e = os.environ
signals = "HUP INT QUIT ILL ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM XCPU SYS STKFLT VTALRM".split()


async def connect():
    options = {"client_keys": [e["KEY"]], "known_hosts": None, "config": None, "agent_path": None}
    tunnel = None
    if e["WAY"] == "jump":
        tunnel = await asyncssh.connect("127.0.0.1", int(e["GATEWAY_PORT"]), username="somebody", **options)
    return await asyncssh.connect(e["ADDRESS"], int(e["PORT"]), username=e["USERNAME"], tunnel=tunnel, **options)


async def statuses(ssh):
    room = asyncio.Semaphore(8)

    async def one(status):
        async with room:
            return (await ssh.run(f"exit {status}")).exit_status

    got = await asyncio.gather(*(one(status) for status in range(256)))
    print("256 statuses in order", got == list(range(256)))


async def ended_by(ssh, signal):
    done = await ssh.run(f"ulimit -c 0; kill -{signal} $$; sleep 5")
    print("ended by", signal, done.exit_status, done.exit_signal, done.returncode)


async def sent(ssh, signal):
    """An sshd that runs as root for root sends nobody signals, so that the order is all there is to see."""
    process = await ssh.create_process(f"trap 'echo got {signal}' {signal}; echo ready; cat; echo end")
    await process.stdout.readline()
    process.send_signal(signal)
    process.stdin.write_eof()
    done = await process.wait()
    print("signal", signal, repr(done.stdout), done.exit_status, done.exit_signal)


async def terminal(ssh):
    modes = {asyncssh.PTY_VINTR: 11, asyncssh.PTY_ECHO: 0, asyncssh.PTY_OP_OSPEED: 9600, 42: 1}
    process = await ssh.create_process("stty -a; stty size; read x; stty size", term_type="vt100", term_size=(133, 44, 800, 600), term_modes=modes)
    seen = ""
    while "44 133" not in seen.split(";")[-1]:
        seen += await process.stdout.readline()
    process.change_terminal_size(77, 33, 1, 2)
    process.stdin.write("\n")
    done = await process.wait()
    print("terminal", repr(seen + done.stdout), done.exit_status)


async def late(ssh):
    """Requests that come when something runs already."""
    process = await ssh.create_process("cat; exit 4", encoding=None)
    process.send_break(100)
    process.stdin.write(b"after the break\n")
    process.stdin.write_eof()
    done = await process.wait()
    print("late", done.stdout, done.stderr, done.exit_status)


async def refused(ssh):
    try:
        await ssh.open_connection("127.0.0.1", 1)
    except asyncssh.ChannelOpenError as error:
        print("refused", error.code, error.reason)


async def main():
    ssh = await connect()
    await statuses(ssh)
    for signal in signals:
        await ended_by(ssh, signal)
    for signal in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM"):
        await sent(ssh, signal)
    await terminal(ssh)
    await late(ssh)
    await refused(ssh)
    async with ssh.start_sftp_client() as sftp:
        await sftp.put(e["FILES"] + "/program", e["WORK"] + "/up")
        await sftp.get(e["WORK"] + "/up", "down")
        print(open("down", "rb").read() == open(e["FILES"] + "/program", "rb").read(), (await sftp.stat(e["WORK"] + "/up")).size)
        print(sorted(await sftp.listdir(e["FILES"] + "/tree/deep")), await sftp.exists(e["WORK"] + "/none"))
    print((await ssh.run("env", env={"LC_X": "y", "LANG": "C.UTF-8"})).stdout.count("LC_X=y"))
    ssh.close()
    await ssh.wait_closed()
    print("done")


asyncio.run(main())
