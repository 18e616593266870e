import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { component } from '../components.ts'
import { until } from '../until.ts'

const LDAPS_PORT = 636
const READY_MS = 20_000
const STOP_MS = 10_000

/**
 * Removes what is left when whoever made it has died without a word: the server whose process id
 * stands in the file `pid`, and the directory. What was still being set up may write for a while.
 */
const warden = `
read -r _ && exit 0
[ -f "$1/pid" ] && kill -KILL "$(cat "$1/pid")"
rm -rf "$1"
sleep 5
rm -rf "$1"
`

/** Sets a warden over a directory of this process. It leaves when it is told to. */
export function watchOver(dir: string): () => void {
  const watch = spawn('sh', ['-c', warden, 'sh', dir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watch.unref()
  return () => watch.stdin.end('done\n')
}

/** All of 127.0.0.0/8 is this machine. The ports of LDAP cannot be chosen, so the address is. */
export async function freeAddress(): Promise<string> {
  for (;;) {
    const address = `127.${randomInt(16, 255)}.${randomInt(256)}.${randomInt(1, 255)}`
    if (!(await listens(address))) return address
  }
}

/** The server of a directory that was provisioned. */
export function createController(dir: string, address: string) {
  const samba = component('samba').program ?? assert.fail('no samba: skip what needs it')
  let server: ChildProcess | null = null

  async function start(): Promise<void> {
    const log = openSync(join(dir, 'out.log'), 'a')
    const how = ['--foreground', '--no-process-group', '-M', 'single', '--debug-stdout']
    server = spawn(samba, [...how, '-s', join(dir, 'run.conf')], {
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    await writeFile(join(dir, 'pid'), String(server.pid))
    await until('the domain controller listens', async () => await listens(address), READY_MS)
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = server
    if (!ending) return
    server = null
    const late = setTimeout(() => ending.kill('SIGKILL'), STOP_MS)
    const ended = once(ending, 'exit')
    if (ending.exitCode === null && ending.signalCode === null) {
      ending.kill(signal)
      await ended
    }
    clearTimeout(late)
    await rm(join(dir, 'pid'), { force: true })
  }

  return {
    start,
    stop: async () => await end('SIGTERM'),
    kill: async () => await end('SIGKILL'),
    pause: () => void server?.kill('SIGSTOP'),
    resume: () => void server?.kill('SIGCONT'),
  }
}

async function listens(address: string): Promise<boolean> {
  const socket = connect(LDAPS_PORT, address)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
