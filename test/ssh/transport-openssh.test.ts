/** The transport against the real OpenSSH, both ways. Authentication and channels are the least that makes it talk. */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import {
  clientKeyExchangeAlgorithms,
  hostCertificateAlgorithms,
  hostKeyAlgorithms,
  serverKeyExchangeAlgorithms,
} from '../../src/ssh/algorithms.ts'
import { proveEngine } from '../../src/ssh/engine.ts'
import {
  acceptTransport,
  connectTransport,
  type OfferedHostKey,
  type Transport,
} from '../../src/ssh/transport.ts'
import {
  findPrograms,
  makeKey,
  programPath,
  runSsh,
  scratchFolder,
  startSshd,
  testWith,
  type Sshd,
} from '../support/openssh.ts'
import { limits, Witness } from './peer.ts'

const engine = proveEngine()

const scratch = scratchFolder()
afterAll(scratch.remove)

const uint32 = (value: number) => {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}
const string = (text: string | Buffer) => Buffer.concat([uint32(text.length), Buffer.from(text)])

/** Signs anybody in and echoes one channel; what it must not do is lose or reorder a byte. */
function echo(transport: Transport, payload: Buffer): void {
  const channel = payload.subarray(1, 5)
  switch (payload[0]) {
    case 5: // SERVICE_REQUEST
      return transport.send(Buffer.concat([Buffer.from([6]), payload.subarray(1)]))
    case 50: // USERAUTH_REQUEST
      return transport.send(Buffer.from([52]))
    case 90: {
      // CHANNEL_OPEN: its own number for both ends, and more window than the test sends
      const sender = payload.subarray(5 + payload.readUInt32BE(1)).subarray(0, 4)
      return transport.send(
        Buffer.concat([Buffer.from([91]), sender, sender, uint32(1 << 30), uint32(32_768)]),
      )
    }
    case 98: {
      // CHANNEL_REQUEST
      const length = payload.readUInt32BE(5)
      if (payload[9 + length] === 1) transport.send(Buffer.concat([Buffer.from([99]), channel]))
      return
    }
    case 94: {
      // CHANNEL_DATA
      transport.sendParts(payload.subarray(0, 9), payload.subarray(9))
      return
    }
    case 96: // EOF: exit status 7, EOF, CLOSE
      transport.send(
        Buffer.concat([Buffer.from([98]), channel, string('exit-status'), Buffer.from([0]), uint32(7)]),
      )
      transport.send(Buffer.concat([Buffer.from([96]), channel]))
      return transport.send(Buffer.concat([Buffer.from([97]), channel]))
    default:
      return
  }
}

