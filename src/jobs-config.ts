import type { Reader } from './settings.ts'

/** How jobs run, checked and frozen. */
export type JobsConfig = Readonly<{
  /** Jobs that one worker runs, or has running on AWS Lambda, at once. */
  concurrency: number
  /** An attempt that takes longer has failed. */
  timeouts: Readonly<{ shortMs: number; longMs: number }>
  /** Null: in the worker itself. */
  lambda: LambdaConfig | null
}>

export type LambdaConfig = Readonly<{
  /** Name or ARN; an alias or a version may stand behind it. */
  functionName: string
  /** How often the SDK asks for one attempt of the queue, which tries again by itself. */
  attempts: number
}>

/** Lambda ends what takes 15 minutes: a function that gives up before can still say so. */
const LONGEST_MS = 840_000

export function readJobs(read: Reader, problems: string[]): JobsConfig {
  const functionName = read.text('LAMBDA_FUNCTION')
  const onLambda = read.choice('FUNCTIONS', ['here', 'lambda'], 'here') === 'lambda'
  const attempts = read.integer('LAMBDA_ATTEMPTS', { from: 1, to: 5, unset: 1 })
  if (onLambda && functionName === null) {
    problems.push('FUNCTIONS=lambda needs LAMBDA_FUNCTION: the name or ARN of the function')
  }
  const shortMs = read.integer('JOB_TIMEOUT_MS', { from: 1_000, to: LONGEST_MS, unset: 60_000 })
  const longMs = read.integer('LONG_JOB_TIMEOUT_MS', {
    from: 1_000,
    to: LONGEST_MS,
    unset: LONGEST_MS,
  })
  if (longMs < shortMs) problems.push('LONG_JOB_TIMEOUT_MS must not be below JOB_TIMEOUT_MS')
  return {
    concurrency: read.integer('JOB_CONCURRENCY', { from: 1, to: 64, unset: 4 }),
    timeouts: { shortMs, longMs },
    lambda: onLambda && functionName !== null ? { functionName, attempts } : null,
  }
}
