import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/**
 * What befalls one COMMIT, or another statement, on its way to the database:
 * - `cut-before`: it never arrives, and both ends see the connection close.
 * - `cut-behind`: it is sent on, and the connection closes at once: nobody can say.
 * - `cut-after`: the database has answered, and the connection closes in place of the answer.
 * - `stall-before`: it is held, and both ends see a connection that is open and silent.
 * - `stall-after`: it is sent on, and the answer is held the same way.
 */
export const cuts = ['cut-before', 'cut-behind', 'cut-after'] as const
export const stalls = ['stall-before', 'stall-after'] as const
export type Fault = (typeof cuts)[number] | (typeof stalls)[number]

export type Plan = Readonly<{
  /** Asked for each COMMIT that comes by, or whatever statement is named here. */
  commit: () => Fault | null
  statement?: RegExp
  /** Asked for each new connection: after how many bytes, in both directions, it is cut. */
  bytes: () => number | null
}>

export const calm: Plan = { commit: () => null, bytes: () => null }

/** A plan for the next COMMIT only, or the next statement that begins so. */
export function nextCommit(fault: Fault, statement = /^commit\b/i): Plan {
  let pending: Fault | null = fault
  const commit = (): Fault | null => {
    const now = pending
    pending = null
    return now
  }
  return { ...calm, commit, statement }
}

export type Proxy = Readonly<{
  /** The database's address by way of this proxy. */
  url: string
  plan: (next: Plan) => void
  /** Closes what is open, and whatever is opened from now on. */
  shut: () => void
  /** Says nothing more, to nobody: the network is gone, and no end of it knows. */
  hush: () => void
  /** Lets everything pass again. What is silent stays silent: see `release`. */
  open: () => void
  /** Sends what was held on its way, late, also when the other end has given up. */
  release: () => void
  /** How many connections are silent. */
  silent: () => number
  /** How many faults have happened. */
  faults: () => number
  close: () => Promise<void>
}>

type Mood = 'open' | 'shut' | 'hushed'

const anyPort = { host: '127.0.0.1', port: 0 }

/** Stands between the ledger and PostgreSQL, and knows just enough of both to see COMMIT go by. */
export async function startProxy(databaseUrl: string, at = anyPort): Promise<Proxy> {
  const target = new URL(databaseUrl)
  const links = new Set<Link>()
  let plan = calm
  let mood: Mood = 'open'
  let faults = 0
  const server = createServer((client) => {
    if (mood === 'shut') {
      client.on('error', ignored)
      client.destroy()
      return
    }
    const link = join(client, target, {
      bytes: plan.bytes(),
      isCommit: (text) => (plan.statement ?? /^commit\b/i).test(text),
      onCommit: () => plan.commit(),
      onFault: () => {
        faults += 1
      },
      onEnd: () => links.delete(link),
    })
    links.add(link)
    if (mood === 'hushed') link.hush()
  })
  server.listen(at)
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.host = `${at.host}:${(server.address() as AddressInfo).port}`

  const cutAll = (): void => {
    for (const link of links) link.cut()
  }
  return {
    url: url.href,
    plan: (next) => {
      plan = next
    },
    shut: () => {
      mood = 'shut'
      cutAll()
    },
    hush: () => {
      mood = 'hushed'
      for (const link of links) link.hush()
    },
    open: () => {
      mood = 'open'
    },
    release: () => {
      for (const link of links) link.release()
    },
    silent: () => [...links].filter((link) => link.isSilent()).length,
    faults: () => faults,
    close: async () => {
      mood = 'shut'
      cutAll()
      server.close()
      await once(server, 'close')
    },
  }
}

type Link = Readonly<{
  cut: () => void
  hush: () => void
  release: () => void
  isSilent: () => boolean
}>

type LinkParts = Readonly<{
  bytes: number | null
  isCommit: (text: string) => boolean
  onCommit: () => Fault | null
  onFault: () => void
  onEnd: () => void
}>

/** `swallows`: the database's answer to COMMIT is the one that nobody shall hear. */
type State = 'passes' | 'swallows' | 'silent' | 'cut'

