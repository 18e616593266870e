import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A way to a port of this machine that can fall silent without either end being told. */
export type Wire = Readonly<{
  port: number
  hush: () => void
  /** What was held arrives late, and all goes on. */
  open: () => void
  close: () => Promise<void>
}>

export async function openWire(to: number): Promise<Wire> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      if (hushed) one.pause()
      one.setNoDelay(true)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.end()
      })
      one.on('data', (chunk: Buffer) => other.write(chunk))
    }
  })
  let hushed = false
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    hush: () => {
      hushed = true
      for (const one of sockets) one.pause()
    },
    open: () => {
      hushed = false
      for (const one of sockets) one.resume()
    },
    close: async () => {
      for (const one of sockets) one.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
