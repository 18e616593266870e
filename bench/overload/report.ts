import { quantile } from '../samples.ts'
import { describe, goodput, latency } from './overload.ts'
import type { Overloaded } from './overload.ts'

export type Bar = Readonly<{ holds: boolean; bar: string }>

const P99_MAX_MS = 1_000
const NORMAL_WITHIN_S = 10
const GOODPUT_LEAST = 0.8
const MEMORY_MAX_BYTES = 600 * 1_000_000
const PROBE_MAX_MS = 2_000
/** A load that is later than this is not the one that was asked for. */
const SENT_LATE_MAX_MS = 50

/** What must show of one flood. */
export function judge(run: Overloaded): readonly Bar[] {
  const { what, calm, flood, after, seen, normalAgainSecond, peakBytes } = run
  const wrong = [calm, flood, after].flatMap((one) => one.wrong)
  const statuses = [calm, flood, after].flatMap((one) => Object.keys(one.statuses))
  const p99 = latency(flood, 0.99)
  const share = goodput(flood) / run.capacityPerSecond
  const late = quantile(flood.sentLateMs, 0.99)
  const probes = Object.values(seen.asked)
  const failed = probes.reduce((sum, one) => sum + one.failed, 0)
  const longest = Math.max(...probes.map(({ longestMs }) => longestMs))
  const named: readonly Bar[] = [
    {
      holds: wrong.length === 0 && statuses.every((one) => ['200', '429'].includes(one)),
      bar: `each is answered: accepted, or 429 with Retry-After${list(wrong)}`,
    },
    {
      holds: p99 < P99_MAX_MS,
      bar: `accepted p99 < ${P99_MAX_MS} ms: ${p99.toFixed(0)} ms`,
    },
    {
      holds: normalAgainSecond !== null && normalAgainSecond <= NORMAL_WITHIN_S,
      bar: `back to normal within ${NORMAL_WITHIN_S} s of the last that was due: ${normalAgainSecond === null ? 'not in all that time' : `after ${normalAgainSecond} s`}`,
    },
    // A read costs little more than to refuse one: its share is told, and has no bar.
    ...(what === 'payments' ? [goodputBar(share)] : []),
    {
      holds: failed === 0 && longest < PROBE_MAX_MS,
      bar: `${Object.keys(seen.asked).join(', ')} are answered all the time: ${failed} were not, the longest took ${longest.toFixed(0)} ms`,
    },
    {
      holds: peakBytes < MEMORY_MAX_BYTES,
      bar: `no process takes more than ${MEMORY_MAX_BYTES / 1e6} MB: ${(peakBytes / 1e6).toFixed(0)} MB`,
    },
    {
      holds: late < SENT_LATE_MAX_MS,
      bar: `the load comes by the clock: 99 of 100 were sent within ${late.toFixed(0)} ms of when they were due`,
    },
  ]
  return named.map(({ holds, bar }) => ({ holds, bar: `${what}: ${bar}` }))
}

function goodputBar(share: number): Bar {
  const bar = `accepted in a second >= ${GOODPUT_LEAST * 100} % of what it can do: ${(share * 100).toFixed(0)} %`
  return { holds: share >= GOODPUT_LEAST, bar }
}

function list(wrong: readonly string[]): string {
  return wrong.length === 0 ? '' : `: ${wrong.slice(0, 3).join('; ')}`
}

export function printRun(run: Overloaded): string {
  const { what, capacityPerSecond, calm, flood, after, seen } = run
  const highest = Object.entries(seen.highest).map(([name, value]) => `\`${name}\` ${value}`)
  const probes = Object.entries(seen.asked).map(([name, { count, failed, longestMs }]) => {
    return `${name} ${count - failed} of ${count}, the longest ${longestMs.toFixed(0)} ms`
  })
  return [
    `## ${what === 'payments' ? 'Payments' : 'Reads of the own user'}`,
    `They can do **${capacityPerSecond.toFixed(0)} a second**.`,
    [
      `- calm: ${describe(calm)}`,
      `- flood: ${describe(flood)}`,
      `- after: ${describe(after)}`,
      `- the most at once, of all servers: ${highest.join(', ')}`,
      `- answered meanwhile: ${probes.join('; ')}`,
      `- accepted in a second of the flood: ${((goodput(flood) / capacityPerSecond) * 100).toFixed(0)} % of what they can do`,
      `- the load took ${(flood.processorShare * 100).toFixed(0)} % of a processor`,
    ].join('\n'),
  ].join('\n\n')
}