function join(client: Socket, target: URL, parts: LinkParts): Link {
  const database = connect(Number(target.port), target.hostname)
  const split = createSplitter('client')
  const splitAnswers = createSplitter('database')
  const held: { to: Socket; data: Buffer }[] = []
  let state: State = 'passes'
  let bytesLeft = parts.bytes ?? Number.POSITIVE_INFINITY

  function cut(): void {
    state = 'cut'
    client.destroy()
    database.destroy()
    parts.onEnd()
  }

  function send(to: Socket, data: Buffer): void {
    if (state === 'silent') held.push({ to, data })
    if (state === 'silent' || state === 'cut' || to.destroyed) return
    if (data.length < bytesLeft) {
      bytesLeft -= data.length
      to.write(data)
      return
    }
    to.write(data.subarray(0, bytesLeft), cut)
    state = 'cut'
    parts.onFault()
  }

  function sendCommit(frame: Buffer): void {
    const fault = state === 'passes' ? parts.onCommit() : null
    if (fault) parts.onFault()
    if (fault === 'cut-before') return cut()
    if (fault === 'stall-before') state = 'silent'
    send(database, frame)
    if (fault === 'stall-after') state = 'silent'
    if (fault === 'cut-after') state = 'swallows'
    if (fault === 'cut-behind') database.end(cut)
  }

  /** An end that closes is told to the other one, unless the network is gone in between. */
  function onClose(other: Socket): void {
    if (state === 'silent') return
    other.end()
    if (client.destroyed && database.destroyed) parts.onEnd()
  }

  client.on('data', (chunk: Buffer) => {
    for (const frame of split(chunk)) {
      if (isQuery(frame) && parts.isCommit(frame.toString('latin1', HEADER))) sendCommit(frame)
      else send(database, frame)
    }
  })
  database.on('data', (chunk: Buffer) => {
    for (const frame of splitAnswers(chunk)) {
      if (state === 'swallows' && endsTransaction(frame)) cut()
      else send(client, frame)
    }
  })
  for (const end of [client, database]) {
    // Else each small message waits for the other side's delayed acknowledgement.
    end.setNoDelay(true)
    end.on('error', ignored)
  }
  client.on('close', () => onClose(database))
  database.on('close', () => onClose(client))
  return {
    cut,
    hush: () => {
      if (state === 'passes') state = 'silent'
    },
    release: () => {
      if (state !== 'silent') return
      state = 'passes'
      for (const { to, data } of held.splice(0)) send(to, data)
      if (client.destroyed) onClose(database)
      if (database.destroyed) onClose(client)
    },
    isSilent: () => state === 'silent',
  }
}

/** A socket that breaks also closes, and that is listened to. */
function ignored(): void {}

const SSL_REQUEST = 80_877_103

/**
 * Cuts bytes into messages. All begin with a letter but the client's first; then comes a length.
 * @see PostgreSQL documentation, "Message Formats"
 */
function createSplitter(from: 'client' | 'database'): (chunk: Buffer) => readonly Buffer[] {
  let rest: Buffer = Buffer.alloc(0)
  let started = from === 'database'
  return (chunk) => {
    const frames: Buffer[] = []
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (;;) {
      const letter = started ? 1 : 0
      if (rest.length < letter + 4) return frames
      const size = letter + rest.readInt32BE(letter)
      if (rest.length < size) return frames
      const frame = rest.subarray(0, size)
      started ||= frame.readInt32BE(4) !== SSL_REQUEST
      frames.push(frame)
      rest = rest.subarray(size)
    }
  }
}

const QUERY = 'Q'.charCodeAt(0)
const COMMAND_COMPLETE = 'C'.charCodeAt(0)
const HEADER = 5

function isQuery(frame: Buffer): boolean {
  return frame[0] === QUERY
}

/** Writes that were sent along with COMMIT are answered before it, often in one packet with it. */
function endsTransaction(frame: Buffer): boolean {
  const tag = frame.toString('latin1', HEADER)
  return frame[0] === COMMAND_COMPLETE && /^(?:COMMIT|ROLLBACK)\0/.test(tag)
}
