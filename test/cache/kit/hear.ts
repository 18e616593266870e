import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** What the cache of this process says of itself. */
export function hearCache() {
  const counts = new Map<string, number>()
  let state = 'off'
  const count = (event: unknown): void => {
    const { outcome } = event as { outcome: string }
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
  const turn = (event: unknown): void => {
    state = (event as { state: string }).state
    count({ outcome: `epoch ${state}` })
  }
  const channels = ['read', 'fill', 'fence'].map((name) => `farthing:cache.${name}`)
  for (const name of channels) subscribe(name, count)
  subscribe('farthing:cache.epoch', turn)
  return {
    count: (outcome: string): number => counts.get(outcome) ?? 0,
    counts: () => Object.fromEntries(counts),
    state: () => state,
    stop: () => {
      for (const name of channels) unsubscribe(name, count)
      unsubscribe('farthing:cache.epoch', turn)
    },
  }
}
