/**
 * `npm run soak -- fuzz [--minutes N] [--seed N]`: hostile clients and hostile targets at a running gateway, before and after sign-in,
 * while somebody decent works. The process must not end, nobody decent may wait, memory stays under a ceiling, every recording verifies,
 * no session and no lease stays behind.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { openSshPrivateKey, publicKeyBlob } from '../../src/credentials/ssh-key.ts'
import { encodeServiceRequest, messageNumber } from '../../src/ssh/messages.ts'
import type { Transport } from '../../src/ssh/transport.ts'
import { boolean, byte, string } from '../../src/wire.ts'
import { exec, open, pty, request, shell } from '../ssh/channel-messages.ts'
import { FuzzEnd } from '../ssh/fuzz-end.ts'
import { hostileMessage, hostileSignIn } from '../ssh/fuzz-messages.ts'
import { Browser } from '../support/browser.ts'
import { HostileClient, HostileTarget, MemoryPeak } from '../support/hostile.ts'
import { people, World } from '../support/world.ts'

/**
 * What the attacks together may cost at most. The gateway runs here without the large heap that it starts with otherwise
 * (bin/sallyport.js), in which garbage lies for minutes: it grew by 151 MiB in four of them with 44 MiB of heap in use after a collection,
 * which is what it had at the start. Here it grew by 72 MiB.
 */
const ceilingBytes = 128 * 1024 * 1024
const smallHeap = ['--max-semi-space-size=2', 'src/main.ts']
/** A decent command takes less, whatever goes on. */
const decentMs = 20_000
/** Hostile connections at once, of each kind. */
const lanes = 3

export async function fuzz(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string' } },
  })
  const seed = Number(values.seed ?? Date.now() % 1_000_000_000)
  console.log(`seed ${seed}`)
  const run = await Run.start(seed, Date.now() + Number(values.minutes) * 60_000)
  return run.finish()
}

class Run {
  readonly #world: World
  readonly #evil: HostileTarget
  readonly #key: KeyObject
  readonly #keyFile: string
  readonly #until: number
  readonly #peak: MemoryPeak
  #seed: number
  readonly counts = { signIns: 0, sessions: 0, targetsVisited: 0, messages: 0, decent: 0 }
  readonly problems: string[] = []

  private constructor(
    world: World,
    evil: HostileTarget,
    key: { secret: KeyObject; file: string },
    seed: number,
    until: number,
  ) {
    this.#world = world
    this.#evil = evil
    this.#key = key.secret
    this.#keyFile = key.file
    this.#seed = seed
    this.#until = until
    this.#peak = new MemoryPeak(world)
  }

  static async start(seed: number, until: number): Promise<Run> {
    const evil = await HostileTarget.start()
    const world = await World.start({
      gateway: smallHeap,
      configure: config => {
        config['identity'].enrolledKeys = { for: '8h', ipv4Prefix: 32 }
        config['ssh'].limits = { upstreamTimeout: '5s', firstRequestTimeout: '5s' }
        Object.assign(config['roles'].admin.allow[0], {
          channels: ['shell', 'exec', 'sftp', 'forward', 'agent'],
          forward: { to: ['127.0.0.1:*', '/**'], from: ['localhost:*', '/**'] },
        })
        const address = `127.0.0.1:${evil.port}`
        const labels = { env: 'test' }
        config['targets'].push({ name: 'evil', protocol: 'ssh', address, labels, hostKeys: 'first-use' })
      },
    })
    const { privateKey } = generateKeyPairSync('ed25519')
    const file = `${world.folder}/fuzz-key`
    writeFileSync(file, openSshPrivateKey(privateKey), { mode: 0o600 })
    await enrol(world, file)
    return new Run(world, evil, { secret: privateKey, file }, seed, until)
  }

