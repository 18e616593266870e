import type { Epoch, EpochTable, Versions } from '../../../src/cache/parts.ts'
import type { Scheduler, Step } from './scheduler.ts'

export class Lost extends Error {}

/** What a wrong variant of the statements leaves out. */
export type Slips = Readonly<{
  /** The row is read before the turn has come, as in one statement with it. */
  readsBeforeTurn?: boolean
  opensWithoutWaiting?: boolean
  /** On Citus: it does not look for commits that are left between their phases. */
  opensBetweenPhases?: boolean
}>

/** A transaction that changes what the user sees. */
export type Tx = {
  ended: boolean
  commits: boolean
  next: Partial<Versions>
}

export type SimDatabase = Readonly<{
  tableOf: (machine: string) => EpochTable
  enter: (machine: string, tx: Tx) => Promise<Epoch>
  begin: () => Tx
  /** Locks the user's row and reads it. */
  lock: (machine: string, tx: Tx) => Promise<Versions>
  commit: (machine: string, tx: Tx) => Promise<void>
  rollback: (tx: Tx) => void
  versions: (machine: string) => Promise<Versions>
  /** One of the two, as two statements read them. */
  version: (machine: string, which: keyof Versions) => Promise<bigint>
  faults: () => readonly Step[]
  epoch: () => Epoch
}>

type Opener = { holds: boolean; ended: boolean }

type Pending = { lost: () => void }

/** What is in the log, and not to be seen yet. `tx`: of a user's row, which a worker has. */
type Written = Readonly<{ seen: () => void; tx: Tx | null }>

const free = (): boolean => true

/** Does a statement, and gives what tells its caller how it went. */
function answerOf<T>(
  work: () => T,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): () => void {
  try {
    const value = work()
    return () => resolve(value)
  } catch (error) {
    return () => reject(error)
  }
}

/**
 * One row of a user, one of the epoch, and the locks between those who change them. `spread`: by
 * Citus, where a crash may leave what a user's commit has prepared, row lock and all.
 */
