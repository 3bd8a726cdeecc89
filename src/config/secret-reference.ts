import { readFileSync, type Stats, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { reasonOf } from '../errors.ts'
import { read, type Reading, unreadable } from './reading.ts'
import { Secret } from './secret.ts'

/** Where references are looked up. */
export type SecretSources = {
  readonly env: NodeJS.ProcessEnv
  /** Folder that relative `file:` references start from: that of the configuration file. */
  readonly folder: string
  /** For commands that need no secret: references are held to their form and not looked up. */
  readonly withoutSecrets?: boolean
}

/** Certificate chains are the largest thing that is referenced. */
const MAX_FILE_BYTES = 256 * 1024
/** Others may not read, write or run it; the group may not write it (groups that read are how containers mount secrets). */
const TOO_OPEN = 0o027

/**
 * Reads the secret that `env:NAME` or `file:/path` refers to, without the newline at its end.
 * A literal is refused, and no message here ever holds a value: somebody may have written the secret itself.
 */
export function readSecret(reference: unknown, sources: SecretSources): Reading<Secret> {
  return resolveReference(reference, sources, 'secret')
}

/** The same for what is not secret (a certificate): its file may be readable by everybody. */
export function readPublicFile(reference: unknown, sources: SecretSources): Reading<Secret> {
  return resolveReference(reference, sources, 'public')
}

function resolveReference(
  reference: unknown,
  sources: SecretSources,
  kind: 'secret' | 'public',
): Reading<Secret> {
  if (sources.withoutSecrets === true && typeof reference === 'string' && /^(env|file):./.test(reference))
    return read(new Secret('not looked up'))
  if (typeof reference === 'string' && reference.startsWith('env:'))
    return fromEnv(reference.slice(4), sources.env)
  if (typeof reference === 'string' && reference.startsWith('file:'))
    return fromFile(resolve(sources.folder, reference.slice(5)), kind)
  return unreadable('must be a reference, never the value itself', 'write env:NAME or file:/path')
}

function fromEnv(name: string, env: NodeJS.ProcessEnv): Reading<Secret> {
  // A name that no shell could export is perhaps the secret itself, behind the wrong prefix: it is not repeated.
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
    return unreadable('is not the name of an environment variable')
  const value = env[name]
  if (value === undefined) return unreadable(`refers to the environment variable ${name}, which is not set`)
  return notEmpty(value)
}

function fromFile(file: string, kind: 'secret' | 'public'): Reading<Secret> {
  try {
    const stats = statSync(file)
    const objection = objectionTo(stats, kind)
    return objection ?? notEmpty(readFileSync(file, 'utf8'))
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : reasonOf(thrown)
    return unreadable(`refers to the file ${file}, which cannot be read (${code})`)
  }
}

function objectionTo(stats: Stats, kind: 'secret' | 'public'): { ok: false; message: string } | undefined {
  if (!stats.isFile()) return unreadable('refers to something that is not a plain file')
  if (stats.size > MAX_FILE_BYTES) return unreadable(`refers to a file of more than ${MAX_FILE_BYTES} bytes`)
  if (kind === 'secret' && (stats.mode & TOO_OPEN) !== 0)
    return unreadable('refers to a file that others may read or change', 'run chmod 600 on it')
  return undefined
}

function notEmpty(text: string): Reading<Secret> {
  const value = text.replace(/\r?\n$/, '')
  return value === '' ? unreadable('refers to something empty') : read(new Secret(value))
}
