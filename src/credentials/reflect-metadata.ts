/**
 * The few functions of the proposal `Reflect` metadata that @peculiar/x509 insists on before it loads (its dependency container
 * looks for them). Import this before it. Metadata is kept per object and key, and found along the prototypes.
 */
const kept = new WeakMap<object, Map<unknown, unknown>>()

function own(key: unknown, target: object): unknown {
  return kept.get(target)?.get(key)
}

function define(key: unknown, value: unknown, target: object): void {
  const known = kept.get(target) ?? new Map<unknown, unknown>()
  kept.set(target, known.set(key, value))
}

function find(key: unknown, target: object): unknown {
  for (let here: object | null = target; here !== null; here = Reflect.getPrototypeOf(here))
    if (kept.get(here)?.has(key) === true) return own(key, here)
  return undefined
}

if (!('getMetadata' in Reflect))
  Object.assign(Reflect, { defineMetadata: define, getMetadata: find, getOwnMetadata: own })
