import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import type { Config } from '../config.ts'
import { StartRefused } from '../errors.ts'
import type { AuthDoor } from './auth/build.ts'
import type { Doors } from './build.ts'

export type Listening = Readonly<{ api: string; operators: string; close: () => Promise<void> }>

/**
 * Opens the doors.
 * @throws StartRefused when a port is taken, or not ours to take.
 */
export async function listen(
  { app, operators, health }: Doors,
  config: Config,
): Promise<Listening> {
  const { host } = config
  await named('PORT', config.port, app.listen({ host, port: config.port }))
  operators.listen({ host, port: config.opsPort })
  await named('OPS_PORT', config.opsPort, once(operators, 'listening'))
  return {
    api: addressOf(app.server, host),
    operators: addressOf(operators, host),
    close: async () => {
      health.stop()
      operators.closeAllConnections()
      operators.close()
      await app.close()
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

/** A port that is free now: the provider must know its own address before it listens. */
export async function freePort(host: string): Promise<number> {
  const server = createServer()
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
