import { setTimeout as sleep } from 'node:timers/promises'

declare const unit: unique symbol

/** Microseconds since 1970-01-01T00:00:00Z: what PostgreSQL's timestamptz holds, exactly. */
export type Micros = bigint & { readonly [unit]: 'micros' }

/** The only place that asks the time. Rules take `now` and never ask for it. */
export type Clock = Readonly<{ now: () => Micros }>

export const MILLISECOND = 1_000n
export const SECOND = 1_000_000n
export const MINUTE = 60n * SECOND
export const HOUR = 60n * MINUTE
export const DAY = 24n * HOUR

/**
 * How far another machine's clock may be ahead. A token from further on is refused, for it would
 * outlive a revocation; and a revocation of all until now reaches so far.
 */
export const AHEAD_MAX = 5n * SECOND

/** The machine's clock. It may step backwards: what needs an order takes it from the ledger. */
export const systemClock: Clock = {
  now: () => (BigInt(Date.now()) * MILLISECOND) as Micros,
}

export function after(start: Micros, span: bigint): Micros {
  return (start + span) as Micros
}

/** Waits for work, but not longer than that. What comes of it later is not heard any more. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const timeUp = new AbortController()
  const alarm = sleep(ms, undefined, { signal: timeUp.signal }).catch(() => undefined)
  try {
    await Promise.race([work, alarm])
  } finally {
    timeUp.abort()
  }
}

/** Until the time is up, or the signal cuts it short: in either case there is nothing to hear. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}

export class TooLate extends Error {
  override name = 'TooLate'
}

/**
 * Stops waiting for an answer after a while. It may still come, and is not heard any more. Who was
 * late himself finds the timer due beside answers that have long arrived: those are heard first, or
 * others would be blamed for a lack of processors.
 *
 * @throws TooLate
 */
export async function answerIn<T>(ms: number, answer: Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const giveUp = (): void => reject(new TooLate(`It took longer than ${ms} ms`))
    const late = setTimeout(() => setImmediate(giveUp), ms)
    answer.then(resolve, reject).finally(() => clearTimeout(late))
  })
}

/**
 * The same for work, which the signal tells that nobody waits for it any more. It must have limits
 * of its own, for it cannot be ended from outside.
 *
 * @throws TooLate
 */
export async function inTime<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController()
  try {
    return await answerIn(ms, work(over.signal))
  } catch (error) {
    if (error instanceof TooLate) over.abort(error)
    throw error
  }
}

/** Work that is done again and again until it is stopped. */
export type Repeated = Readonly<{
  /** Waits for half a second at most: what is under way must have limits of its own. */
  stop: () => Promise<void>
}>

const STOP_MS = 500

/**
 * Does work now, and then again with a pause before each time, without keeping the process alive.
 *
 * @param work Never fails. `false`: it is not needed any more.
 */
export function repeatedly(everyMs: number, work: () => Promise<boolean>): Repeated {
  const stopping = new AbortController()
  const { signal } = stopping
  async function goOn(): Promise<void> {
    while (!signal.aborted && (await work())) {
      await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
  const going = goOn()
  return {
    stop: async () => {
      stopping.abort()
      await within(STOP_MS, going)
    },
  }
}

/** For libraries that take a Date: whole milliseconds, rounded down, before 1970 as well. */
export function toDate(at: Micros): Date {
  return new Date(Number((at - modulo(at, MILLISECOND)) / MILLISECOND))
}

/** RFC 3339 in UTC, always with six decimals, so that texts sort as times do. */
export function printTime(at: Micros): string {
  const fraction = modulo(at, SECOND).toString().padStart(6, '0')
  return `${toDate(at).toISOString().slice(0, 19)}.${fraction}Z`
}

/** The remainder of a division that rounds down: `%` rounds to zero, and turns negative. */
function modulo(at: Micros, span: bigint): bigint {
  return ((at % span) + span) % span
}

const rfc3339 =
  /^(\d{4}-\d{2}-\d{2})[Tt]((?:[01]\d|2[0-3]):\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/

/** The years that RFC 3339 and PostgreSQL both can write: 1 to 9999, in UTC. */
const FIRST_MILLISECOND = Date.parse('0001-01-01T00:00:00Z')
const LAST_MILLISECOND = Date.parse('9999-12-31T23:59:59Z')

/** Reads an RFC 3339 time, to the microsecond; finer digits are cut. `null` when it is none. */
export function parseTime(text: string): Micros | null {
  const parts = rfc3339.exec(text)
  if (!parts) return null
  const [, date = '', time = '', fraction = '', zone = ''] = parts
  const milliseconds = Date.parse(`${date}T${time}${zone.toUpperCase()}`)
  const day = new Date(`${date}T00:00:00Z`)
  // Date.parse rolls 30 February over to March: a date must come back as it went in.
  if (Number.isNaN(milliseconds) || Number.isNaN(day.getTime())) return null
  if (day.toISOString().slice(0, 10) !== date) return null
  if (milliseconds < FIRST_MILLISECOND || milliseconds > LAST_MILLISECOND) return null
  const micros = BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  return (BigInt(milliseconds) * MILLISECOND + micros) as Micros
}
