import type { Config } from '../config/config.ts'

/** Whoever the configuration names now, for people or machines. */
export function trustsIssuer({ identity }: Config, issuer: string): boolean {
  return issuer === identity.issuer || identity.machines.some(machine => machine.issuer === issuer)
}
