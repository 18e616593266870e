import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { machines } from './machines.ts'
import type { Machine } from './machines.ts'

const MAKE_MS = 600_000
const script = fileURLToPath(new URL('make.ts', import.meta.url))

/** The ids of each machine, 16 bytes each, in the order made. */
export type Made = ReadonlyMap<Machine, Buffer>

/** Eight processes make ids at once, each with a clock of its own. All of them fit in memory. */
export async function makeInProcesses(idsEach: number): Promise<Made> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-ids-'))
  try {
    const names = Object.keys(machines) as Machine[]
    const made = names.map(async (name, index) => {
      const file = join(dir, String(index))
      const args = [script, name, String(idsEach), file]
      await promisify(execFile)(process.execPath, args, { timeout: MAKE_MS })
      return [name, await readFile(file)] as const
    })
    return new Map(await Promise.all(made))
  } finally {
    await rm(dir, { recursive: true })
  }
}
