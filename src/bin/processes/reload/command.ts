import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { readConfig } from '../../../config.ts'
import type { Config } from '../../../config.ts'
import { StartRefused } from '../../../errors.ts'
import { DONE, type DoorPlate, platesIn } from './door.ts'

/**
 * Replaces the servers of a running start with new ones, while they serve. Prints how far it is.
 *
 * @throws StartRefused when none can be found.
 */
export async function reload(): Promise<number> {
  const config = readConfig(process.env)
  const { port, secret } = await findPlate(config)
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}` },
  })
  let last = ''
  const body = Readable.fromWeb(answer.body as ReadableStream)
  for await (const line of createInterface({ input: body })) {
    console.log(line)
    last = line
  }
  return last === DONE ? 0 : 1
}

/** Of the only one that runs here, or of the one that serves at PORT. */
async function findPlate({ dataDir, port }: Config): Promise<DoorPlate> {
  const found = (await readPlates(dataDir)).filter(({ pid }) => isAlive(pid))
  const [only] = found.length > 1 ? found.filter(({ apiPort }) => apiPort === port) : found
  if (only) return only
  const ports = found.map(({ apiPort }) => apiPort).join(' and ')
  throw new StartRefused(
    found.length > 1
      ? `Servers run at the ports ${ports}: set PORT to the one whose servers to reload.`
      : `No servers run on ${dataDir} that could be reloaded: \`farthing start\` starts some. ` +
          'Set DATA_DIR to where they were started.',
  )
}

async function readPlates(dataDir: string): Promise<readonly DoorPlate[]> {
  const dir = platesIn(dataDir)
  const names = await readdir(dir).catch((): readonly string[] => []) // there never were any
  const texts = names
    .filter((name) => name.endsWith('.json'))
    .map(async (name) => await readFile(join(dir, name), 'utf8'))
  return (await Promise.all(texts)).map((text) => JSON.parse(text) as DoorPlate)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
