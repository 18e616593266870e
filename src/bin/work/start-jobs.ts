import type { JobsConfig } from '../../jobs-config.ts'
import { StartRefused } from '../../errors.ts'
import { handle } from '../../functions/handlers.ts'
import type { RunJob } from '../../queue/jobs.ts'
import { type JobRunner, runJobs } from '../../queue/run.ts'
import { watchJobs } from '../../queue/watch.ts'
import type { House } from '../build.ts'
import { buildFunctionParts } from './parts.ts'

/** Starting a function, and the way there and back, beside what the job itself may take. */
const WAY_MS = 5_000

/**
 * Runs the queue's jobs: in this process, or on AWS Lambda.
 *
 * @throws StartRefused when the AWS SDK does not find its region.
 */
export async function startJobs({
  site,
  parts,
}: Pick<House, 'site' | 'parts'>): Promise<JobRunner> {
  const { concurrency, timeouts, lambda } = site.config.jobs
  const databaseUrl = site.url
  if (lambda) {
    const run = await openDispatcher(site.config.jobs, lambda)
    const { shortMs, longMs } = timeouts
    const patience = { shortMs: shortMs + WAY_MS, longMs: longMs + WAY_MS }
    return watched(runJobs({ databaseUrl, run, concurrency, timeouts: patience }), parts)
  }
  const functionParts = buildFunctionParts(site, parts)
  const run: RunJob = async (event) => await handle(event, functionParts)
  return watched(runJobs({ databaseUrl, run, concurrency, timeouts }), parts)
}

/** Where jobs run, operators see how many there are. */
function watched(runner: JobRunner, { pool }: House['parts']): JobRunner {
  const looking = watchJobs(pool)
  return { stop: async () => void (await Promise.all([looking.stop(), runner.stop()])) }
}

async function openDispatcher(
  { concurrency, timeouts }: JobsConfig,
  lambda: NonNullable<JobsConfig['lambda']>,
): Promise<RunJob> {
  const { createDispatcher } = await import('../../functions/lambda/dispatch.ts')
  try {
    return await createDispatcher({ ...lambda, concurrency, timeouts })
  } catch (cause) {
    throw new StartRefused('FUNCTIONS=lambda needs a region: set AWS_REGION.', { cause })
  }
}
