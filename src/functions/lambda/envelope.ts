import { jobNames } from '../../queue/jobs.ts'
import type { JobEvent } from '../../queue/jobs.ts'

/** What the dispatcher sends to the function: the job, and how long it may take. */
export type Invocation = JobEvent & Readonly<{ timeoutMs: number }>

/**
 * What the function answers when the job is done. It names the job: another function under the
 * configured name, which answers 200 to everything, must not pass for this one.
 */
export type Answer = Readonly<{ jobId: string; outcome: 'done' }>

/** @throws Error when it is none, as from a newer dispatcher that knows more jobs. */
export function readInvocation(event: unknown): Invocation {
  const { jobId, attempt, name, payload, timeoutMs } = (event ?? {}) as Partial<Invocation>
  if (typeof jobId !== 'string' || typeof attempt !== 'number' || typeof timeoutMs !== 'number') {
    throw new Error('This is no job: the function is for the dispatcher of Farthing alone')
  }
  if (!jobNames.includes(name as JobEvent['name'])) {
    throw new Error(`This version knows no job ${String(name)}: deploy the newer function`)
  }
  if (typeof payload !== 'object') throw new Error(`Job ${jobId} came without its payload`)
  return event as Invocation
}

export function isAnswerTo({ jobId }: JobEvent, answer: unknown): boolean {
  const told = (answer ?? {}) as Partial<Answer>
  return told.jobId === jobId && told.outcome === 'done'
}
