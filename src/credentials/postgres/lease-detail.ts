/** What a lease says of the role that it is for; never a secret. */
export type RoleDetail = {
  readonly role: string
  /** The privilege role that it is a member of. */
  readonly group: string
}

export function encodeDetail({ role, group }: RoleDetail): string {
  return JSON.stringify({ role, group })
}

export function decodeDetail(text: string): RoleDetail {
  const { role, group } = JSON.parse(text) as Partial<RoleDetail>
  if (typeof role !== 'string' || typeof group !== 'string') throw new TypeError('not the detail of a role')
  return { role, group }
}
