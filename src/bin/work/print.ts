import { jobStates } from '../../queue/look.ts'
import type { JobState, JobView } from '../../queue/look.ts'
import { printTime } from '../../time.ts'

const REASON_COLUMNS = 90

const explained: Readonly<Record<JobState, string>> = {
  parked: 'no attempt is left; mend the cause, then `farthing retry <job>`, its name, or `all`',
  failed: 'tried again at the time shown',
  running: 'since the time shown',
  waiting: 'from the time shown on',
}

/** What the queue holds, the worst first. */
export function printJobs(
  counts: Readonly<Record<JobState, number>>,
  jobs: readonly JobView[],
): string {
  const summary = jobStates.map((state) => `${counts[state]} ${state}`).join(', ')
  const sections = jobStates.flatMap((state) => {
    const shown = jobs.filter((job) => job.state === state)
    if (shown.length === 0) return []
    const more = counts[state] - shown.length
    const title = `${state}: ${explained[state]}`
    return [[title, ...rows(shown), ...(more > 0 ? [`  … and ${more} more`] : [])].join('\n')]
  })
  return [`Jobs: ${summary}.`, ...sections].join('\n\n')
}

function rows(jobs: readonly JobView[]): readonly string[] {
  const cells = jobs.map((job) => [
    job.jobId,
    job.name,
    `${job.attempts}/${job.maxAttempts}`,
    printTime(whenOf(job)).slice(0, 19) + 'Z',
    job.key ?? '',
    printable(job.reason ?? ''),
  ])
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  )
  return cells.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  )
}

function whenOf({ state, runAt, since }: JobView) {
  return state === 'failed' || state === 'waiting' ? runAt : since
}

/** One line, and nothing in it that a terminal would obey: servers far away have a say in it. */
function printable(reason: string): string {
  const line = reason.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim()
  const letters = Array.from(line)
  if (letters.length <= REASON_COLUMNS) return line
  return `${letters.slice(0, REASON_COLUMNS).join('')}…`
}
