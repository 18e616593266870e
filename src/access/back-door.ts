import { Agent as PlainAgent, request as requestPlain } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as requestTls } from 'node:https'
import { text } from 'node:stream/consumers'

/** Longer than a sign-in waits for its turn to be hashed. */
const ANSWER_WITHIN_MS = 10_000
/** An address that is gone for good says nothing, and the next one may be well. */
const CONNECT_WITHIN_MS = 1_000

/**
 * A connection for each question. One that is kept may have ended, unnoticed so far, and then it
 * looks as if the question might have been heard.
 */
const fresh = { keepAlive: false }
const agents = { 'http:': new PlainAgent(fresh), 'https:': new TlsAgent(fresh) } as const

export type Said = Readonly<{ status: number; text: string }>

/** There was no connection: whoever was asked has not heard a word. */
export class NotSent extends Error {}

/**
 * Asks at one address, once.
 *
 * @throws NotSent when no connection could be opened; anything else may hide that it was heard.
 */
export async function post(url: URL, secret: string, body: object): Promise<Said> {
  const answer = await send(url, secret, JSON.stringify(body))
  return { status: answer.statusCode ?? 0, text: await text(answer) }
}

async function send(url: URL, secret: string, body: string): Promise<IncomingMessage> {
  const tls = url.protocol === 'https:'
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const sending = (tls ? requestTls : requestPlain)(url, {
    method: 'POST',
    agent: agents[tls ? 'https:' : 'http:'],
    headers: {
      authorization: `Bearer ${secret}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  })
  let open = false
  const late = setTimeout(() => {
    sending.destroy(new Error(`no connection within ${CONNECT_WITHIN_MS} ms`))
  }, CONNECT_WITHIN_MS)
  sending.once('socket', (socket) => {
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      open = true
      clearTimeout(late)
    })
  })
  sending.once('response', resolve)
  sending.once('error', (error) => {
    clearTimeout(late)
    reject(open ? error : new NotSent(`nobody is at ${url.origin}`, { cause: error }))
  })
  sending.end(body)
  return await promise
}
