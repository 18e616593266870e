import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { access, constants, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Config } from '../../../config.ts'
import { StartRefused } from '../../../errors.ts'
import { type Place, GONE_WITHIN_MS } from '../keep.ts'

/** How `farthing reload` finds the process that it speaks with. Only the owner reads it. */
export type DoorPlate = Readonly<{ pid: number; apiPort: number; port: number; secret: string }>

/** The plates of all who run on this data directory, one for each port that is served. */
export const platesIn = (dataDir: string): string => join(dataDir, 'reload')

/** The last line of an answer. The others are for people to read. */
export const DONE = 'Done.'

const SECRET_BYTES = 24

/**
 * Opens the door at which `farthing reload` knocks, on this machine alone: it asks for new
 * processes in all places, one after the other, and hears how far they are. Gives what closes it.
 *
 * @throws StartRefused when DATA_DIR cannot be written.
 */
export async function openReloadDoor(
  { dataDir, port: apiPort }: Config,
  places: readonly Place[],
): Promise<() => Promise<void>> {
  const folder = platesIn(dataDir)
  await makeFolder(folder)
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  let busy = false
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain; charset=utf-8')
    if (request.method !== 'POST' || !isSame(request.headers.authorization ?? '', secret)) {
      return void response.end('Whoever asks must know the secret.\n')
    }
    if (busy) return void response.end('Another reload is under way.\n')
    busy = true
    void renewAll(places, response).finally(() => {
      busy = false
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const plate = join(folder, `${apiPort}.json`)
  const text = JSON.stringify({ pid: process.pid, apiPort, port, secret } satisfies DoorPlate)
  await writeFile(`${plate}.draft`, text, { mode: 0o600 })
  await rename(`${plate}.draft`, plate)
  return async () => {
    server.close()
    server.closeAllConnections()
    await rm(plate, { force: true })
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await access(path, constants.W_OK)
  } catch (cause) {
    throw new StartRefused(
      `${path} cannot be written, where \`farthing reload\` would find these servers: set ` +
        `DATA_DIR to a folder that this user may write in. ${String(cause)}`,
      { cause },
    )
  }
}

/** Whoever asked may go: what was begun is brought to its end. */
async function renewAll(places: readonly Place[], response: ServerResponse): Promise<void> {
  const say = (line: string): void => void response.write(`${line}\n`)
  try {
    await untilGone(places, say)
    for (const [index, place] of places.entries()) {
      const { name } = place.member()
      await place.renew()
      say(`${index + 1} of ${places.length}: the ${name} is new.`)
    }
    say(DONE)
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    say('What is not named as new is as it was.')
  } finally {
    response.end()
  }
}

/** Those of an earlier reload have connections to the database still. */
async function untilGone(places: readonly Place[], say: (line: string) => void): Promise<void> {
  const leaving = places.flatMap((place) => place.leaving())
  if (leaving.length === 0) return
  const seconds = GONE_WITHIN_MS / 1_000
  say(`${leaving.length} of an earlier reload finish what they have begun: ${seconds} s at most.`)
  await Promise.all(leaving.map(async ({ ended }) => await ended))
}

function isSame(header: string, secret: string): boolean {
  const [given, right] = [Buffer.from(header), Buffer.from(`Bearer ${secret}`)]
  return given.length === right.length && timingSafeEqual(given, right)
}
