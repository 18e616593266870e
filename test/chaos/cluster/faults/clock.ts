import { existsSync, writeFileSync } from 'node:fs'
import { globSync } from 'node:fs'
import { join } from 'node:path'

const library = '/usr/lib/*/faketime/libfaketimeMT.so.1'

/** The library that stands between a process and the clock of its machine; null: not there. */
export function clockLibrary(): string | null {
  return globSync(library)[0] ?? null
}

function fileOf(dir: string, name: string): string {
  return join(dir, `clock-${name}`)
}

/**
 * The environment of a process whose wall clock can be moved while it runs. Its steady clock stays:
 * a clock that is set does not move that one either.
 */
export function clockEnvironment(dir: string, name: string): Readonly<Record<string, string>> {
  const path = clockLibrary()
  if (path === null) throw new Error(`there is no ${library}`)
  if (!existsSync(fileOf(dir, name))) setClock(dir, name, 0)
  return {
    LD_PRELOAD: path,
    FAKETIME_TIMESTAMP_FILE: fileOf(dir, name),
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  }
}

/** From now on its wall clock is ahead by so many seconds, or behind. It looks once a second. */
export function setClock(dir: string, name: string, seconds: number): void {
  const sign = seconds < 0 ? '-' : '+'
  writeFileSync(fileOf(dir, name), `${sign}${Math.abs(seconds)}\n`)
}
