import type { Socket } from 'node:net'
import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { AppError } from '../../errors.ts'
import { networkOf } from '../../network.ts'
import type { CountRequests } from '../actor.ts'
import { retryAfterOf, toProblem } from './to-problem.ts'

/** What Node's HTTP parser says of a request that it could not read. */
type ParserError = Error & { code?: string }

/**
 * Answers what never became a request: broken HTTP, headers without end, a sender that stalls.
 * There is no request and no reply yet, so the answer is written to the socket by hand.
 */
export function answerBrokenHttp(quotas: CountRequests | null) {
  return (error: ParserError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable || othersAnswerUnderWay(socket)) {
      socket.destroy()
      return
    }
    void answerBroken(quotas, error, socket)
  }
}

async function answerBroken(
  quotas: CountRequests | null,
  error: ParserError,
  socket: Socket,
): Promise<void> {
  const share = await quotas?.take('reads', networkOf(socket.remoteAddress ?? 'unknown'))
  const refusal = share?.refusal ?? new AppError(...codeOf(error))
  const requestId = randomUUID()
  const problem = toProblem(refusal, requestId)
  const body = JSON.stringify(problem)
  const lines = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    `Request-Id: ${requestId}`,
  ]
  if (share) lines.push(`RateLimit: ${share.limit}`, `RateLimit-Policy: ${share.policy}`)
  const seconds = retryAfterOf(refusal, problem.status)
  if (seconds !== undefined) lines.push(`Retry-After: ${seconds}`)
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

/** The answer that Node is about to write on this socket; Node's own types leave it out. */
type Answering = { _httpMessage?: { req: { complete: boolean }; headersSent: boolean } | null }

/**
 * Whether an earlier request on this connection, which came in whole, has yet to be answered. Its
 * sender would take our refusal of the broken one for the answer to a payment that was made. A cut
 * connection says what is true: nothing is known, ask again with the same key.
 */
function othersAnswerUnderWay(socket: Socket & Answering): boolean {
  const answer = socket._httpMessage
  return answer ? answer.headersSent || answer.req.complete : false
}

function codeOf({ code }: ParserError): ConstructorParameters<typeof AppError> {
  if (code === 'HPE_HEADER_OVERFLOW') return ['headers_too_large']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return ['request_timeout']
  return ['request_invalid', { why: 'this is not HTTP' }]
}
