import { once } from 'node:events'
import { connect } from 'node:net'
import type { Ask } from '../chaos/kit/caller.ts'
import { readAnswer, printRequest } from '../chaos/kit/pipeline.ts'

/** One connection, on which its owner sees all that happens. */
export type Visit = Readonly<{
  /** The status of the answer. @throws when the connection closes in place of it. */
  ask: (asked: Ask) => Promise<number>
  answers: () => number
  /** Whether the server has said that it closes the connection. */
  mustClose: () => boolean
  isClosed: () => boolean
  close: () => void
}>

/** Opens connections one after the other, and waits until each was answered so often. */
export async function openVisits(
  api: string,
  count: number,
  answered: 0 | 1 = 1,
): Promise<readonly Visit[]> {
  const visits: Visit[] = []
  for (let number = 0; number < count; number += 1) {
    const visit = await openVisit(api)
    const first = visit.ask({ method: 'GET', path: '/healthz' })
    if (answered === 1) await first
    else first.catch(() => undefined) // seen by whoever looks at the connection
    visits.push(visit)
  }
  return visits
}

async function openVisit(api: string): Promise<Visit> {
  const { hostname, port } = new URL(api)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  let rest: Buffer = Buffer.alloc(0)
  let [answers, mustClose, closed] = [0, false, false]
  const waiting: { resolve: (status: number) => void; reject: (error: Error) => void }[] = []
  const fail = (error: Error): void => {
    closed = true
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (let found = readAnswer(rest); found; found = readAnswer(rest)) {
      rest = rest.subarray(found.size)
      answers += 1
      mustClose ||= found.answer.headers.get('connection') === 'close'
      waiting.shift()?.resolve(found.answer.status)
    }
  })
  return {
    ask: async (asked) => {
      if (closed) throw new Error('the server had closed the connection')
      return await new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        socket.write(printRequest(hostname, asked))
      })
    },
    answers: () => answers,
    mustClose: () => mustClose,
    isClosed: () => closed,
    close: () => socket.destroy(),
  }
}
