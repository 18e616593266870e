import { tellable } from '../../queue/attempt.ts'
import type { Clock } from '../../time.ts'
import { inTime, SECOND } from '../../time.ts'
import type { FunctionParts } from '../event.ts'
import { handle } from '../handlers.ts'
import { type Answer, readInvocation } from './envelope.ts'

/**
 * Lambda freezes a function between two invocations. What it was connected to may be gone when it
 * wakes, and on some networks nobody says so: after such a pause all is connected anew.
 */
const TRUSTED_FOR = 3n * SECOND

/** The parts, connected. */
export type Opened = Readonly<{ parts: FunctionParts; close: () => Promise<void> }>

/**
 * The function as Lambda calls it: one job after the other in one process, whose connections stay
 * open while jobs come one close upon the other.
 */
export function createFunction(
  open: () => Promise<Opened>,
  clock: Clock,
): (event: unknown) => Promise<Answer> {
  let warm: Opened | null = null
  let usedAt = clock.now()

  async function connected(): Promise<FunctionParts> {
    const idle = clock.now() - usedAt
    // A clock that was set back says nothing about how long it was.
    if (warm && (idle > TRUSTED_FOR || idle < 0n)) {
      // Nobody waits for the goodbye of what may be gone.
      warm.close().catch(() => undefined)
      warm = null
    }
    warm ??= await open()
    return warm.parts
  }

  return async (event) => {
    const { timeoutMs, ...job } = readInvocation(event)
    try {
      await inTime(timeoutMs, async () => await handle(job, await connected()))
    } catch (error) {
      throw tellable(error, job.payload)
    } finally {
      usedAt = clock.now()
    }
    return { jobId: job.jobId, outcome: 'done' }
  }
}
