import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isUniqueViolation } from '../../src/db/errors.ts'
import type { Lent, Pool } from '../../src/db/pool.ts'
import type { Queryable } from '../../src/db/query.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { AppError } from '../../src/errors.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { refusedAs } from '../kit/refused.ts'

let db: FreshDatabase
const options = { lockTimeoutMs: 500 }

before(async () => {
  db = await freshDatabase()
  await db.pool.query('create table thing (id int, constraint thing_pkey primary key (id))')
})
after(async () => await db.drop())

async function add(tx: Queryable, id: number): Promise<void> {
  await tx.query('insert into thing (id) values ($1)', [id])
}

/** One statement in a transaction of its own. */
async function runAlone(statement: string): Promise<void> {
  await inTransaction(db.pool, async (tx) => void (await tx.query(statement)), options)
}

async function insertNoted(tx: Queryable): Promise<void> {
  await tx.query('insert into noted values (1)')
}

async function exists(id: number): Promise<boolean> {
  return (await db.pool.query('select from thing where id = $1', [id])).rowCount === 1
}

async function backend(tx: Queryable): Promise<number> {
  const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]!.pid
}

async function kill(pid: number): Promise<void> {
  await db.pool.query('select pg_terminate_backend($1::int)', [pid])
}

test('what is answered is committed', async () => {
  const answer = await inTransaction(
    db.pool,
    async (tx) => {
      await add(tx, 1)
      return 'done'
    },
    options,
  )
  assert.equal(answer, 'done')
  assert(await exists(1))
})

test('when the work refuses nothing stays, and the connection is used again', async () => {
  const pids: number[] = []
  const refusing = async (tx: Queryable) => {
    pids.push(await backend(tx))
    await add(tx, 2)
    throw new AppError('amount_invalid')
  }
  await refusedAs('amount_invalid', inTransaction(db.pool, refusing, options))
  await refusedAs('amount_invalid', inTransaction(db.pool, refusing, options))
  assert.equal(pids[0], pids[1])
  assert(!(await exists(2)))
})

test('a connection that saw an error is never used again', async () => {
  const pids: number[] = []
  const failing = async (tx: Queryable) => {
    pids.push(await backend(tx))
    await add(tx, 1)
  }
  for (let tries = 0; tries < 2; tries += 1) {
    await assert.rejects(inTransaction(db.pool, failing, options), (error) =>
      isUniqueViolation(error, 'thing_pkey'),
    )
  }
  assert.notEqual(pids[0], pids[1])
})

test('an error that the work hides does not turn into an answer', async () => {
  const hidden = inTransaction(
    db.pool,
    async (tx) => {
      await add(tx, 3)
      await assert.rejects(add(tx, 1))
      return 'done'
    },
    options,
  )
  await assert.rejects(hidden, /rolled back/)
  assert(!(await exists(3)))
})

test('a connection that is lost on the way leaves nothing, and the pool goes on', async () => {
  const lost = inTransaction(
    db.pool,
    async (tx) => {
      await add(tx, 4)
      await kill(await backend(tx))
      await add(tx, 5)
    },
    options,
  )
  await refusedAs('database_unavailable', lost)
  assert(!(await exists(4)))
})

/** A pool whose next connections are dead when they are lent. */
function dying(deaths: number): Pool {
  let left = deaths
  const lend = async (): Promise<Lent> => {
    const lent = await db.pool.lend()
    left -= 1
    if (left >= 0) await kill(await backend(lent))
    return lent
  }
  return { ...db.pool, lend }
}

test('a connection that is dead before the work begins is replaced, twice', async () => {
  let runs = 0
  const work = async (tx: Queryable): Promise<void> => {
    runs += 1
    await add(tx, 7_000 + runs)
  }
  await inTransaction(dying(2), work, options)
  assert.equal(runs, 1)
  assert(await exists(7_001))
  await refusedAs('database_unavailable', inTransaction(dying(3), work, options))
  assert.equal(runs, 1, 'nothing was asked in one that is dead')
})

test('when the answer to COMMIT is lost the outcome is unknown', async () => {
  await db.pool.query(`
    create table slow (id int);
    create function sleep_at_commit() returns trigger language plpgsql as
      $$ begin perform pg_sleep(30); return null; end $$;
    create constraint trigger slow_commit after insert on slow
      deferrable initially deferred for each row execute function sleep_at_commit()`)
  const slow = inTransaction(
    db.pool,
    async (tx) => {
      const pid = await backend(tx)
      await tx.query('insert into slow values (1)')
      setTimeout(() => void kill(pid), 300)
    },
    options,
  )
  await refusedAs('outcome_unknown', slow)
})

test('a commit that warns may not have reached the standby, so its outcome is unknown', async () => {
  await db.pool.query(`
    create table warned (id int);
    create function warn_at_commit() returns trigger language plpgsql as
      $$ begin raise warning 'canceling wait for synchronous replication'; return null; end $$;
    create constraint trigger warned_commit after insert on warned
      deferrable initially deferred for each row execute function warn_at_commit()`)
  await refusedAs('outcome_unknown', runAlone('insert into warned values (1)'))
})

test('a warning is known in any language', async () => {
  await db.pool.query(`
    create table noted (id int);
    create function note_at_commit() returns trigger language plpgsql as
      $$ begin raise notice 'WARNUNG' using errcode = '01000'; return null; end $$;
    create constraint trigger noted_commit after insert on noted
      deferrable initially deferred for each row execute function note_at_commit()`)
  await refusedAs('outcome_unknown', runAlone('insert into noted values (1)'))
})

test('behind a COMMIT without an answer nothing is asked', async () => {
  const asked: unknown[] = []
  const lend = async (): Promise<Lent> => {
    const lent = await db.pool.lend()
    const query: Lent['query'] = async (statement, values) => {
      asked.push(statement)
      return await lent.query(statement, values)
    }
    return { ...lent, query }
  }
  const note = inTransaction({ ...db.pool, lend }, insertNoted, options)
  await refusedAs('outcome_unknown', note)
  assert.equal(asked.at(-1), 'commit')
})

test('a refusal at COMMIT is known not to have happened', async () => {
  await db.pool.query('create table late (id int unique deferrable initially deferred)')
  await assert.rejects(runAlone('insert into late values (1), (1)'), (error) =>
    isUniqueViolation(error, 'late_id_key'),
  )
})

test('a lock that does not come is given up in time', async () => {
  const started = performance.now()
  await inTransaction(
    db.pool,
    async (holder) => {
      await holder.query('select from thing where id = 1 for update')
      const waiting = runAlone('select from thing where id = 1 for update')
      await refusedAs('database_unavailable', waiting)
    },
    options,
  )
  assert(performance.now() - started < 3_000)
})

test('a statement after the end is refused: it would be part of another transaction', async () => {
  let escaped: Queryable | undefined
  await inTransaction(
    db.pool,
    async (tx) => {
      escaped = tx
    },
    options,
  )
  await assert.rejects(add(escaped!, 6), /after the end/)
  assert(!(await exists(6)))
})
