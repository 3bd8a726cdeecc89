import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Problem } from '../../src/config/problem.ts'
import { newFolder } from '../support/scratch.ts'

export const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB+z8mDkjVMDDBBA2+dz9fYsqd5kXkHtO4pFmEGpPLn6'

/** A correct file with everything that the parts replace in one place. */
export function yamlWith(parts: Partial<Record<keyof typeof PARTS, string>>): string {
  return Object.values({ ...PARTS, ...parts }).join('\n')
}

const PARTS = {
  gateway: 'gateway: { name: bastion.example.com, data: /var/lib/sallyport }',
  ssh: 'ssh: { listen: 0.0.0.0:22 }',
  web: 'web: { listen: 127.0.0.1:8443, url: "https://bastion.example.com" }',
  identity: 'identity: { issuer: "https://login.example.com", clientId: sallyport }',
  targets:
    'targets: [{ name: web1, protocol: ssh, address: 10.0.0.5, labels: { env: prod }, hostKeys: first-use }]',
  roles:
    'roles: { ops: { members: { groups: [ops] }, allow: [{ targets: { name: web1 }, logins: [root] }] } }',
  recording: 'recording: {}',
}

export function writeYaml(text: string | Uint8Array): string {
  const file = join(newFolder('config'), 'sallyport.yaml')
  writeFileSync(file, text)
  return file
}

export function configOf(text: string, env: NodeJS.ProcessEnv = {}): Config {
  const loaded = loadConfig(writeYaml(text), env)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}

export function problemsOf(text: string | Uint8Array, env: NodeJS.ProcessEnv = {}): readonly Problem[] {
  const loaded = loadConfig(writeYaml(text), env)
  return loaded.ok ? [] : loaded.problems
}

/** `path message (suggestion)` of each problem. */
export function complaintsOf(text: string | Uint8Array, env: NodeJS.ProcessEnv = {}): string[] {
  return problemsOf(text, env).map(({ path, message, suggestion }) =>
    `${path} ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`.trim(),
  )
}
