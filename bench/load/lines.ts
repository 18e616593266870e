import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Door } from './connection.ts'
import { createReadings } from './readings.ts'
import type { Reading } from './readings.ts'

/** A request that was due at a moment, as `performance.now()` tells it. */
export type Due = Readonly<{ number: number; at: number; request: string }>

export type LinesAsk = Readonly<{
  /** Connections go to them in turn. */
  doors: readonly Door[]
  /** Each with one request under way at most. Whoever finds none free waits for one. */
  count: number
  /** Whoever has waited so long, for a line or an answer, gives up. */
  patienceMs: number
  answered: (due: Due, answer: Reading) => void
  failed: (due: Due, why: string) => void
}>

export type Lines = Readonly<{
  send: (due: Due) => void
  /** Lets those who lost their patience go. */
  giveUp: () => void
  close: () => void
}>

/** Less than a listener lets wait. */
const OPENED_TOGETHER = 64
/** Less than a server lets rest: one that closes now would take a request with it. */
const RESTS_MOST_MS = 40_000
const FIRST_WORDS = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'

const now = (): number => performance.now()

type Line = Readonly<{ socket: Socket; readings: ReturnType<typeof createReadings> }> & {
  due: Due | null
  open: boolean
  restsSince: number
}

/**
 * So many connections, all of them open: how long it takes to open them is not how long an answer
 * takes. Of those that the server closes, because they rest for too long, each is opened anew when
 * it is missing: hundreds at a time would be another flood.
 */
export async function openLines(ask: LinesAsk): Promise<Lines> {
  const lines = new Set<Line>()
  const free: Line[] = []
  const waiting: Due[] = []
  let [first, opening, opened] = [0, 0, 0]

  async function open(): Promise<void> {
    opening += 1
    const { host, port } = ask.doors[opened % ask.doors.length] as Door
    opened += 1
    const socket = connect({ host, port, noDelay: true })
    await once(socket, 'connect')
    // A server gives up a connection on which nothing was ever asked, sooner than one at rest.
    socket.write(FIRST_WORDS)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    if (!createReadings().add(answer)) throw new Error('an answer came in pieces')
    opening -= 1
    const line: Line = {
      socket,
      readings: createReadings(),
      due: null,
      open: true,
      restsSince: now(),
    }
    lines.add(line)
    free.push(line)
    socket.on('error', (error) => end(line, error.message))
    socket.on('close', () => end(line, 'the server closed the connection'))
    socket.on('data', (chunk: Buffer) => hear(line, chunk))
    next()
  }

  function end(line: Line, why: string): void {
    if (!line.open) return
    line.open = false
    lines.delete(line)
    line.socket.destroy()
    const { due } = line
    line.due = null
    if (due) ask.failed(due, why)
  }

  function hear(line: Line, chunk: Buffer): void {
    const answer = line.readings.add(chunk)
    const { due } = line
    if (answer === null || due === null) return
    line.due = null
    ask.answered(due, answer)
    if (answer.closes) end(line, 'it was the last answer')
    else {
      line.restsSince = now()
      free.push(line)
      next()
    }
  }

  /** Of those that are free, the one that was busy last: the others may rest. */
  function freeLine(): Line | null {
    for (let line = free.pop(); line; line = free.pop()) {
      if (line.open && now() - line.restsSince < RESTS_MOST_MS) return line
      end(line, 'it has rested for long')
    }
    return null
  }

  function next(): void {
    const due = waiting[first]
    const line = due && freeLine()
    if (!due || !line) return
    first += 1
    if (first === waiting.length) [waiting.length, first] = [0, 0]
    write(line, due)
  }

  function write(line: Line, due: Due): void {
    line.due = due
    line.socket.write(due.request)
  }

  for (let count = 0; count < ask.count; count += OPENED_TOGETHER) {
    const some = Math.min(OPENED_TOGETHER, ask.count - count)
    await Promise.all(Array.from({ length: some }, async () => await open()))
  }
  return {
    send: (due) => {
      const line = first < waiting.length ? null : freeLine()
      if (line) write(line, due)
      else {
        waiting.push(due)
        if (lines.size + opening < ask.count) void open()
      }
    },
    giveUp: () => {
      const late = now() - ask.patienceMs
      for (let due = waiting[first]; due && due.at < late; due = waiting[first]) {
        first += 1
        ask.failed(due, 'no connection was free')
      }
      for (const line of lines) if (line.due && line.due.at < late) end(line, 'no answer in time')
    },
    close: () => {
      for (const line of lines) end(line, 'it was closed here')
    },
  }
}
