import { generateKeyPairSync } from 'node:crypto'
import { packFunction } from '../../../deploy/lambda/pack.ts'
import { startJobs } from '../../../src/bin/work/start-jobs.ts'
import { readConfig } from '../../../src/config.ts'
import type { Keys } from '../../../src/keys.ts'
import type { PaymentParts } from '../../../src/payments/parts.ts'
import { addJob } from '../../../src/queue/jobs.ts'
import type { JobEvent, JobName, Jobs } from '../../../src/queue/jobs.ts'
import { startProxy, type Proxy } from '../../chaos/kit/proxy.ts'
import type { Environment } from '../../kit/lambda/environment.ts'
import { type Lambda, type LambdaOptions, startLambda } from '../../kit/lambda/server.ts'
import { until } from '../../kit/until.ts'
import { startWorld, type World, type WorldOptions } from '../../kit/world.ts'

const FUNCTION = 'farthing-jobs'

/** A house whose jobs are done by the built zip, on AWS Lambda as it is on this machine. */
export type LambdaWorld = World &
  Readonly<{
    lambda: Lambda
    /** The functions' way to the database. */
    proxy: Proxy
    /** Adds a job that is tried so often, and answers its id. */
    add: <N extends JobName>(name: N, payload: Jobs[N], maxAttempts: number) => Promise<string>
    /** Waits until a job is parked, and answers why. */
    parked: (jobId: string) => Promise<string>
    /** Waits until a job is gone. */
    done: (jobId: string) => Promise<void>
    /** The functions that run such a job now, and the job's id. */
    running: (name: JobName) => readonly Readonly<{ jobId: string; environment: Environment }>[]
    /** Which attempts at a job a function was sent. */
    attempts: (jobId: string) => readonly number[]
  }>

export type LambdaWorldOptions = Partial<Omit<LambdaOptions, 'functionName'>> &
  Readonly<{
    /** How long a job may take. */
    jobTimeoutMs?: number
    settleMs?: number
    /** Copies in front of what this process reads. */
    cache?: WorldOptions['cache']
  }>

export async function startLambdaWorld(options: LambdaWorldOptions): Promise<LambdaWorld> {
  const zip = options.zip ?? (await packFunction())
  const made: { lambda: Lambda | null; proxy: Proxy | null } = { lambda: null, proxy: null }
  const world = await startWorld({
    ...(options.settleMs !== undefined && { settleMs: options.settleMs }),
    ...(options.cache && { cache: options.cache }),
    startJobs: async (url, parts) => {
      const proxy = await startProxy(url)
      made.proxy = proxy
      const keys = keysOf(parts)
      const settings = {
        DATABASE_URL: proxy.url,
        FARTHING_KEYS: printKeys(keys),
        SANDBOX_SETTLE_MS: String(options.settleMs ?? 0),
        ...options.settings,
      }
      const { concurrency = 4, timeoutMs = 30_000, freezes = false } = options
      const functionName = FUNCTION
      const lambda = await startLambda({
        zip,
        functionName,
        settings,
        concurrency,
        timeoutMs,
        freezes,
      })
      made.lambda = lambda
      process.env['AWS_ENDPOINT_URL_LAMBDA'] = lambda.endpoint
      process.env['AWS_REGION'] = 'us-east-1'
      process.env['AWS_ACCESS_KEY_ID'] = 'local'
      process.env['AWS_SECRET_ACCESS_KEY'] = 'local'
      const config = readConfig({
        DATABASE_URL: url,
        FUNCTIONS: 'lambda',
        LAMBDA_FUNCTION: functionName,
        JOB_TIMEOUT_MS: String(options.jobTimeoutMs ?? 20_000),
      })
      return await startJobs({ site: { config, keys, url }, parts })
    },
  })
  const there = { lambda: given(made.lambda), proxy: given(made.proxy) }
  const row = async (jobId: string) =>
    (
      await world.pool.query<{ parked: boolean; why: string | null }>(
        `select attempts >= max_attempts and locked_at is null as parked, last_error as why
         from graphile_worker.jobs where id = $1`,
        [jobId],
      )
    ).rows[0]
  return {
    ...world,
    ...there,
    add: async (name, payload, maxAttempts) => {
      await addJob(world.pool, name, payload, { maxAttempts })
      const { rows } = await world.pool.query<{ id: string }>(
        `select max(id)::text as id from graphile_worker.jobs where task_identifier = $1`,
        [name],
      )
      return given(rows[0]?.id ?? null)
    },
    parked: async (jobId) =>
      (await until(`job ${jobId} is parked`, async () => {
        const found = await row(jobId)
        return found?.parked === true && (found.why ?? 'it does not say')
      })) || '',
    done: async (jobId) => {
      await until(`job ${jobId} is done`, async () => (await row(jobId)) === undefined)
    },
    attempts: (jobId) =>
      there.lambda.invoked
        .map((body) => JSON.parse(body) as { jobId: string; attempt: number })
        .filter((invocation) => invocation.jobId === jobId)
        .map(({ attempt }) => attempt),
    running: (name) =>
      there.lambda.environments().flatMap((environment) => {
        const job = JSON.parse(environment.current() ?? '{}') as Partial<JobEvent>
        return job.name === name ? [{ jobId: given(job.jobId ?? null), environment }] : []
      }),
    end: async () => {
      try {
        await world.assertBooks()
      } finally {
        await there.lambda.close()
        await there.proxy.close()
        await world.close()
      }
    },
  }
}

function given<T>(value: T | null): T {
  if (value === null) throw new Error('it was not made')
  return value
}

/** The keys of a house, as the function must have them too. */
function keysOf({ digestKey, banks }: PaymentParts): Keys {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  const tokenKeys = [{ ...jwk, kid: 'test' } as Keys['tokenKeys'][number]]
  return { tokenKeys, sealKeys: banks.sealKeys, digestKey }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

function printKeys({ tokenKeys, sealKeys, digestKey }: Keys): string {
  return JSON.stringify({
    tokenKeys,
    sealKeys: Object.fromEntries([...sealKeys].map(([id, key]) => [id, base64(key)])),
    digestKey: base64(digestKey),
  })
}
