import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'

const CHUNK = Buffer.alloc(64 * 1024)

/** A small file system of its own at that folder. False where that is not allowed. */
export function mountSmallDisk(dir: string, sizeMb: number): boolean {
  try {
    const options = `size=${sizeMb}m`
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Where file systems are mounted inside of a folder. */
export function disksIn(dir: string): readonly string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const places = lines.map((line) => line.split(' ')[1] ?? '')
  return places.filter((place) => place.startsWith(`${dir}/`))
}

export function unmountDisk(dir: string): void {
  execFileSync('umount', ['--lazy', dir])
}

/** Writes until there is no room for another byte. */
export async function fillDisk(ballast: string): Promise<void> {
  for (const piece of [CHUNK, CHUNK.subarray(0, 4_096)]) {
    for (let room = true; room;) room = await hasRoomFor(ballast, piece)
  }
}

async function hasRoomFor(path: string, piece: Buffer): Promise<boolean> {
  try {
    await appendFile(path, piece)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false
    throw error
  }
}
