import type { Focus } from './chance.ts'
import type { Change } from './mutant.ts'
import { mutant } from './mutant.ts'
import { protocol } from './protocol.ts'
import type { Protocol, Variant } from './world.ts'

/** A cache that is wrong in one point. `plants` are in the text of the modules themselves. */
export type Wrong = Readonly<{
  title: string
  /** Where it is looked for. */
  focus: Focus
  variant?: Omit<Variant, 'protocol'>
  plants?: Change
}>

/** All of them are found: test/cache/explorer.test.ts says within how many schedules. */
export const wrongs: readonly Wrong[] = [
  {
    title: 'copies that only end by time',
    focus: 'anything',
    variant: { writing: 'never fences' },
  },
  { title: 'delete after write', focus: 'anything', variant: { writing: 'fences behind' } },
  {
    title: 'fill without fence',
    focus: 'anything',
    variant: { flaws: { noFloor: true, noClaim: true } },
  },
  {
    title: 'fill with a claim and no floor',
    focus: 'anything',
    variant: { flaws: { noFloor: true } },
  },
  { title: 'no canary', focus: 'loss', variant: { flaws: { noCanary: true } } },
  {
    title: 'any Redis will do',
    focus: 'roles',
    variant: { flaws: { noReplid: true }, trust: { anyReign: true } },
  },
  {
    title: 'one process of Redis, whatever it was in between',
    focus: 'roles',
    variant: { flaws: { noReplid: true }, trust: { runAlone: true } },
  },
  {
    title: 'a Redis that evicts floors',
    focus: 'evictions',
    variant: { trust: { evictsAll: true } },
  },
  {
    title: 'the row is read before the turn',
    focus: 'turns',
    variant: { slips: { readsBeforeTurn: true } },
  },
  {
    title: 'an epoch opens beside writers',
    focus: 'begins',
    variant: { slips: { opensWithoutWaiting: true } },
  },
  {
    title: 'an epoch opens while a commit of Citus is between its phases',
    focus: 'phases',
    variant: { slips: { opensBetweenPhases: true } },
  },
  {
    title: 'no wait for leases',
    focus: 'ends',
    plants: { file: 'leases.ts', from: 'LEASES_OVER_MS - (', to: '0 - (' },
  },
  {
    title: 'a wait without a margin for clocks',
    focus: 'ends',
    plants: { file: 'leases.ts', from: 'LEASES_OVER_MS - (', to: '500 - (' },
  },
  {
    title: 'a lease that begins with the answer',
    focus: 'ends',
    plants: {
      file: 'keeper.ts',
      from: `        const sent = await momentOf(clock, copies)
        const epoch = await table.read()`,
      to: `        const epoch = await table.read()
        const sent = await momentOf(clock, copies)`,
    },
  },
  {
    title: 'a lease by the clock of who reads alone',
    focus: 'clocks',
    variant: { flaws: { noTime: true } },
  },
  {
    title: 'a lease by the clock of Redis alone',
    focus: 'clocks',
    plants: {
      file: 'leases.ts',
      from: 'if (monotonic() - sent.monotonic >= LEASE_MS) return null',
      to: '',
    },
  },
  {
    title: 'a Redis that is asked for the time behind the row',
    focus: 'clocks',
    plants: {
      file: 'keeper.ts',
      from: `        const sent = await momentOf(clock, copies)
        const epoch = await table.read()`,
      to: `        const monotonic = clock.monotonic()
        const epoch = await table.read()
        const sent = { ...(await momentOf(clock, copies)), monotonic }`,
    },
  },
  {
    title: 'a machine that stands still while the clock of Redis is set back',
    focus: 'clocks',
    variant: { assumes: { nothingOfClocks: true } },
  },
  {
    title: 'versions that are read behind what they are of',
    focus: 'anything',
    plants: {
      file: 'reader.ts',
      from: `    const found = await versions(user)
    const value = await load()`,
      to: `    const value = await load()
    const found = await versions(user)`,
    },
  },
  {
    title: 'an epoch that is opened again under its name',
    focus: 'anything',
    plants: {
      file: 'keeper.ts',
      from: '`${before.number + 1n}-${randomUUID()}`',
      to: 'before.tag',
    },
  },
  {
    title: 'a commit while an epoch closes',
    focus: 'ends',
    plants: { file: 'fence.ts', from: 'if (endings.leftMs(epoch.tag) === 0) return', to: 'return' },
  },
  {
    title: 'an epoch that is settled at once',
    focus: 'ends',
    plants: {
      file: 'keeper.ts',
      from: 'if (endings.leftMs(epoch.tag) === 0) await table.settle',
      to: 'await table.settle',
    },
  },
  {
    title: 'a fence that may fail',
    focus: 'anything',
    plants: { file: 'fence.ts', from: 'throw new FenceDown(', to: 'void new FenceDown(' },
  },
]

export async function variantOf({ variant, plants }: Wrong): Promise<Variant> {
  const planted = plants ? await mutant<Partial<Protocol>>(plants) : {}
  return { ...variant, protocol: { ...protocol, ...planted } }
}
