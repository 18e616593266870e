import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { unzipSync } from 'fflate'
import { type Environment, type EnvironmentOptions, startEnvironment } from './environment.ts'

/** Lambda takes no more for an invocation that is answered: 6 MB. */
const PAYLOAD_MAX = 6 * 1_048_576

export type LambdaOptions = Omit<EnvironmentOptions, 'taskRoot'> &
  Readonly<{
    zip: Uint8Array
    /** Environments at once; with all of them busy, callers are told to come later. */
    concurrency: number
  }>

export type Lambda = Readonly<{
  /** For AWS_ENDPOINT_URL_LAMBDA. */
  endpoint: string
  environments: () => readonly Environment[]
  /** How many were ever started. */
  started: () => number
  /** The bodies of all invocations that a function got, in order. */
  invoked: readonly string[]
  /** What all functions wrote to their logs. */
  log: () => string
  /** Answers so many callers that there are too many of them. */
  throttle: (callers: number) => void
  close: () => Promise<void>
}>

/**
 * AWS Lambda on this machine, as far as one function needs it: its Invoke API in front, and behind
 * it the zip under the official runtime client, in as many processes as there are jobs at once.
 * @see AWS Lambda API Reference, "Invoke". Signatures are asked for, and not checked.
 */
export async function startLambda(options: LambdaOptions): Promise<Lambda> {
  const { zip, functionName, concurrency } = options
  const taskRoot = await unpack(zip)
  const environments = new Set<Environment>()
  const claimed = new Set<Environment>()
  const ended: Environment[] = []
  const invoked: string[] = []
  let starting = 0
  let started = 0
  let throttled = 0

  /** Claims one. Null when all are busy, and there may not be more. */
  async function claim(): Promise<Environment | null> {
    const idle = [...environments].find((one) => !claimed.has(one))
    if (idle) claimed.add(idle)
    if (idle) return idle
    if (environments.size + starting >= concurrency) return null
    starting += 1
    started += 1
    try {
      const one = await startEnvironment({ ...options, taskRoot }, () => {
        environments.delete(one)
        claimed.delete(one)
        ended.push(one)
      })
      environments.add(one)
      claimed.add(one)
      return one
    } finally {
      starting -= 1
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    const refuse = (status: number, type: string, message: string): void => {
      response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type })
      response.end(JSON.stringify({ Type: 'User', Message: message, message }))
    }
    const name = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '')?.[1]
    if (!request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 ')) {
      return refuse(403, 'MissingAuthenticationTokenException', 'Missing Authentication Token')
    }
    if (name === undefined || decodeURIComponent(name) !== functionName) {
      return refuse(404, 'ResourceNotFoundException', `Function not found: ${name}`)
    }
    if (Buffer.byteLength(body) > PAYLOAD_MAX) {
      return refuse(413, 'RequestTooLargeException', 'Request must be smaller than 6291456 bytes')
    }
    const environment = throttled > 0 ? null : await claim()
    if (!environment) {
      throttled = Math.max(0, throttled - 1)
      return refuse(429, 'TooManyRequestsException', 'Rate Exceeded.')
    }
    invoked.push(body)
    const outcome = await environment.invoke(body)
    claimed.delete(environment)
    const unhandled = outcome.failed ? { 'x-amz-function-error': 'Unhandled' } : {}
    response.writeHead(200, { 'x-amz-executed-version': '$LATEST', ...unhandled })
    response.end(outcome.body)
  }

  const server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    environments: () => [...environments],
    started: () => started,
    invoked,
    log: () => [...ended, ...environments].map(({ log }) => log()).join(''),
    throttle: (callers) => (throttled = callers),
    close: async () => {
      server.close()
      server.closeAllConnections()
      await Promise.all([...environments].map(async ({ close }) => await close()))
      await rm(taskRoot, { recursive: true, force: true })
    },
  }
}

async function unpack(zip: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'farthing-lambda-'))
  for (const [name, bytes] of Object.entries(unzipSync(zip))) {
    const path = join(folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  return folder
}
