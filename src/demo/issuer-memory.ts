import type { Adapter, AdapterPayload } from 'oidc-provider'

/** Things that one kind may hold; the oldest go first. A demo needs tens. */
const maxEntries = 1000

type Entry = { readonly payload: AdapterPayload; readonly expiresAtMs: number }

/**
 * What the demo's identity provider remembers, in memory and gone with it. (The one that comes with oidc-provider prints a warning
 * at each start; this one is meant.)
 */
export function memoryAdapter(): (name: string) => Adapter {
  const kinds = new Map<string, Map<string, Entry>>()
  const revoke = (grantId: string) => {
    for (const entries of kinds.values())
      for (const [id, { payload }] of entries) if (payload.grantId === grantId) entries.delete(id)
  }
  return name => {
    const entries = kinds.get(name) ?? new Map<string, Entry>()
    kinds.set(name, entries)
    return adapterOver(entries, revoke)
  }
}

function adapterOver(entries: Map<string, Entry>, revoke: (grantId: string) => void): Adapter {
  const find = (id: string) => {
    const entry = entries.get(id)
    return entry !== undefined && entry.expiresAtMs > Date.now() ? entry.payload : undefined
  }
  const findBy = (key: 'uid' | 'userCode', value: string) =>
    [...entries.values()].find(entry => entry.payload[key] === value && entry.expiresAtMs > Date.now())
      ?.payload
  return {
    upsert: async (id, payload, expiresIn) => {
      const expiresAtMs = expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000
      entries.set(id, { payload, expiresAtMs })
      const [oldest] = entries.keys()
      if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest)
    },
    find: async id => find(id),
    findByUid: async uid => findBy('uid', uid),
    findByUserCode: async code => findBy('userCode', code),
    consume: async id => {
      const payload = find(id)
      if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000)
    },
    destroy: async id => {
      entries.delete(id)
    },
    revokeByGrantId: async grantId => revoke(grantId),
  }
}
