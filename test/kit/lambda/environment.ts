import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { program } from './runtime-client.ts'

/** What came of an invocation: Lambda's answer, or what it says of a function that failed. */
export type Outcome = Readonly<{ failed: boolean; body: string }>

export type EnvironmentOptions = Readonly<{
  /** Where the zip was unpacked. */
  taskRoot: string
  functionName: string
  /** The function's own settings. */
  settings: Readonly<Record<string, string>>
  timeoutMs: number
  /** Stops the process between invocations, as Lambda does. */
  freezes: boolean
}>

/** One execution environment: a process under the runtime client, for one job at a time. */
export type Environment = Readonly<{
  pid: number
  /** The event that it works on. */
  current: () => string | null
  /** All that it wrote to its log. */
  log: () => string
  invoke: (body: string) => Promise<Outcome>
  kill: (signal: NodeJS.Signals) => void
  ended: Promise<void>
  close: () => Promise<void>
}>

type Invocation = Readonly<{
  id: string
  body: string
  deadline: number
  end: (o: Outcome) => void
}>

/**
 * Starts one, and speaks Lambda's runtime API with it.
 * @see AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes"
 */
export async function startEnvironment(
  options: EnvironmentOptions,
  onEnd: () => void,
): Promise<Environment> {
  const { taskRoot, functionName, settings, timeoutMs, freezes } = options
  let current: Invocation | null = null
  let waiting: ServerResponse | null = null
  let initError: string | null = null
  let log = ''

  /** The runtime asks for work when there is some, and Lambda freezes it while there is none. */
  function handOver(): void {
    if (!waiting || !current) return
    const headers = {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': current.id,
      'lambda-runtime-deadline-ms': String(current.deadline),
      'lambda-runtime-invoked-function-arn': `arn:aws:lambda:local:0:function:${functionName}`,
    }
    waiting.writeHead(200, headers).end(current.body)
    waiting = null
  }

  function end(outcome: Outcome): void {
    const { end: tell } = current ?? {}
    current = null
    tell?.(outcome)
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace('/2018-06-01/runtime', '')
    if (path === '/invocation/next') {
      waiting = response
      if (freezes && !current) child.kill('SIGSTOP')
      handOver()
      return
    }
    const body = await text(request)
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}')
    if (path === '/init/error') initError = body
    else if (path === `/invocation/${current?.id}/response`) end({ failed: false, body })
    else if (path === `/invocation/${current?.id}/error`) end({ failed: true, body })
  }

  const api = createServer((request, response) => void answer(request, response))
  api.listen(0, '127.0.0.1')
  await once(api, 'listening')
  const { port } = api.address() as AddressInfo
  const child = spawn(process.execPath, [program, 'function.handler'], {
    cwd: taskRoot,
    env: {
      ...settings,
      PATH: process.env['PATH'],
      _HANDLER: 'function.handler',
      LAMBDA_TASK_ROOT: taskRoot,
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
      AWS_LAMBDA_FUNCTION_NAME: functionName,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${functionName}`,
      AWS_LAMBDA_LOG_STREAM_NAME: String(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
  }
  const ended = untilEnded()

  async function untilEnded(): Promise<void> {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    const why = signal === null ? `exit status ${String(code)}` : `signal: ${signal}`
    end({ failed: true, body: initError ?? failure('Runtime.ExitError', `exited with ${why}`) })
    api.close()
    api.closeAllConnections()
    onEnd()
  }

  return {
    pid: child.pid ?? assert.fail('it was not started'),
    current: () => current?.body ?? null,
    log: () => log,
    ended,
    kill: (signal) => void child.kill(signal),
    invoke: async (body) => {
      assert(current === null, 'one at a time')
      const { promise, resolve } = Promise.withResolvers<Outcome>()
      current = { id: randomUUID(), body, deadline: Date.now() + timeoutMs, end: resolve }
      const timer = setTimeout(() => {
        const why = `Task timed out after ${(timeoutMs / 1_000).toFixed(2)} seconds`
        end({ failed: true, body: failure('Sandbox.Timedout', why) })
        child.kill('SIGKILL')
      }, timeoutMs)
      if (freezes) child.kill('SIGCONT')
      handOver()
      try {
        return await promise
      } finally {
        clearTimeout(timer)
      }
    },
    close: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

function failure(errorType: string, errorMessage: string): string {
  return JSON.stringify({ errorType, errorMessage })
}
