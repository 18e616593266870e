import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Health } from './health.ts'
import type { Telemetry } from './telemetry.ts'

export type OperatorParts = Readonly<{
  metrics: Telemetry['metrics']
  readiness: Health['readiness']
}>

type Answer = Readonly<{ status: number; type: string; text: string }>

const CONNECTIONS_MAX = 50
const REQUEST_ARRIVES_MS = 5_000
const KEEP_ALIVE_MS = 5_000

/**
 * The operators' door: `/metrics`, `/healthz` and `/readyz`, on a port of its own that customers
 * have no way to. It must answer when the other door is overrun, so it shares nothing with it.
 */
export function createOperatorServer(parts: OperatorParts): Server {
  const server = createServer((request, response) => void answer(parts, request, response))
  server.maxConnections = CONNECTIONS_MAX
  server.requestTimeout = REQUEST_ARRIVES_MS
  server.headersTimeout = REQUEST_ARRIVES_MS
  server.keepAliveTimeout = KEEP_ALIVE_MS
  return server
}

async function answer(
  parts: OperatorParts,
  { method, url = '/' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const readable = method === 'GET' || method === 'HEAD'
  const { status, type, text } = readable ? await find(parts, url) : plain(405, 'Only GET is known')
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...(readable ? {} : { allow: 'GET, HEAD' }),
  })
  response.end(method === 'HEAD' ? undefined : text)
}

async function find({ metrics, readiness }: OperatorParts, url: string): Promise<Answer> {
  try {
    switch (url.split('?', 1)[0]) {
      case '/metrics':
        return { status: 200, ...(await metrics()) }
      case '/healthz':
        return json(200, { status: 'alive' })
      case '/readyz': {
        const state = await readiness()
        return json(state.ready ? 200 : 503, state)
      }
      default:
        return plain(404, 'There are /metrics, /healthz and /readyz')
    }
  } catch (error) {
    return plain(500, error instanceof Error ? error.message : 'failed')
  }
}

function json(status: number, value: object): Answer {
  return { status, type: 'application/json', text: JSON.stringify(value) }
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', text: `${text}\n` }
}
