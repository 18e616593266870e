import type { Holder } from './leases.ts'
import { createLeases } from './leases.ts'
import type { QuotaName, WindowKey } from '../../quotas.ts'
import { systemClock } from '../../time.ts'
import type { Answers } from './link.ts'
import type { Member } from './member.ts'

/** To a server that has some requests of a caller in hand. */
const GIVE_BACK_WITHIN_MS = 500

/**
 * What a server may ask of the process that started it: to count requests for all of them.
 *
 * @returns what it may ask, given the server once it is known.
 */
export function createCounting(): (member: Promise<Member>) => Answers {
  const leases = createLeases(systemClock)
  return (joining) => {
    const holder: Holder = {
      giveBack: async (key) => {
        const { link } = await joining
        return (await link.ask('give-back', key, GIVE_BACK_WITHIN_MS)) as number | null
      },
    }
    void joining.then(async ({ ended }) => {
      await ended
      return leases.forget(holder)
    })
    return {
      lease: async ({ name, caller }: Readonly<{ name: QuotaName; caller: string }>) =>
        await leases.lease(holder, name, caller),
      'hand-over': (left: readonly (WindowKey & Readonly<{ left: number }>)[]) =>
        leases.handOver(holder, left),
    }
  }
}
