import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { StartRefused } from '../errors.ts'
import type { AuthDoor } from './auth/build.ts'
import type { Doors } from './build.ts'
import type { createOperatorServer } from '../ops/operators.ts'

type OperatorServer = ReturnType<typeof createOperatorServer>

/**
 * Opens the API's door. Gives what closes it.
 * @throws StartRefused when the port is taken, or not ours to take.
 */
export async function listenApi(
  { app, health }: Doors,
  { host, port }: Config,
): Promise<Readonly<{ api: string; close: () => Promise<void> }>> {
  await named('PORT', port, app.listen({ host, port }))
  return {
    api: addressOf(app.server, host),
    close: async () => {
      health.stop()
      await app.close()
    },
  }
}

/** Opens the operators' door. @throws StartRefused as `listenApi` does. */
export async function listenOperators(
  server: OperatorServer,
  { host, opsPort }: Config,
): Promise<Readonly<{ operators: string; close: () => Promise<void> }>> {
  server.listen({ host, port: opsPort })
  await named('OPS_PORT', opsPort, once(server, 'listening'))
  return {
    operators: addressOf(server, host),
    close: async () => {
      server.close()
      server.closeAllConnections()
      await Promise.resolve()
    },
  }
}

async function named<T>(setting: string, port: number, listening: Promise<T>): Promise<T> {
  try {
    return await listening
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'EADDRINUSE') {
      throw new StartRefused(
        `Port ${port} is taken by another program. Stop that program, or set ${setting} to ` +
          'another port.',
      )
    }
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
      throw new StartRefused(`Port ${port} cannot be used here (${code}): set ${setting} or HOST.`)
    }
    throw error
  }
}

function addressOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  return printAddress(host, port)
}

/** Where people find what listens there. */
export function printAddress(host: string, port: number): string {
  const shown = ['127.0.0.1', '0.0.0.0', '::'].includes(host) ? 'localhost' : host
  return `http://${shown}:${port}`
}

/** Opens the auth layer's door. Gives what closes it. */
export async function listenAuth(
  { app, health, close }: AuthDoor,
  host: string,
  port: number,
): Promise<() => Promise<void>> {
  await named('AUTH_PORT', port, app.listen({ host, port }))
  return async () => {
    health.stop()
    await app.close()
    close()
  }
}

/** The processes of a start that was killed end by themselves within so long. */
const ORPHANS_END_MS = 6_000
const TRY_AGAIN_MS = 100

async function listenOnceFree(port: number, host: string): Promise<Server> {
  const deadline = performance.now() + ORPHANS_END_MS
  for (;;) {
    const server = createServer()
    try {
      server.listen({ port, host })
      await once(server, 'listening')
      return server
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!isTaken || performance.now() > deadline) throw error
      await sleep(TRY_AGAIN_MS)
    }
  }
}

/**
 * Ports that are free now or in a moment, each where that was asked for, and any free one for 0:
 * whoever starts others must know where they will listen.
 *
 * @param asked By the name of the setting.
 * @throws StartRefused as `listenApi` does.
 */
export async function freePorts<S extends string>(
  host: string,
  asked: Readonly<Record<S, number>>,
): Promise<Record<S, number>> {
  const open: Server[] = []
  const found: Partial<Record<S, number>> = {}
  try {
    // All are held until the last one is found: none is found twice.
    for (const [setting, port] of Object.entries(asked) as [S, number][]) {
      const server = await named(setting, port, listenOnceFree(port, host))
      open.push(server)
      found[setting] = (server.address() as AddressInfo).port
    }
    return found as Record<S, number>
  } finally {
    const closed = open.map(async (server) => {
      server.close()
      await once(server, 'close')
    })
    await Promise.all(closed)
  }
}
