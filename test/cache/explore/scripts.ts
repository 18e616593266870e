import { LEASE_MS } from '../../../src/cache/parts.ts'
import type { Kind, Leased, Look, Place, Raised, Versions } from '../../../src/cache/parts.ts'

/** A Redis process's memory and place in replication. `ends`: keys that end by themselves. */
export type Memory = {
  replid: string
  master: boolean
  keys: Map<string, string>
  ends: Set<string>
  /** Its clock, in milliseconds. */
  now: () => number
}

/** What a wrong variant of the scripts leaves out. */
export type Flaws = Readonly<{
  noCanary?: boolean
  noReplid?: boolean
  noFloor?: boolean
  noClaim?: boolean
  /** It does not ask its clock whether the lease of who reads is over. */
  noTime?: boolean
}>

const canary = ({ tag }: Place): string => `farthing:${tag}:canary`
const slotOf = ({ tag }: Place, kind: Kind, user: string): string =>
  `farthing:${tag}:${kind}:${user}`
const floorOf = ({ tag }: Place, user: string): string => `farthing:${tag}:floor:${user}`

/**
 * What the scripts of src/cache/scripts.ts do, one function for each. test/cache/redis.test.ts runs
 * both on the same calls.
 */
export function createScripts(flaws: Flaws = {}) {
  function guarded(memory: Memory, at: Place): boolean {
    if (flaws.noReplid) return memory.master
    return memory.master && at.reign.endsWith(memory.replid)
  }

  const whole = (memory: Memory, at: Place): boolean =>
    guarded(memory, at) && (flaws.noCanary === true || memory.keys.has(canary(at)))

  return {
    plant: (memory: Memory, at: Place): 'planted' | 'lost' => {
      if (!guarded(memory, at)) return 'lost'
      memory.keys.set(canary(at), '0')
      return 'planted'
    },

    look: (
      memory: Memory,
      at: Leased,
      kind: Kind,
      user: string,
      token: string,
      unfit: string | null,
    ): Look => {
      if (!whole(memory, at)) return { is: 'lost' }
      const age = memory.now() - at.sinceMs
      if (!flaws.noTime && (age < 0 || age >= LEASE_MS)) return { is: 'late' }
      const slot = slotOf(at, kind, user)
      const found = memory.keys.get(slot)
      if (found === undefined || (unfit !== null && found === `v${unfit}`)) {
        put(memory, slot, `t${token}`)
        return { is: 'claimed' }
      }
      return found.startsWith('t') ? { is: 'taken' } : { is: 'hit', value: found.slice(1) }
    },

    fill: (
      memory: Memory,
      at: Place,
      copy: Readonly<{
        kind: Kind
        user: string
        token: string
        versions: Versions
        value: string
      }>,
    ): 'filled' | 'refused' | 'lost' => {
      if (!whole(memory, at)) return 'lost'
      const slot = slotOf(at, copy.kind, copy.user)
      if (!flaws.noClaim && memory.keys.get(slot) !== `t${copy.token}`) return 'refused'
      const [money = 0, view = 0] = floorIn(memory, at, copy.user)
      const below = Number(copy.versions.money) < money || Number(copy.versions.view) < view
      if (below && !flaws.noFloor) {
        memory.keys.delete(slot)
        return 'refused'
      }
      put(memory, slot, `v${copy.value}`)
      return 'filled'
    },

    raise: (memory: Memory, at: Place, floors: readonly Raised[]): number | 'lost' => {
      if (!whole(memory, at)) return 'lost'
      let added = 0
      for (const { user, money, view } of floors) {
        const old = floorIn(memory, at, user)
        if (old.length === 0) added += 1
        const next = [money, view].map((to, index) => Math.max(Number(to ?? 0n), old[index] ?? 0))
        memory.keys.set(floorOf(at, user), next.join(' '))
        for (const kind of ['user', 'history'] as const) memory.keys.delete(slotOf(at, kind, user))
      }
      const count = Number(memory.keys.get(canary(at)) ?? 0) + added
      memory.keys.set(canary(at), String(count))
      return count
    },
  }
}

function put(memory: Memory, key: string, value: string): void {
  memory.keys.set(key, value)
  memory.ends.add(key)
}

function floorIn(memory: Memory, at: Place, user: string): readonly number[] {
  return memory.keys.get(floorOf(at, user))?.split(' ').map(Number) ?? []
}

export type Scripts = ReturnType<typeof createScripts>
