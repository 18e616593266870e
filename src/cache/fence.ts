import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { FenceDown } from '../db/fence.ts'
import type { Change, Fence, Raise } from '../db/fence.ts'
import type { Queryable } from '../db/query.ts'
import type { Endings } from './leases.ts'
import type { Copies, Epoch, EpochTable } from './parts.ts'

/** Publishes `{ outcome, users, why?, error? }` of fences that hold, and the first that fails. */
const fenceChannel = channel('farthing:cache.fence')

export type FenceParts = Readonly<{
  /** Waits its turn in a transaction, then reads the row as it stands behind that. */
  enter: (tx: Queryable) => Promise<Epoch>
  table: EpochTable
  /** Null in a process that has no Redis: then the epoch is closed by whoever writes. */
  copies: Copies | null
  endings: Endings
  /** Told how many floors the epoch has. */
  counted: (tag: string, floors: number) => void
}>

/**
 * The writer's side. What is committed while an epoch is on has its floors raised in that epoch
 * before; what cannot be fenced is committed when no lease of the epoch is valid any more.
 */
export function createFence(parts: FenceParts): Fence {
  const { copies, endings, table } = parts
  /** The epoch whose fence has failed this process: it is not tried again. */
  let failed: Readonly<{ tag: string; why: string }> | null = null
  let recovering: Readonly<{ tag: string; done: Promise<void> }> | null = null

  /** @returns why not, or null when they are raised. */
  async function raised(epoch: Epoch, changes: readonly Change[]): Promise<string | null> {
    if (failed?.tag === epoch.tag) return failed.why
    const users = changes.length
    const failedFor = (why: string, error?: unknown): string => {
      failed = { tag: epoch.tag, why }
      fenceChannel.publish({ outcome: 'failed', users, why, error })
      return why
    }
    if (!copies) return failedFor('a process without Redis wrote')
    const reign = copies.reign()
    if (reign === null) return failedFor('a process had no connection to Redis')
    if (reign !== epoch.reign) return failedFor('Redis is another one, or began anew')
    try {
      const floors = await copies.raise(epoch, changes)
      if (floors === 'lost') return failedFor('its keys in Redis were lost')
      fenceChannel.publish({ outcome: 'raised', users })
      parts.counted(epoch.tag, floors)
      return null
    } catch (error) {
      return failedFor('Redis did not acknowledge a fence', error)
    }
  }

  async function recover(tag: string, why: string): Promise<void> {
    await table.close(tag, why)
    await endings.over(tag)
    await table.settle(tag)
  }

  /** Many transactions of a process find a fence down together: one closes, all wait. */
  async function recoverOnce(tag: string, why: string): Promise<void> {
    if (recovering?.tag !== tag) {
      const done = recover(tag, why).finally(() => {
        if (recovering?.done === done) recovering = null
      })
      recovering = { tag, done }
    }
    await recovering.done
  }

  const raiseIn =
    (epoch: Epoch): Raise =>
    async (changes) => {
      if (epoch.state === 'off' || changes.length === 0) return
      assert.equal(
        new Set(changes.map(({ user }) => user)).size,
        changes.length,
        'users are named once',
      )
      if (epoch.state === 'closing') {
        if (endings.leftMs(epoch.tag) === 0) return
        endings.seen(epoch.tag)
      }
      const why = await raised(epoch, changes)
      if (why === null) return
      throw new FenceDown(why, async () => await recoverOnce(epoch.tag, why))
    }

  return { enter: async (tx) => raiseIn(await parts.enter(tx)) }
}
