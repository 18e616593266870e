import type { Beginning } from './world.ts'

const right = { rate: 1, ahead: 0 } as const
const still = { rate: 1, slept: 0 } as const

const plain: Beginning = {
  state: 'on',
  warm: true,
  secondHasRedis: true,
  drifts: [still, still],
  walls: [right, right],
  faults: 1,
  reads: 2,
  unfits: 0,
  writes: [1, 1],
  kind: 'user',
  spread: false,
}

/** What schedules that are tried one and all begin with: one fault each at most. */
export const plainBeginnings: Readonly<Record<string, Beginning>> = {
  'a copy that is there': plain,
  'a copy that does not serve': { ...plain, unfits: 1 },
  'no copy': { ...plain, warm: false },
  'on Citus, before an epoch opens': { ...plain, state: 'off', warm: false, spread: true },
  'a writer without Redis': { ...plain, secondHasRedis: false, faults: 0 },
}