async function serve(
  hostKeys: readonly string[],
  onMessage: Witness['onMessage'] = (payload, transport) => echo(transport, payload),
) {
  const witnesses: Witness[] = []
  const server = createServer(socket => {
    const witness = new Witness()
    witness.onMessage = onMessage
    witnesses.push(witness)
    acceptTransport(engine, socket, {
      ident: 'OpenSSH_9.9 test',
      hostKeys,
      serverSigAlgs: ['ssh-ed25519'],
      limits,
      handlers: witness.handlers,
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, witnesses, stop: () => new Promise(resolve => server.close(resolve)) }
}

describe('a real ssh client', () => {
  const withSsh = testWith('ssh', 'ssh-keygen')
  const key = (type: 'ed25519' | 'ecdsa' | 'rsa') => {
    keys[type] ??= makeKey(scratch.path, `gateway_${type}`, type)
    return keys[type]
  }
  const keys: Partial<Record<string, ReturnType<typeof makeKey>>> = {}

  withSsh('shows the text that we disconnect with', async () => {
    const server = await serve([key('ed25519').privatePem], (payload, transport) => {
      if (payload[0] === 50)
        transport.disconnect(14, 'no more ways to sign in; see https://bastion.example.com')
      else echo(transport, payload)
    })
    const { code, stderr } = await runSsh(server.port, 'anybody', ['true'])
    expect(code).toBe(255)
    expect(stderr).toContain('no more ways to sign in; see https://bastion.example.com')
    expect(server.witnesses[0]?.closings).toHaveLength(1)
    await server.stop()
  })

  withSsh('refuses to continue where the host key is not the known one', async () => {
    const server = await serve([key('ed25519').privatePem])
    const knownHosts = join(scratch.path, 'known_hosts')
    writeFileSync(knownHosts, `[127.0.0.1]:${server.port} ${makeKey(scratch.path, 'another').publicLine}\n`)
    const { code, stderr } = await runSsh(server.port, 'anybody', ['true'], { knownHosts })
    expect(code).toBe(255)
    expect(stderr).toContain('REMOTE HOST IDENTIFICATION HAS CHANGED')
    await server.stop()
  })

  const input = randomBytes(6 << 20)
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  const ways: [string, string[]][] = [
    ['as it comes', []],
    ['with chacha20-poly1305', ['Ciphers=chacha20-poly1305@openssh.com']],
    ['with aes256-gcm', ['Ciphers=aes256-gcm@openssh.com']],
    ['with aes128-ctr and hmac-sha2-512-etm', ['Ciphers=aes128-ctr', 'MACs=hmac-sha2-512-etm@openssh.com']],
    ['with curve25519-sha256@libssh.org', ['KexAlgorithms=curve25519-sha256@libssh.org']],
    ['with an ECDSA host key', ['HostKeyAlgorithms=ecdsa-sha2-nistp256']],
    ['with an RSA host key and SHA-512', ['HostKeyAlgorithms=rsa-sha2-512']],
    ['with an RSA host key and SHA-256', ['HostKeyAlgorithms=rsa-sha2-256']],
    ['with new keys every mebibyte', ['RekeyLimit=1M']],
    ['with new keys every 100 kB and ctr', ['RekeyLimit=100K', 'Ciphers=aes256-ctr']],
  ]
  for (const [how, extra] of ways) {
    withSsh(`gets every byte back in order, ${how}`, async () => {
      const server = await serve([key('ed25519').privatePem, key('ecdsa').privatePem, key('rsa').privatePem])
      const { code, stdout, stderr } = await runSsh(server.port, 'anybody', ['cat'], { input, extra })
      expect(digest(stdout), stderr).toBe(digest(input))
      expect(code).toBe(7)
      expect(await server.witnesses[0]?.closed).toMatchObject({ kind: 'disconnect', reason: 11 })
      await server.stop()
    })
  }

  withSsh('is given the best key exchange that it knows', async () => {
    const known = execFileSync(programPath('ssh'), ['-Q', 'kex'], { encoding: 'utf8' }).split('\n')
    const server = await serve([key('ed25519').privatePem])
    const best = serverKeyExchangeAlgorithms.find(name => known.includes(name)) ?? ''
    const { stderr } = await runSsh(server.port, 'anybody', ['true'], { extra: [`KexAlgorithms=${best}`] })
    expect(stderr).not.toContain('no matching')
    await runSsh(server.port, 'anybody', ['true'])
    expect(server.witnesses.map(witness => witness.transport.negotiated?.kex)).toEqual([best, best])
    await server.stop()
  })

  withSsh('is given new keys by us as often as we like', async () => {
    const server = await serve([key('ed25519').privatePem], (payload, transport) => {
      if (payload[0] === 94) transport.rekey()
      echo(transport, payload)
    })
    const { code, stdout } = await runSsh(server.port, 'anybody', ['cat'], {
      input: input.subarray(0, 1 << 20),
    })
    expect(digest(stdout)).toBe(digest(input.subarray(0, 1 << 20)))
    expect(code).toBe(7)
    await server.stop()
  })

  withSsh('cannot get SHA-1, CBC, compression or finite-field groups', async () => {
    const server = await serve([key('rsa').privatePem])
    for (const option of [
      'HostKeyAlgorithms=ssh-rsa',
      'Ciphers=aes128-cbc',
      'MACs=hmac-sha1',
      'KexAlgorithms=diffie-hellman-group14-sha256',
    ]) {
      const extra = option.startsWith('MACs') ? [option, 'Ciphers=aes128-ctr'] : [option]
      const { code, stderr } = await runSsh(server.port, 'anybody', ['true'], { extra })
      expect(code).toBe(255)
      expect(stderr, option).toContain('no matching')
    }
    await runSsh(server.port, 'anybody', ['true'], { extra: ['Compression=yes'] })
    expect(server.witnesses.at(-1)?.transport.negotiated?.cs.compress).toBe('none')
    await server.stop()
  })
})

describe('a real sshd', () => {
  const withSshd = testWith('sshd', 'ssh-keygen')
  let sshd: Sshd

  beforeAll(async () => {
    const found = findPrograms('sshd', 'ssh-keygen')
    if (Object.keys(found).length < 2) return
    sshd = await startSshd({ hostKeyTypes: ['ed25519', 'ecdsa', 'rsa'] })
  })
  afterAll(() => sshd?.stop())

  async function open(
    to: Sshd,
    verifyHostKey: (key: OfferedHostKey) => boolean,
    algorithms?: readonly string[],
  ): Promise<Witness> {
    const socket = connect(to.port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const witness = new Witness()
    connectTransport(engine, socket, {
      ident: 'OpenSSH_9.9 test',
      verifyHostKey,
      ...(algorithms === undefined ? {} : { hostKeyAlgorithms: algorithms }),
      limits,
      handlers: witness.handlers,
    })
    return witness
  }

  withSshd('proves each of its keys, and answers us', async () => {
    for (const algorithm of hostKeyAlgorithms) {
      const seen: OfferedHostKey[] = []
      const witness = await open(sshd, key => seen.push(key) > 0, [algorithm])
      const transport = await witness.ready
      expect(sshd.hostKeys.some(key => key.blob.equals(seen[0]?.blob ?? Buffer.alloc(0)))).toBe(true)
      expect(transport.negotiated?.serverHostKey).toBe(algorithm)
      expect(transport.remoteIdent).toMatch(/^SSH-2\.0-OpenSSH_/)
      transport.send(Buffer.concat([Buffer.from([5]), string('ssh-userauth')]))
      await witness.received(1)
      expect(witness.messages[0]).toEqual(Buffer.concat([Buffer.from([6]), string('ssh-userauth')]))
      expect(transport.peerSignatureAlgorithms).toContain('ssh-ed25519')
      transport.disconnect(11, 'tested')
      await witness.closed
    }
  })

  withSshd('is asked for the best key exchange that it knows, and for nothing else', async () => {
    const known = execFileSync(programPath('ssh'), ['-Q', 'kex'], { encoding: 'utf8' }).split('\n')
    const ways = clientKeyExchangeAlgorithms.filter(name => known.includes(name))
    const witness = await open(sshd, () => true)
    expect((await witness.ready).negotiated?.kex).toBe(ways[0])
    witness.transport.close()
    for (const kex of ways) {
      const one = await startSshd({ extraConfig: `KexAlgorithms ${kex}` })
      const { ready, closed } = await open(one, () => true)
      const transport = await ready
      expect(transport.negotiated?.kex).toBe(kex)
      transport.close()
      await closed
      await one.stop()
    }
  })

  withSshd('whose key is refused gets no message of ours but the reason', async () => {
    const witness = await open(sshd, () => false)
    expect(await witness.closed).toMatchObject({ kind: 'local', reason: 9 })
    while (!sshd.log().includes('the host key was not accepted'))
      await new Promise(resolve => setTimeout(resolve, 10))
  })

  withSshd('proves a host certificate of each kind', async () => {
    const authority = makeKey(scratch.path, 'host_authority')
    const types = ['ed25519', 'ecdsa', 'rsa'] as const
    const keys = types.map(type => makeKey(scratch.path, `certified_${type}`, type))
    for (const key of keys)
      execFileSync(programPath('ssh-keygen'), [
        '-q',
        '-s',
        authority.privateFile,
        '-I',
        'web1',
        '-h',
        '-n',
        'web1',
        '-V',
        '+1h',
        key.publicFile,
      ])
    const server = await startSshd({
      extraConfig: keys
        .flatMap(key => [`HostKey ${key.privateFile}`, `HostCertificate ${key.privateFile}-cert.pub`])
        .join('\n'),
    })
    for (const algorithm of hostCertificateAlgorithms) {
      const seen: OfferedHostKey[] = []
      const witness = await open(server, key => seen.push(key) > 0, [algorithm])
      const transport = await witness.ready
      expect(seen[0]?.algorithm).toBe(algorithm.replace(/^rsa-sha2-\d+/, 'ssh-rsa'))
      expect(seen[0]?.blob.includes(authority.blob.subarray(19))).toBe(true)
      transport.send(Buffer.concat([Buffer.from([5]), string('ssh-userauth')]))
      await witness.received(1)
      transport.close()
      await witness.closed
    }
    await server.stop()
  })
})
