import type { Fence } from '../../../src/db/fence.ts'

/** For houses without a cache: nobody reads copies there. */
export const noFence: Fence = { enter: async () => await Promise.resolve(nothingToRaise) }

async function nothingToRaise(): Promise<void> {
  await Promise.resolve()
}
