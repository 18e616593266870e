import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

export type Exchange = Readonly<{ status: number; body: string }>

/** Where a server, or a balancer, is asked. */
export type Door = Readonly<{ host: string; port: number }>

/** One kept-alive connection with one request under way at a time. */
export type Connection = Readonly<{
  exchange: (request: string) => Promise<Exchange>
  close: () => void
}>

type Waiting = Readonly<{ resolve: (exchange: Exchange) => void; reject: (error: Error) => void }>

const headEnd = '\r\n\r\n'

/**
 * A client that does no more than must be: it shares the processors with what it measures. Knows
 * answers with a Content-Length only, which are all that the service gives.
 */
export async function openConnection({ host, port }: Door): Promise<Connection> {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  let waiting: Waiting | null = null
  let closed = false
  let received: Buffer | null = null

  const fail = (error: Error): void => {
    closed = true
    waiting?.reject(error)
    waiting = null
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
  socket.on('data', (chunk: Buffer) => {
    received = received === null ? chunk : Buffer.concat([received, chunk])
    const answer = parseAnswer(received)
    if (answer === null) return
    received = null
    waiting?.resolve(answer)
    waiting = null
  })
  return {
    exchange: async (request) => await send(socket, request),
    close: () => {
      socket.removeAllListeners('close')
      socket.destroy()
    },
  }

  async function send(to: Socket, request: string): Promise<Exchange> {
    if (closed) throw new Error('the server closed the connection')
    return await new Promise((resolve, reject) => {
      waiting = { resolve, reject }
      to.write(request)
    })
  }
}

/** Null while a part is missing. */
function parseAnswer(received: Buffer): Exchange | null {
  const end = received.indexOf(headEnd)
  if (end < 0) return null
  const head = received.toString('latin1', 0, end)
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1])
  const start = end + headEnd.length
  if (Number.isNaN(length)) throw new Error(`an answer without a length: ${head}`)
  if (received.length < start + length) return null
  if (received.length > start + length) throw new Error('an answer is longer than it says')
  return { status: Number(head.slice(9, 12)), body: received.toString('utf8', start) }
}
