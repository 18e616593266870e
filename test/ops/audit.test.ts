import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { auditBooks, printFinding, readChecks } from '../../src/ops/audit.ts'
import { onCitus } from '../kit/server.ts'
import { books } from './audited.ts'
import { tamperedAccounts } from './tampered-accounts.ts'
import { tamperedTransactions } from './tampered-transactions.ts'

// One row is changed here and there: each check finds what it is for. Forgeries in which more fits
// together stand in audit-forgeries.test.ts.

const tamperings = { ...tamperedAccounts, ...tamperedTransactions }

afterEach(async () => await books.putBack())
after(async () => await books.close())

test('books in which money has gone every way are clean', async () => {
  assert.deepEqual(await books.offences(), new Map())
  const { rows } = await books.world.pool.query<{ kind: number; status: number }>(
    'select distinct kind, status from transaction order by kind, status',
  )
  assert.deepEqual(
    rows.map(({ kind, status }) => `${kind}.${status}`),
    ['1.1', '1.2', '1.3', '2.1', '2.4', '3.1', '3.2', '3.4', '4.1', '4.2', '4.3', '4.4'],
  )
})

test('each check says its rule, and a tampering stands beside each', () => {
  const checks = readChecks()
  assert.deepEqual(
    checks.map(({ name }) => name),
    Object.keys(tamperings).sort(),
  )
  for (const { rule } of checks) assert.match(rule, /^[A-Z].*\.$/)
})

test('a finding is printed with its rows, and without any as well', () => {
  const finding = { name: '01-some', rule: 'Some.', offences: [] }
  assert.equal(printFinding(finding), 'ok    01-some')
  const broken = { ...finding, offences: [{ row: 'entry x', why: 'it is' }] }
  assert.equal(printFinding(broken), 'FAIL  01-some\n      entry x: it is')
})

test('each finding is told as soon as it is found', async () => {
  const heard: string[] = []
  const findings = await auditBooks(books.world.pool, ({ name }) => heard.push(name))
  assert.deepEqual(
    heard,
    findings.map(({ name }) => name),
  )
})

const each = Object.entries(tamperings).flatMap(([check, all]) =>
  all.map((one) => ({ check, ...one })),
)
const ofShards = 'test/citus/moment.test.ts does it to a shard'
for (const { check, what, sql, row } of each) {
  const skip = onCitus() && sql.startsWith('alter table') && ofShards
  test(`${check} finds ${what}`, { skip }, async () => {
    const found = (await books.offencesAfter(sql)).get(check)
    assert(
      found?.some((one) => one.startsWith(row)),
      `it names ${found?.join(', ') ?? 'nothing'}`,
    )
  })
}

test('when all is put back the books are clean again', async () => {
  assert.deepEqual(await books.offences(), new Map())
})
