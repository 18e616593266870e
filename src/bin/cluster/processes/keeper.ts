import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, renameSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  isAlive,
  prioritize,
  type Process,
  type Running,
  runningAs,
  signal,
  untilGone,
} from './process.ts'

const RESTART_FIRST_MS = 200
const RESTART_LONGEST_MS = 5_000
/** Who lived for so long did not die of its start. */
const STEADY_MS = 30_000
/** What somebody else has begun tells nobody when it ends. */
const ADOPTED_LOOK_MS = 200
const LOG_MAX_BYTES = 20 * 1024 * 1024
const KILLED_WITHIN_MS = 5_000

export type Kept = Readonly<{
  name: string
  wanted: boolean
  running: Running | null
  /** How often it was started anew because it had died. */
  restarts: number
}>

export type Keeper = Readonly<{
  /** Runs it, and starts it again whenever it ends. What runs already is left alone. */
  start: (process: Process) => void
  /** Ends it, and lets it be. */
  stop: (name: string) => Promise<void>
  list: () => readonly Kept[]
}>

type State = {
  process: Process
  wanted: boolean
  running: Running | null
  restarts: number
  keeping: Promise<void> | null
}

/**
 * Keeps processes alive: what systemd does on a host of its own.
 *
 * @param found What runs already, begun by a keeper that is gone.
 * @param onChange Called whenever another process runs than before.
 */
export function createKeeper(
  found: ReadonlyMap<string, Running>,
  onChange: (kept: readonly Kept[]) => void,
): Keeper {
  const states = new Map<string, State>()
  const list = (): readonly Kept[] =>
    [...states.values()].map(({ process, wanted, running, restarts }) => {
      return { name: process.name, wanted, running, restarts }
    })
  const note = (): void => onChange(list())

  async function keep(state: State): Promise<void> {
    let pauseMs = RESTART_FIRST_MS
    while (state.wanted) {
      const begun = performance.now()
      await lifeOf(state, note)
      if (!state.wanted) return
      state.restarts += 1
      const steady = performance.now() - begun > STEADY_MS
      pauseMs = steady ? RESTART_FIRST_MS : Math.min(pauseMs * 2, RESTART_LONGEST_MS)
      await sleep(pauseMs)
    }
  }

  function start(process: Process): void {
    const state = states.get(process.name) ?? {
      process,
      wanted: false,
      running: found.get(process.name) ?? null,
      restarts: 0,
      keeping: null,
    }
    states.set(process.name, state)
    state.process = process
    if (state.wanted) return
    state.wanted = true
    const before = state.keeping
    state.keeping = (async () => {
      await before
      await keep(state)
    })()
  }

  async function stop(name: string): Promise<void> {
    const state = states.get(name)
    if (!state) return
    state.wanted = false
    const { running } = state
    if (running) {
      signal(running, 'SIGTERM', 'it')
      await untilGone(running, state.process.stopWithinMs)
      signal(running, 'SIGKILL', 'group')
      await untilGone(running, KILLED_WITHIN_MS)
    }
    note()
  }

  return { start, stop, list }
}

/** From its start, or from when it was found, to its end. */
async function lifeOf(state: State, note: () => void): Promise<void> {
  if (state.running && isAlive(state.running)) {
    note()
    while (isAlive(state.running)) await sleep(ADOPTED_LOOK_MS)
  } else {
    const { running, ended } = launch(state.process)
    state.running = running
    note()
    await ended
  }
  state.running = null
  note()
}

function launch({ command, env, cwd, user, niceness, log }: Process): {
  running: Running | null
  ended: Promise<void>
} {
  const [program, ...words] = command
  turn(log)
  const output = openSync(log, 'a', 0o600)
  try {
    const child = spawn(program, words, {
      cwd,
      env,
      // Of a group of its own: what ends us does not end it.
      detached: true,
      stdio: ['ignore', output, output],
      ...user,
    })
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', (error) => {
        console.error(`${program}: ${error.message}`)
        resolve()
      })
    })
    const running = child.pid === undefined ? null : runningAs(child.pid)
    if (running) prioritize(running, niceness)
    return { running, ended }
  } finally {
    closeSync(output)
  }
}

/** One old log is kept. */
function turn(log: string): void {
  if (existsSync(log) && statSync(log).size > LOG_MAX_BYTES) renameSync(log, `${log}.old`)
}
