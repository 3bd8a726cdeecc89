/** SCRAM as a client, against the example of RFC 7677 and servers that lie. Refusals first. */
import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ScramClient, serverEndPoint } from '../../src/postgres/scram.ts'

/** RFC 7677, section 3, but for the user name: PostgreSQL's clients leave it empty. */
const nonce = 'rOprNGfwEbeRWgbNEkqO'
const serverFirst = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'

function started(offered = ['SCRAM-SHA-256'], endPoint?: Buffer): ScramClient {
  const client = new ScramClient('pencil', endPoint, nonce)
  client.start(offered)
  return client
}

describe('refused', () => {
  test.each([
    ['a nonce that is not ours', serverFirst.replace('rOpr', 'xOpr')],
    ['our nonce with nothing added', 'r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
    ['iterations that only burn time', serverFirst.replace('i=4096', 'i=2147483647')],
    ['no iterations', serverFirst.replace('i=4096', 'i=0')],
    ['a negative number', serverFirst.replace('i=4096', 'i=-1')],
    ['an extension that we would have to know', `m=x,${serverFirst}`],
    ['something behind', `${serverFirst},x=y`],
    ['nothing', ''],
  ])('%s', async (_, message) => {
    await expect(started().answer(Buffer.from(message))).rejects.toThrow('malformed protocol message')
  })

  test('a server that does not know the secret', async () => {
    const client = started()
    await client.answer(Buffer.from(serverFirst))
    expect(client.finish(Buffer.from(`v=${Buffer.alloc(32).toString('base64')}`))).toBe(false)
    expect(client.finish(Buffer.from('e=other-error'))).toBe(false)
    expect(client.finish(Buffer.from(''))).toBe(false)
  })

  test('an end before there was an answer', () => {
    expect(started().finish(Buffer.from(`v=${Buffer.alloc(32).toString('base64')}`))).toBe(false)
  })

  test('a server without a mechanism of ours', () => {
    expect(new ScramClient('x', undefined).start(['OAUTHBEARER'])).toBeUndefined()
    expect(new ScramClient('x', undefined).start(['SCRAM-SHA-256-PLUS'])).toBeUndefined()
  })
})

describe('promised', () => {
  test('what an independent implementation computes', async () => {
    const client = started()
    const answer = (await client.answer(Buffer.from(serverFirst))).toString()
    // Python's hashlib on the same exchange; with the RFC's user name its own proof comes out.
    const [proof, signature] = oracle()
    expect(answer).toBe(`c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=${proof}`)
    expect(client.finish(Buffer.from(`v=${signature}`))).toBe(true)
  })

  test('the channel is bound where both can, and the server hears of it where only it could have been taken away', () => {
    const endPoint = createHash('sha256').update('certificate').digest()
    const both = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']
    const bound = new ScramClient('x', endPoint, 'n').start(both)
    expect(bound).toMatchObject({ mechanism: 'SCRAM-SHA-256-PLUS' })
    expect(bound?.message.toString()).toBe('p=tls-server-end-point,,n=,r=n')
    expect(new ScramClient('x', endPoint, 'n').start(['SCRAM-SHA-256'])?.message.toString()).toBe('y,,n=,r=n')
    expect(new ScramClient('x', undefined, 'n').start(both)?.message.toString()).toBe('n,,n=,r=n')
  })

  test('the end point is the hash that the certificate was signed with', () => {
    for (const [digest, expected] of [
      ['sha256', 'sha256'],
      ['sha384', 'sha384'],
      ['sha512', 'sha512'],
      ['sha1', 'sha256'],
    ] as const) {
      const certificate = selfSigned(['rsa:2048', `-${digest}`])
      const hash = createHash(expected).update(certificate.raw).digest()
      expect(serverEndPoint(certificate)).toEqual(hash)
    }
    const curve = selfSigned(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha384'])
    expect(serverEndPoint(curve)).toEqual(createHash('sha384').update(curve.raw).digest())
    expect(serverEndPoint(selfSigned(['ed25519']))).toBeUndefined()
  })
})

function selfSigned(key: readonly string[]): X509Certificate {
  const pem = execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', ...key, '-nodes', '-keyout', '/dev/null', '-subj', '/CN=x'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  return new X509Certificate(pem)
}

function oracle(): string[] {
  const program = `
import hashlib, hmac, base64
first = "n=,r=${nonce}"
server = ${JSON.stringify(serverFirst)}
final = "c=biws," + server.split(",")[0]
salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
h = lambda key, text: hmac.new(key, text, hashlib.sha256).digest()
message = ",".join([first, server, final]).encode()
client = h(salted, b"Client Key")
signature = h(hashlib.sha256(client).digest(), message)
print(base64.b64encode(bytes(a ^ b for a, b in zip(client, signature))).decode())
print(base64.b64encode(h(h(salted, b"Server Key"), message)).decode())
`
  return execFileSync('python3', ['-c', program]).toString().trim().split('\n')
}