export function createDatabase(
  scheduler: Scheduler,
  first: Epoch,
  { spread, slips = {} }: Readonly<{ spread: boolean; slips?: Slips | undefined }>,
): SimDatabase {
  let epoch = first
  let user: Versions = { money: 0n, view: 0n }
  let sharing = new Set<Tx>()
  let opener: Opener | null = null
  let userLock: Tx | null = null
  let rowLocked = false
  /** Written to the log, and perhaps not yet to be seen: it waits for a standby. */
  let limbo = new Set<Written>()
  /** Left between its phases: committed, and nobody hears of it until a worker finishes it. */
  let prepared: (Written & Readonly<{ tx: Tx }>) | null = null
  let pending = new Set<Pending>()

  /** A statement: done as soon as nothing stands in its way, and answered at some later time. */
  async function ask<T>(name: string, ready: () => boolean, work: () => T): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const mine: Pending = {
        lost: () => {
          withdraw()
          reject(new Lost(name))
        },
      }
      pending.add(mine)
      let withdraw = waitFor(name, ready, () => {
        const answer = answerOf(work, resolve, reject)
        withdraw = scheduler.add({
          name: `${name}: answered`,
          kind: 'go',
          run: () => {
            pending.delete(mine)
            answer()
          },
        })
      })
    })
  }

  const blocked = new Set<{ ready: () => boolean; step: Step }>()
  scheduler.source('go', () => [...blocked].filter(({ ready }) => ready()).map(({ step }) => step))

  function waitFor(name: string, ready: () => boolean, run: () => void): () => void {
    const step: Step = {
      name,
      kind: 'go',
      run: () => {
        blocked.delete(entry)
        run()
      },
    }
    const entry = { ready, step }
    blocked.add(entry)
    return () => blocked.delete(entry)
  }

  /** From the log to the eyes of others: at once, or as late as the schedule has it. */
  async function become(name: string, seen: () => void, tx: Tx | null = null): Promise<void> {
    const written: Written = { seen, tx }
    await ask(`${name}: written`, free, () => limbo.add(written))
    await ask(`${name}: seen`, free, () => {
      if (prepared?.seen === seen) throw new Lost(name)
      if (limbo.delete(written)) seen()
    })
  }

  /** Its transaction is over, but for the lock of the row. */
  function leavePrepared(written: Written): void {
    const { tx, seen } = written
    if (!tx) return
    limbo.delete(written)
    tx.ended = true
    sharing.delete(tx)
    prepared = { tx, seen }
  }

  function finishing(): Step[] {
    const one = prepared
    if (!one) return []
    const run = (): void => {
      prepared = null
      one.seen()
    }
    return [{ name: 'a worker finishes a commit', kind: 'go', run }]
  }
  scheduler.source('go', finishing)

  function release(tx: Tx): void {
    tx.ended = true
    sharing.delete(tx)
    if (userLock === tx) userLock = null
  }

  /** All that is open is gone; what was written stays, and now is seen. */
  function crash(): void {
    for (const written of limbo) {
      if (spread) leavePrepared(written)
      if (prepared?.seen !== written.seen) written.seen()
    }
    limbo = new Set()
    for (const tx of sharing) tx.ended = true
    sharing = new Set()
    if (userLock) userLock.ended = true
    userLock = prepared?.tx ?? null
    if (opener) opener.ended = true
    opener = null
    rowLocked = false
    const all = pending
    pending = new Set()
    for (const { lost } of all) lost()
  }

  function alive(tx: Tx): void {
    if (tx.ended) throw new Lost('the connection of a transaction')
  }

  /** Changes the row of the epoch if it still stands so. */
  async function change(name: string, applies: () => boolean, next: () => Epoch) {
    const mine = await ask(
      `${name}: locks the row`,
      () => !rowLocked,
      () => {
        rowLocked = true
        return applies()
      },
    )
    if (mine) {
      await become(name, () => {
        epoch = next()
        rowLocked = false
      })
    } else rowLocked = false
    return mine
  }

  const tableOf = (machine: string): EpochTable => ({
    read: async () => await ask(`${machine}: reads the row`, free, () => epoch),
    close: async (tag, why) => {
      const applies = (): boolean => epoch.tag === tag && epoch.state === 'on'
      await change(`${machine}: closes`, applies, () => ({ ...epoch, state: 'closing', why }))
    },
    settle: async (tag) => {
      const applies = (): boolean => epoch.tag === tag && epoch.state === 'closing'
      await change(`${machine}: settles`, applies, () => ({ ...epoch, state: 'off' }))
    },
    open: async (before, next) => {
      const turn = await turnOf(machine)
      if (!turn) return false
      const settled = await ask(`${machine}: looks for the unfinished`, free, isSettled)
      if (!settled) {
        if (opener === turn) opener = null
        return false
      }
      const applies = (): boolean =>
        !turn.ended && epoch.tag === before.tag && epoch.state === 'off'
      const number = before.number + 1n
      const opened: Epoch = { number, ...next, state: 'on', why: 'opened' }
      const mine = await change(`${machine}: opens`, applies, () => {
        if (opener === turn) opener = null
        return opened
      })
      if (opener === turn) opener = null
      return mine
    },
  })

  const isSettled = (): boolean => prepared === null || slips.opensBetweenPhases === true
  const alone = (): boolean => sharing.size === 0 || slips.opensWithoutWaiting === true

  /** The opener's: it waits for all who share, and who comes behind it waits for it. */
  async function turnOf(machine: string): Promise<Opener | null> {
    const turn: Opener = { holds: false, ended: false }
    await ask(
      `${machine}: asks for the turn`,
      () => opener === null,
      () => {
        opener = turn
      },
    )
    let late = false
    const withdraw = scheduler.add({
      name: `${machine}: has waited too long`,
      kind: 'time',
      run: () => {
        late = true
      },
    })
    await ask(
      `${machine}: its turn`,
      () => late || alone(),
      () => {
        turn.holds = alone() && !late && !turn.ended
        if (!turn.holds && opener === turn) opener = null
      },
    )
    withdraw()
    return turn.holds ? turn : null
  }

  /** The server ends a session that was silent for too long: whoever it was hears of it later. */
  function terminations(): Step[] {
    const steps: Step[] = [...sharing]
      .filter((tx) => !tx.commits)
      .map((tx) => ({
        name: 'a session of a writer is ended',
        kind: 'fault',
        run: () => release(tx),
      }))
    const turn = opener
    if (turn && !rowLocked) {
      const run = (): void => {
        turn.ended = true
        opener = null
      }
      steps.push({ name: 'the session of an opener is ended', kind: 'fault', run })
    }
    return steps
  }

  /** A worker of Citus falls: its part of a commit stays prepared, and the others go on. */
  function workers(): Step[] {
    const parts = spread ? [...limbo].filter(({ tx }) => tx !== null) : []
    return parts.map((written) => ({
      name: 'a worker falls between the phases',
      kind: 'fault',
      run: () => leavePrepared(written),
    }))
  }

  return {
    tableOf,
    epoch: () => epoch,
    begin: () => ({ ended: false, commits: false, next: {} }),
    enter: async (machine, tx) => {
      const early = slips.readsBeforeTurn
        ? await ask(`${machine}: reads early`, free, () => epoch)
        : null
      await ask(
        `${machine}: enters`,
        () => opener === null,
        () => {
          sharing.add(tx)
        },
      )
      return early ?? (await ask(`${machine}: reads inside`, free, () => epoch))
    },
    lock: async (machine, tx) =>
      await ask(
        `${machine}: locks the user`,
        () => userLock === null,
        () => {
          alive(tx)
          userLock = tx
          return user
        },
      ),
    commit: async (machine, tx) => {
      await ask(`${machine}: sends COMMIT`, free, () => {
        alive(tx)
        tx.commits = true
      })
      const seen = (): void => {
        user = { ...user, ...tx.next }
        release(tx)
      }
      await become(`${machine}: commits`, seen, tx)
    },
    rollback: (tx) => {
      if (prepared?.tx !== tx) release(tx)
    },
    versions: async (machine) => await ask(`${machine}: reads versions`, free, () => user),
    version: async (machine, which) =>
      await ask(`${machine}: reads ${which}`, free, () => user[which]),
    faults: () => [
      { name: 'the database crashes', kind: 'fault', run: crash },
      ...terminations(),
      ...workers(),
    ],
  }
}
