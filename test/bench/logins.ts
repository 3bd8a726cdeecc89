/** Getting in: one command from start to end, and how many people a second. */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { programPath } from '../support/openssh.ts'
import { type Company, Crowd, type Way, ways } from './company.ts'
import { median, type Measurement } from './measurement.ts'
import { cpuSeconds } from './processes.ts'

/** The same for all: OpenSSH 9 with itself would choose sntrup761, which takes some 70 ms and is not what is compared. */
const algorithms = ['Ciphers=aes128-gcm@openssh.com', 'KexAlgorithms=curve25519-sha256']
/** Quick, and many of them tell more than one. */
const connectsPerRound = 5
const loginsPerRound = 40

/** Milliseconds of `ssh … true` with a key, from the start of the program to its end. */
export async function measureConnect(company: Company, rounds: number): Promise<readonly Measurement[]> {
  const times: Record<Way, number[]> = { direct: [], jump: [], sallyport: [] }
  for (let round = 0; round < rounds * connectsPerRound; round++)
    for (const way of ways) times[way].push(await connectMs(company, way))
  const [direct, jump, sallyport] = ways.map(way => median(times[way]))
  return [{ what: 'connect with a key + true', unit: 'ms', direct, jump, sallyport }]
}

async function connectMs(company: Company, way: Way): Promise<number> {
  const began = performance.now()
  const child = spawn(programPath('ssh'), [...company.options(way, algorithms), '127.0.0.1', 'true'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const code = await new Promise(resolve => child.once('close', resolve))
  if (code !== 0) throw new Error(`true by ${way} ended with ${String(code)}`)
  return performance.now() - began
}

/** Signing in with a key as far as a channel could be opened: through the gateway that includes the target. */
export async function measureLogins(company: Company, rounds: number): Promise<readonly Measurement[]> {
  const crowd = new Crowd()
  for (const way of ways)
    await crowd.order({ kind: 'logins', ...company.places(way), count: loginsPerRound, lanes: 4 })
  const rows = [...(await inLanes(company, crowd, 1, rounds)), ...(await inLanes(company, crowd, 8, rounds))]
  await crowd.leave()
  return rows
}

async function inLanes(
  company: Company,
  crowd: Crowd,
  lanes: number,
  rounds: number,
): Promise<readonly Measurement[]> {
  const speeds: Record<Way, number[]> = { direct: [], jump: [], sallyport: [] }
  const cpu: Record<Way, number[]> = { direct: [], jump: [], sallyport: [] }
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) {
      const pid = serverPid(company, way)
      const before = cpuSeconds(pid)
      const { seconds } = await crowd.order({
        kind: 'logins',
        ...company.places(way),
        count: loginsPerRound,
        lanes,
      })
      await sleep(500) // the last processes of sshd end, and recordings are sealed
      speeds[way].push(loginsPerRound / seconds)
      cpu[way].push(((cpuSeconds(pid) - before) * 1000) / loginsPerRound)
    }
  }
  const row = (what: string, unit: string, of: Record<Way, number[]>): Measurement => {
    const [direct, jump, sallyport] = ways.map(way => median(of[way]))
    return { what, unit, direct, jump, sallyport }
  }
  const name = lanes === 1 ? 'one after the other' : `${lanes} at a time`
  return [
    row(`logins, ${name}`, '1/s', speeds),
    row(`CPU of a login at the first server, ${name}`, 'ms', cpu),
  ]
}

/** The first server that the client meets. */
function serverPid(company: Company, way: Way): number {
  return { direct: company.target.pid, jump: company.jump.pid, sallyport: company.world.gatewayPid }[way]
}
