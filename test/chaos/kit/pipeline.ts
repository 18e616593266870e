import { connect } from 'node:net'
import { once } from 'node:events'
import type { Ask } from './caller.ts'

/** What came back for one request; null when the connection closed before. */
export type Heading = Readonly<{
  status: number
  headers: ReadonlyMap<string, string>
  body: string
}>

/**
 * Sends many requests over one connection, without waiting for answers, which come in the order of
 * the requests. Thousands can be under way at once without thousands of sockets.
 * @see RFC 9112 section 9.3.2
 */
export async function pipeline(
  api: string,
  asks: readonly Ask[],
): Promise<readonly (Heading | null)[]> {
  const { hostname, port } = new URL(api)
  const socket = connect(Number(port), hostname)
  const answers: Heading[] = []
  let rest: Buffer = Buffer.alloc(0)
  socket.on('error', () => undefined) // what it cuts off counts as unheard
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (let found = readAnswer(rest); found; found = readAnswer(rest)) {
      answers.push(found.answer)
      rest = rest.subarray(found.size)
    }
    if (answers.length === asks.length) socket.end()
  })
  socket.write(asks.map((one) => printRequest(hostname, one)).join(''))
  await once(socket, 'close')
  return asks.map((_, index) => answers[index] ?? null)
}

/** A request as it goes over the wire. */
export function printRequest(host: string, { method, path, body, key, token }: Ask): string {
  const text = body ? JSON.stringify(body) : ''
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `host: ${host}`,
    ...(body
      ? ['content-type: application/json', `content-length: ${Buffer.byteLength(text)}`]
      : []),
    ...(key === undefined ? [] : [`idempotency-key: ${key}`]),
    ...(token === undefined ? [] : [`authorization: Bearer ${token}`]),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${text}`
}

const HEAD_END = '\r\n\r\n'

/** The first answer among these bytes, and how many it takes; null while a part is missing. */
export function readAnswer(bytes: Buffer): { answer: Heading; size: number } | null {
  const headSize = bytes.indexOf(HEAD_END)
  if (headSize < 0) return null
  const [first = '', ...lines] = bytes.toString('latin1', 0, headSize).split('\r\n')
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const start = headSize + HEAD_END.length
  const size = start + Number(headers.get('content-length') ?? 0)
  if (bytes.length < size) return null
  const status = Number(first.split(' ')[1])
  return { answer: { status, headers, body: bytes.toString('utf8', start, size) }, size }
}
