import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import type { JobEvent, JobTimeouts, RunJob } from '../../queue/jobs.ts'
import { timeoutOf } from '../../queue/jobs.ts'
import { type Invocation, isAnswerTo } from './envelope.ts'

const CONNECT_TIMEOUT_MS = 5_000

export type DispatcherOptions = Readonly<{
  /** Name or ARN. */
  functionName: string
  /** How often the SDK asks, for one attempt of the queue. */
  attempts: number
  /** Invocations at once. */
  concurrency: number
  /** How long the function may take. */
  timeouts: JobTimeouts
}>

/**
 * Has each job done by a function on AWS Lambda. Region, endpoint and credentials are found as the
 * AWS SDK finds them. An attempt is over when the function has answered or the queue gives up; the
 * function may then still be at it, as a worker may that lost its connection.
 *
 * @throws Error of the SDK when no region is configured.
 */
export async function createDispatcher(options: DispatcherOptions): Promise<RunJob> {
  const { functionName, attempts, concurrency, timeouts } = options
  const client = new LambdaClient({
    maxAttempts: attempts,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpAgent: { keepAlive: true, maxSockets: concurrency },
      httpsAgent: { keepAlive: true, maxSockets: concurrency },
    },
  })
  await client.config.region()
  return async (event, abortSignal) => {
    const invocation: Invocation = { ...event, timeoutMs: timeoutOf(event.name, timeouts) }
    const command = new InvokeCommand({
      FunctionName: functionName,
      InvocationType: 'RequestResponse',
      LogType: 'None',
      Payload: JSON.stringify(invocation),
    })
    const sent = client.send(command, { abortSignal }).catch(refused)
    const { FunctionError, Payload } = await sent
    requireDone(event, FunctionError, Payload?.transformToString() ?? '')
  }
}

/** What Lambda says has a name: TooManyRequestsException, RequestTooLargeException and so on. */
function refused(error: unknown): never {
  const [name, why] = error instanceof Error ? [error.name, error.message] : ['', String(error)]
  throw new Error(`AWS Lambda did not run it: ${name}: ${why}`, { cause: error })
}

function requireDone(event: JobEvent, functionError: string | undefined, text: string): void {
  const answer = parsed(text)
  if (functionError !== undefined) {
    const { errorType, errorMessage } = (answer ?? {}) as Record<string, unknown>
    throw new Error(`The function failed: ${String(errorType)}: ${String(errorMessage)}`)
  }
  if (!isAnswerTo(event, answer)) {
    throw new Error('The function did not say that the job is done: is it the right one?')
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
