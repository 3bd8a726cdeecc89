/** Enrolled keys, certificates and machines, with the real ssh, ssh-agent and ssh-keygen. */
import { execFileSync, spawn } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSshPrivateKey, publicKeyBlob, publicKeyLine } from '../../src/credentials/ssh-key.ts'
import { Browser } from '../support/browser.ts'
import { type HostileIssuer, startHostileIssuer } from '../support/issuer.ts'
import { findPrograms, makeKey, programPath, runSsh, startSshd } from '../support/openssh.ts'
import { type Person, people, type SshOptions, World } from '../support/world.ts'

const needed = ['ssh', 'sshd', 'ssh-keygen', 'ssh-agent', 'ssh-add'] as const
const missing = needed.filter(name => findPrograms(name)[name] === undefined)

describe.skipIf(missing.length > 0)('keys', () => {
  let world: World
  let issuer: HostileIssuer
  let folder: string

  beforeAll(async () => {
    issuer = await startHostileIssuer('workloads')
    world = await World.start({
      configure: config => {
        config['identity'].enrolledKeys = { for: '8h', ipv4Prefix: 32 }
        config['identity'].machines = [
          {
            issuer: issuer.url,
            audience: 'workloads',
            bound: { repository: 'acme/infra' },
            name: 'ci-infra',
            groups: ['admins'],
            session: '1h',
          },
        ]
      },
    })
    folder = join(world.folder, 'identities')
    mkdirSync(folder)
  })
  afterAll(async () => {
    await world.stop()
    await issuer.close()
  })

  const target = () => `${world.login}@web1`

  /** ssh that cannot ask anything. */
  function batch(key: string, more: readonly string[] = [], user = target()) {
    return world.ssh(user, {
      command: ['echo in'],
      extra: ['BatchMode=yes'],
      arguments: ['-i', key, ...more],
    })
  }

  /** Signs in by the browser with the key, ticking what the page offers. */
  function withTick(key: string, person: Person = people.ada, more: SshOptions = {}) {
    return world.ssh(target(), {
      command: ['echo in'],
      arguments: ['-i', key],
      answers: async url => {
        const browser = new Browser()
        const page = await browser.signInAt(await browser.open(url), person)
        const shown = await browser.press(page, 'Yes, show me the code', { enrol: 'yes' })
        return [shown.code ?? '']
      },
      ...more,
    })
  }

  function lastSignIn() {
    return world.audit().findLast(entry => entry['kind'] === 'sign-in' && entry['protocol'] === 'ssh')
  }

  describe('before anything is enrolled', () => {
    test('with BatchMode a key is refused, and the banner says where to enrol it', async () => {
      const { privateFile } = makeKey(folder, 'unknown')
      const tried = await batch(privateFile)
      expect(tried.code).toBe(255)
      expect(tried.stderr).toContain('Permission denied (publickey,keyboard-interactive)')
      expect(tried.stderr).toContain(`${world.webUrl}/keys`)
    })

    test('an agent with ten unknown keys still comes to the prompt', async () => {
      const socket = await agentWith(
        Array.from({ length: 10 }, (_, n) => makeKey(folder, `many-${n}`).privateFile),
      )
      const signedIn = await withAgent(socket.path, {})
      socket.stop()
      expect([signedIn.stdout.toString(), signedIn.code]).toEqual(['in\n', 0])
    })
  })

  describe.each(['ed25519', 'ecdsa', 'rsa'] as const)('an enrolled %s key', type => {
    let key: ReturnType<typeof makeKey>
    let fingerprint: string
    beforeAll(async () => {
      key = makeKey(folder, `enrolled-${type}`, type)
      fingerprint =
        /SHA256:\S+/.exec(execFileSync(programPath('ssh-keygen'), ['-lf', key.publicFile]).toString())?.[0] ??
        ''
      const signedIn = await withTick(key.privateFile)
      expect([signedIn.stdout.toString(), signedIn.code]).toEqual(['in\n', 0])
      expect(signedIn.stderr).toContain(`Your key ${fingerprint} signs you in from 127.0.0.1/32 until`)
    })

    test('signs in with BatchMode, and says so', async () => {
      const signedIn = await batch(key.privateFile)
      expect([signedIn.stdout.toString(), signedIn.code]).toEqual(['in\n', 0])
      expect(signedIn.stderr).toContain(`Signed in with your enrolled key ${fingerprint}`)
      expect(lastSignIn()).toMatchObject({ method: 'enrolled-key', fingerprint, principal: people.ada.email })
      expect((await world.lastEnded()).principalName).toBe(people.ada.email)
    })

    test('is its person’s under any user name: that says where, never who', async () => {
      const elsewhere = await batch(key.privateFile, [], `${world.login}@nowhere`)
      expect(elsewhere.code).toBe(255)
      expect(lastSignIn()).toMatchObject({ method: 'enrolled-key', principal: people.ada.email })
    })

    test('does not sign in from another network, where the browser does', async () => {
      const tried = await batch(key.privateFile, ['-b', '127.0.0.2'])
      expect(tried.code).toBe(255)
      expect(tried.stderr).toContain('Permission denied (publickey,keyboard-interactive)')
      const byBrowser = await world.ssh(target(), {
        command: ['echo in'],
        arguments: ['-i', key.privateFile, '-b', '127.0.0.2'],
      })
      expect([byBrowser.stdout.toString(), byBrowser.code]).toEqual(['in\n', 0])
      expect(lastSignIn()).toMatchObject({ method: 'browser-code', sourceAddress: '127.0.0.2' })
    })

    test('is not somebody else’s to enrol, and stays its person’s', async () => {
      const tried = await withTick(key.privateFile, people.cleo, {
        arguments: ['-i', key.privateFile, '-b', '127.0.0.2'],
      })
      expect(tried.stderr).toContain('That key signs somebody else in')
      expect(tried.code).toBe(0)
      expect(lastSignIn()).toMatchObject({ principal: people.cleo.email })
      await batch(key.privateFile)
      expect(lastSignIn()).toMatchObject({ principal: people.ada.email })
    })

    test('does not sign in any more once it is revoked', async () => {
      const browser = new Browser()
      const page = await browser.signInAt(await browser.open(`${world.webUrl}/keys`), people.ada)
      expect(page.text).toContain(fingerprint)
      const after = await browser.press(page, 'Revoke')
      expect(after.text).not.toContain(fingerprint)
      expect((await batch(key.privateFile)).code).toBe(255)
      expect(world.audit().findLast(entry => entry['kind'] === 'key-revoked')).toMatchObject({ fingerprint })
    })
  })

  test('revoking a key ends the session that it opened, and says why', async () => {
    const { privateFile } = makeKey(folder, 'revoked-while-open')
    expect((await withTick(privateFile)).code).toBe(0)
    await world.lastEnded() // so that the one that is open is the next
    const running = world.ssh(target(), {
      command: ['echo in; sleep 300'],
      extra: ['BatchMode=yes'],
      arguments: ['-i', privateFile],
    })
    await world.until(async () => (await world.sessions()).some(row => row.state === 'open'))
    const browser = new Browser()
    const page = await browser.signInAt(await browser.open(`${world.webUrl}/keys`), people.ada)
    await browser.press(page, 'Revoke')
    const ended = await running
    expect(ended.code).toBe(255)
    expect(ended.stderr).toContain('The key that opened this session was revoked')
    expect((await world.lastEnded()).endReason).toBe('the key that opened it was revoked')
  })

  test('without the tick nothing is enrolled', async () => {
    const { privateFile } = makeKey(folder, 'not-ticked')
    const signedIn = await world.ssh(target(), { command: ['echo in'], arguments: ['-i', privateFile] })
    expect(signedIn.code).toBe(0)
    expect((await batch(privateFile)).code).toBe(255)
  })

  test('an enrolled key signs in from the agent too, and after a restart of the gateway', async () => {
    const { privateFile } = makeKey(folder, 'in-agent')
    expect((await withTick(privateFile)).code).toBe(0)
    await world.killGateway('SIGTERM')
    await world.startGateway()
    const agent = await agentWith([privateFile])
    const signedIn = await withAgent(agent.path, { extra: ['BatchMode=yes'] })
    agent.stop()
    expect([signedIn.stdout.toString(), signedIn.code]).toEqual(['in\n', 0])
  })

  describe('a certificate of the sign-in authority', () => {
    const keygen = (...args: string[]) => execFileSync(programPath('ssh-keygen'), ['-q', ...args])

    async function exchange(publicLine: string, claims: Record<string, unknown> = {}) {
      const token = await issuer.idToken('', {
        repository: 'acme/infra',
        jti: String(Math.random()),
        ...claims,
      })
      return await fetch(`${world.webUrl}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          subject_token: token,
          public_key: publicLine,
        }),
      })
    }

    async function certify(key: ReturnType<typeof makeKey>): Promise<void> {
      const response = await exchange(key.publicLine)
      const { access_token: line } = (await response.json()) as { access_token: string }
      writeFileSync(`${key.privateFile}-cert.pub`, `${line}\n`)
    }

    test.each(['ed25519', 'ecdsa', 'rsa'] as const)(
      'that a machine got for its %s key signs it in, as what the configuration calls it',
      async type => {
        const key = makeKey(folder, `machine-${type}`, type)
        await certify(key)
        const signedIn = await batch(key.privateFile)
        expect([signedIn.stdout.toString(), signedIn.code]).toEqual(['in\n', 0])
        expect(lastSignIn()).toMatchObject({
          method: 'certificate',
          principal: 'ci-infra',
          issuer: issuer.url,
          subject: 'subject-1',
        })
      },
    )

    test('is for its own key alone', async () => {
      const [mine, theirs] = [makeKey(folder, 'mine'), makeKey(folder, 'theirs')]
      await certify(mine)
      const tried = await batch(theirs.privateFile, ['-o', `CertificateFile=${mine.privateFile}-cert.pub`])
      expect(tried.code).toBe(255)
    })

    test('is not given to a token of another repository', async () => {
      const response = await exchange(makeKey(folder, 'refused').publicLine, { repository: 'eve/infra' })
      expect([response.status, response.headers.get('content-type')]).toEqual([
        400,
        'application/problem+json',
      ])
    })

    test('is refused where another authority made it, however much it looks the same', async () => {
      const file = join(folder, 'own-ca')
      writeFileSync(file, openSshPrivateKey(generateKeyPairSync('ed25519').privateKey), { mode: 0o600 })
      const key = makeKey(folder, 'forged')
      const principal = {
        issuer: issuer.url,
        subject: 'x',
        name: 'x',
        emailVerified: false,
        groups: ['admins'],
        authenticatedAtMs: 1,
        expiresAtMs: Date.now() + 60_000,
      }
      const option = `critical:principal@sallyport=${JSON.stringify(principal)}`
      keygen('-s', file, '-I', 'x', '-n', 'bastion.test', '-V', '-1m:+5m', '-O', option, key.publicFile)
      expect((await batch(key.privateFile)).code).toBe(255)
      await world.until(() => world.log.includes('unknown-authority'))
    })

    test('is refused by a real sshd, even one that trusts the sign-in authority', async () => {
      const key = makeKey(folder, 'at-target')
      await certify(key)
      const signIn = createPublicKey(world.authorities['sign-in'].publicKeyPem)
      const sshd = await startSshd({
        trustedUserCaKeys: [publicKeyLine(publicKeyBlob(signIn), 'sign-in')],
        principals: ['bastion.test'],
      })
      const tried = await runSsh(sshd.port, sshd.user, ['echo in'], {
        identity: key.privateFile,
        extra: ['BatchMode=yes'],
      })
      const log = sshd.log()
      await sshd.stop()
      expect([tried.code, tried.stdout.toString()]).toEqual([255, ''])
      expect(log).toMatch(/critical option/i)
    })
  })

  async function agentWith(files: readonly string[]): Promise<{ path: string; stop: () => void }> {
    const path = join(folder, `agent-${Math.random().toString(36).slice(2)}`)
    const child = spawn(programPath('ssh-agent'), ['-D', '-a', path], { stdio: 'ignore' })
    while (!existsSync(path)) await sleep(10)
    const env = { ...process.env, SSH_AUTH_SOCK: path }
    execFileSync(programPath('ssh-add'), ['-q', ...files], { env, stdio: 'ignore' })
    return { path, stop: () => void child.kill() }
  }

  /** `-F none` and the first options of the world's ssh switch agents off; options of the command line before them win. */
  function withAgent(path: string, options: SshOptions) {
    const first = ['-o', `IdentityAgent=${path}`, '-o', 'IdentitiesOnly=no']
    const args = ['-F', 'none', ...first, '-p', String(world.sshPort), '-o', 'StrictHostKeyChecking=no']
    const rest = ['-o', 'UserKnownHostsFile=/dev/null', ...(options.extra ?? []).flatMap(one => ['-o', one])]
    return world.runClient('ssh', [...args, ...rest, '-l', target(), '127.0.0.1', 'echo in'], options)
  }
})
