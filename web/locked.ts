/** Whether what a key file holds is locked with a passphrase: a JWE in compact form. */
export function isLocked(text: string): boolean {
  return /^[\w-]+(\.[\w-]+){4}$/.test(text)
}
