import { createFence } from '../../../src/cache/fence.ts'
import { createKeeper } from '../../../src/cache/keeper.ts'
import { createEndings, createLeases } from '../../../src/cache/leases.ts'
import { createReader } from '../../../src/cache/reader.ts'
import type { Protocol } from './world.ts'

/** The modules as they run in production. */
export const protocol: Protocol = {
  createFence,
  createKeeper,
  createReader,
  createLeases,
  createEndings,
}
