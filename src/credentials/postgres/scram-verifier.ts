/** What PostgreSQL stores of a password (RFC 5803), so that the password itself never travels or gets into the server's log. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

/**
 * Iterations make guessing slow, and nobody guesses 192 random bits. The server runs them again on CREATE ROLE, to find out that
 * the password is not empty: 4096 of them cost 8 ms there, one costs nothing.
 */
const iterations = 1
const saltBytes = 16
const secretBytes = 24

/** How long the secret of a role works, by the database's clock; signing in takes milliseconds. */
export const secretLifetimeSeconds = 60

/** 192 random bits in characters that every client, connection string and SASLprep leave as they are. */
export function newSecret(): string {
  return randomBytes(secretBytes).toString('base64url')
}

/** `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. Only for secrets of 128 random bits or more. */
export function scramVerifier(secret: string, salt: Buffer = randomBytes(saltBytes)): string {
  const salted = pbkdf2Sync(secret, salt, iterations, 32, 'sha256')
  const key = (name: string): Buffer => createHmac('sha256', salted).update(name).digest()
  const storedKey = createHash('sha256').update(key('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${key('Server Key').toString('base64')}`
}
