import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/**
 * What happens to a connection when a statement passes. `cut_before`: the statement never arrives.
 * `cut_after`: it arrives, is carried out, and its answer is lost. `stall_after`: it arrives, and
 * from then on the connection is silent.
 */
export type Fault = 'cut_before' | 'cut_after' | 'stall_after'

export type Proxy = Readonly<{
  url: string
  /** The next statements that contain the text meet these faults, one each. */
  next: (text: string, ...faults: readonly Fault[]) => void
  close: () => Promise<void>
}>

/** Stands between a client and PostgreSQL, on a port of its own. */
export async function startProxy(target: string): Promise<Proxy> {
  const there = new URL(target)
  const planned: { text: string; fault: Fault }[] = []
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(there.port), there.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      // A reset is what a fault looks like: both sides are told by `close`.
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('close', () => upstream.end())
    upstream.on('close', () => client.destroy())
    let deaf = false
    upstream.on('data', (chunk) => {
      if (!deaf) client.write(chunk)
    })
    client.on('data', (chunk) => {
      const place = planned.findIndex(({ text }) => chunk.includes(text))
      const [found] = place < 0 ? [] : planned.splice(place, 1)
      if (found?.fault === 'cut_before') {
        client.destroy()
        return
      }
      upstream.write(chunk)
      if (!found) return
      deaf = true
      if (found.fault === 'cut_after') upstream.once('data', () => client.destroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    next: (text, ...faults) => {
      planned.push(...faults.map((fault) => ({ text, fault })))
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