  async finish(): Promise<boolean> {
    const many = (work: () => Promise<void>): Promise<void>[] =>
      Array.from({ length: lanes }, () => this.#repeat(work))
    await Promise.all([
      ...many(() => this.#strangers()),
      ...many(() => this.#insiders()),
      ...many(() => this.#visits()),
      this.#repeat(() => this.#decent()),
    ])
    if (!this.#world.gatewayEnded) await this.#weigh()
    await this.#world.stop()
    this.#evil.stop()
    console.log({ ...this.counts, problems: this.problems })
    return this.problems.length === 0
  }

  async #weigh(): Promise<void> {
    await this.#settle()
    const { grownBytes } = this.#peak
    console.log(`the gateway grew by ${Math.round(grownBytes / 2 ** 20)} MiB`)
    if (grownBytes > ceilingBytes) this.problems.push(`memory grew by ${grownBytes} bytes`)
    await this.#check()
  }

  async #repeat(work: () => Promise<void>): Promise<void> {
    while (Date.now() < this.#until && this.problems.length === 0) {
      if (this.#world.gatewayEnded)
        return void this.problems.push(`the gateway ended: ${this.#world.log.slice(-3000)}`)
      await work()
    }
  }

  #draw<T>(arbitrary: fc.Arbitrary<T>): T {
    const [value] = fc.sample(arbitrary, { seed: this.#seed++, numRuns: 1 })
    return value as T
  }

  /** Before sign-in. Each source has few places, so that they come from many. */
  async #strangers(): Promise<void> {
    const source = `127.0.${1 + Math.floor(Math.random() * 200)}.9`
    const messages = this.#draw(fc.array(hostileSignIn, { minLength: 1, maxLength: 20 }))
    const client = await this.#connect(source)
    if (client === undefined) return
    this.counts.signIns++
    client.send(encodeServiceRequest('ssh-userauth'))
    for (const message of messages) await this.#say(client, message)
    await sleep(20)
    if (client.messages.some(message => message[0] === messageNumber.authSuccess))
      this.problems.push('a stranger got in')
    client.socket.destroy()
  }

  /** Signed in, at a decent target or a hostile one. */
  async #insiders(): Promise<void> {
    const { target, ...plan } = this.#draw(
      fc.record({ target: fc.constantFrom('web1', 'web1', 'evil', 'jump'), ...script }),
    )
    const user = target === 'jump' ? 'somebody' : `${this.#world.login}@${target}`
    const client = await this.#signedIn(user)
    if (client === undefined) return
    this.counts.sessions++
    const end = new FuzzEnd('client')
    let heard = 0
    const listen = (): void => {
      for (; heard < client.messages.length; heard++) hear(end, client.messages[heard] as Buffer)
    }
    for (const step of [...(beginnings[this.#seed % beginnings.length] ?? []), ...plan.steps]) {
      await sleep(step.waitMs ?? 0)
      listen()
      const said = step.blunt ? step.message : end.say(step.message, step.pick)
      if (said !== undefined) await this.#say(client, said)
    }
    await sleep(this.#draw(fc.nat(50)))
    client.socket.destroy()
  }

  /** Somebody decent at a target that is not. */
  async #visits(): Promise<void> {
    const plan = this.#draw(
      fc.record({ when: fc.constantFrom('before', 'during', 'after', 'after', 'after'), ...script }),
    )
    this.#evil.behaviour = this.#behaviour(plan)
    await this.#ssh('evil', 'anything', 4_000)
    this.counts.targetsVisited++
  }

  #behaviour({ when, steps }: { when: string; steps: readonly Step[] }): HostileTarget['behaviour'] {
    const play = (transport: Transport, end: FuzzEnd): void => {
      for (const step of steps) {
        const said = step.blunt ? step.message : end.say(step.message, step.pick)
        if (said === undefined) continue
        this.counts.messages++
        transport.send(said)
      }
    }
    const ends = new WeakMap<Transport, FuzzEnd>()
    const endOf = (transport: Transport): FuzzEnd => {
      const end = ends.get(transport) ?? new FuzzEnd('target')
      ends.set(transport, end)
      return end
    }
    return {
      onReady: transport => void (when === 'before' && play(transport, endOf(transport))),
      onMessage: (payload, transport) => {
        const end = endOf(transport)
        hear(end, payload)
        if (when === 'during' && payload[0] === messageNumber.authRequest) play(transport, end)
        if (when !== 'after' || (payload[0] ?? 0) < messageNumber.globalRequest) return false
        play(transport, end)
        return steps.length % 3 === 0 // every third says nothing decent besides
      },
    }
  }

  async #decent(): Promise<void> {
    const began = Date.now()
    const said = await this.#ssh('web1', 'echo decent', decentMs)
    this.counts.decent++
    if (said !== 'decent\n')
      this.problems.push(`somebody decent was not served in ${Date.now() - began} ms: ${said}`)
    await sleep(200)
  }

  async #ssh(target: string, command: string, timeoutMs: number): Promise<string> {
    const run = await this.#world.ssh(`${this.#world.login}@${target}`, {
      command: [command],
      extra: ['BatchMode=yes'],
      arguments: ['-i', this.#keyFile],
      input: 'x'.repeat(1000),
      timeoutMs,
    })
    return run.stdout.toString() || run.stderr
  }

