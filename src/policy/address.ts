/** What a person typed as the user name. Only shape: whether there is such a target, policy says. */
export type UserName = {
  readonly login?: string
  readonly target?: string
  /** Neither `@` nor `+` in it: perhaps a target, perhaps a login. */
  readonly bare?: string
}

/**
 * `LOGIN@TARGET` or `LOGIN+TARGET`, split at the last separator (logins may hold one, names of targets never do).
 * What is empty is left out, so `@web1` names only the target and `root@` only the login. Total on any text.
 */
export function parseUserName(text: string): UserName {
  const at = Math.max(text.lastIndexOf('@'), text.lastIndexOf('+'))
  if (at === -1) return text === '' ? {} : { bare: text }
  const [login, target] = [text.slice(0, at), text.slice(at + 1)]
  return { ...(login === '' ? {} : { login }), ...(target === '' ? {} : { target }) }
}
