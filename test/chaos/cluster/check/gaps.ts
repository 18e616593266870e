import { doingOf } from '../load/history.ts'
import type { Attempt, Doing, Line } from '../load/history.ts'

/** A stretch of time, in milliseconds of the machine's steady clock. */
export type Span = Readonly<{ from: number; to: number }>

/** How one kind of request fared in a stretch of time. */
export type Fared = Readonly<{
  answered: number
  /** The longest time in which nobody got an answer, and half of such times were shorter. */
  longestGapMs: number
  medianGapMs: number
  /** The longest that one customer waited for one answer, whatever they tried. */
  slowestMs: number
  /** Requests whose first attempt brought no answer; and those for which the retry brought none. */
  failedOnce: number
  failedAfterRetry: number
  /** Those of them that are not due to an attempt that took too long. */
  refusedOnce: number
  refusedAfterRetry: number
}>

/** How an attempt ends to which nothing came in the time that an app waits. */
const TOO_LONG = 'TimeoutError'

/**
 * How requests fared that were under way at some time of the span. A gap counts with all of its
 * length, also where it reaches out of the span, but no further than `to` when nothing came after.
 */
export function fared(lines: readonly Line[], doing: Doing, span: Span): Fared {
  const own = lines.filter((line) => doingOf(line) === doing)
  const under = own.filter(({ began, ended }) => began <= span.to && ended >= span.from)
  const gaps = gapsIn(
    own.filter(isSettled).map(({ ended }) => ended),
    span,
  )
  return {
    answered: under.length,
    longestGapMs: Math.round(gaps.at(-1) ?? 0),
    medianGapMs: Math.round(gaps[Math.floor(gaps.length / 2)] ?? 0),
    slowestMs: Math.round(
      under.reduce((most, { began, ended }) => Math.max(most, ended - began), 0),
    ),
    failedOnce: under.filter(({ attempts }) => attempts.length > 1).length,
    failedAfterRetry: under.filter(({ attempts }) => attempts.length > 2).length,
    refusedOnce: under.filter(({ attempts }) => refused(attempts, 1)).length,
    refusedAfterRetry: under.filter(({ attempts }) => refused(attempts, 2)).length,
  }
}

/** Who pays nobody is refused without a write: that says nothing of whether money moves. */
function isSettled(line: Line): boolean {
  return line.what !== 'move' || line.heard.answer !== null
}

/** The first so many brought no answer, and none of them took too long. */
function refused(attempts: readonly Attempt[], first: number): boolean {
  const failed = attempts.slice(0, first)
  return attempts.length > first && failed.every(({ end }) => end !== TOO_LONG)
}

/** Sorted by length. */
function gapsIn(answers: readonly number[], { from, to }: Span): readonly number[] {
  const sorted = answers.toSorted((a, b) => a - b)
  const first = sorted.findLastIndex((at) => at < from)
  const beyond = sorted.findIndex((at) => at > to)
  const inside = sorted.slice(Math.max(first, 0), beyond < 0 ? undefined : beyond + 1)
  if (beyond < 0) inside.push(to)
  if (first < 0) inside.unshift(from)
  const gaps = inside.slice(1).map((at, index) => at - (inside[index] ?? at))
  return gaps.toSorted((a, b) => a - b)
}

/** Why attempts failed, and how often. */
export function reasonsIn(
  lines: readonly Line[],
  { from, to }: Span,
): Readonly<Record<string, number>> {
  const reasons: Record<string, number> = {}
  for (const { attempts } of lines) {
    for (const { began, ended, end } of attempts.slice(0, -1)) {
      if (began <= to && ended >= from) reasons[end] = (reasons[end] ?? 0) + 1
    }
  }
  return reasons
}