  /** Undefined where the gateway has no place now: it turns strangers away by chance when there are many. */
  #connect(source: string): Promise<HostileClient | undefined> {
    return Promise.race([
      HostileClient.connect(this.#world, source).catch(() => undefined),
      sleep(5_000, undefined),
    ])
  }

  /** By the enrolled key, as ssh does it. */
  async #signedIn(user: string): Promise<HostileClient | undefined> {
    const client = await this.#connect('127.0.0.1')
    if (client === undefined) return undefined
    client.send(encodeServiceRequest('ssh-userauth'))
    const request = Buffer.concat([
      byte(messageNumber.authRequest),
      string(user),
      string('ssh-connection'),
      string('publickey'),
      boolean(true),
      string('ssh-ed25519'),
      string(publicKeyBlob(createPublicKey(this.#key))),
    ])
    const sessionId = client.protocol._kex?.sessionID ?? Buffer.alloc(0)
    const signature = sign(null, Buffer.concat([string(sessionId), request]), this.#key)
    client.send(request, string(Buffer.concat([string('ssh-ed25519'), string(signature)])))
    return client.until(messageNumber.authSuccess).then(
      () => client,
      () => undefined,
    )
  }

  async #say(client: HostileClient, message: Buffer): Promise<void> {
    if (client.socket.destroyed || message.length === 0) return
    this.counts.messages++
    client.send(message)
    await new Promise(resolve => setImmediate(resolve))
  }

  /** Everything that was opened is closed. */
  async #settle(): Promise<void> {
    const until = Date.now() + 30_000
    while (Date.now() < until) {
      if ((await this.#world.sessions()).every(row => row.state !== 'open')) return
      await sleep(100)
    }
    this.problems.push('sessions stayed open')
  }

  async #check(): Promise<void> {
    const verified = await this.#world.sallyport('verify', this.#world.recordings)
    if (verified.code !== 0) this.problems.push(`recordings do not verify: ${verified.stderr.slice(-1000)}`)
    const kinds = this.#world.audit().map(line => line['kind'])
    const count = (kind: string): number => kinds.filter(one => one === kind).length
    for (const [opened, closed] of [
      ['session-open', 'session-close'],
      ['credential-minted', 'credential-removed'],
    ] as const)
      if (count(opened) !== count(closed))
        this.problems.push(`${count(opened)} ${opened}, ${count(closed)} ${closed}`)
    const unhandled = this.#world.log
      .split('\n')
      .filter(line => /could not handle|uncaught|unhandled/i.test(line))
    this.problems.push(...unhandled.slice(0, 3))
  }
}

type Step = { message: Buffer; pick: number; blunt: boolean; waitMs?: number }

/** So that there is something to break. */
const polite = (message: Buffer, waitMs = 0): Step => ({ message, pick: 0, blunt: false, waitMs })
const session = polite(open(0, { window: 2_000_000 }))
const beginnings: readonly (readonly Step[])[] = [
  [],
  [session, polite(exec(0, 'cat; echo end'), 30)],
  [session, polite(pty(0), 30), polite(shell(0))],
  [session, polite(request(0, 'subsystem', true, string('sftp')), 30)],
  [session, polite(exec(0, 'head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2'), 30)],
]

const script = {
  steps: fc.array(
    fc.record<Step>({ message: hostileMessage, pick: fc.nat(5), blunt: fc.nat(40).map(n => n === 0) }),
    { minLength: 1, maxLength: 80 },
  ),
}

function hear(end: FuzzEnd, payload: Buffer): void {
  try {
    end.heard(payload)
  } catch {
    // not of the connection protocol
  }
}

async function enrol(world: World, keyFile: string): Promise<void> {
  await world.ssh(`${world.login}@web1`, {
    command: ['true'],
    arguments: ['-i', keyFile],
    answers: async url => {
      const browser = new Browser()
      const page = await browser.signInAt(await browser.open(url), people.ada)
      return [(await browser.press(page, 'Yes, show me the code', { enrol: 'yes' })).code ?? '']
    },
  })
}
