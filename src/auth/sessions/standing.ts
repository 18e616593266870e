import { channel } from 'node:diagnostics_channel'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { after, MINUTE } from '../../time.ts'
import type { Clock, Micros } from '../../time.ts'
import type { Directory } from '../directory.ts'

/** Publishes `{ message, error }` when sessions go on without what the directory says of them. */
const trouble = channel('farthing:auth.trouble')
/** Every refresh meets an outage: it is told once in so long. */
const TOLD_APART = 1n * MINUTE

/**
 * What the directory says of a user, for sessions that are open. One that is away, or asked by too
 * many, must not end them: they go on as customers', and without any role until it answers again.
 */
export function standingOrLess(
  directory: Pick<Directory, 'standing'>,
  clock: Clock,
): Directory['standing'] {
  let toldAt: Micros | null = null

  function tell(error: AppError): void {
    const now = clock.now()
    if (toldAt !== null && now < after(toldAt, TOLD_APART)) return
    toldAt = now
    trouble.publish({ message: 'sessions go on without their roles', error })
  }

  return async (userId: UserId) => {
    try {
      return await directory.standing(userId)
    } catch (error) {
      if (!isPassing(error)) throw error
      tell(error)
      return { open: true, roles: [] }
    }
  }
}

function isPassing(error: unknown): error is AppError {
  if (!(error instanceof AppError)) return false
  return error.code === 'directory_unavailable' || error.code === 'overloaded'
}
