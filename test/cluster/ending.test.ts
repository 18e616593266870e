import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { allRunningIn } from '../../src/bin/cluster/processes/process.ts'
import { claimFolder } from '../../src/bin/cluster/folder.ts'
import { newSecrets } from '../../src/bin/cluster/secrets.ts'
import { signalProcess } from '../chaos/kit/farthing.ts'
import { until } from '../kit/until.ts'

/**
 * Goal: `stop` and `down` end all that is the cluster's, and touch nothing that is not.
 * Method: folders that look like a cluster's and like anything else, and a plan of one process.
 */
const program = fileURLToPath(new URL('../../bin/farthing', import.meta.url))
let dir: string
beforeEach(() => {
  dir = mkdtempSync('/tmp/farthing-ending-')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('down leaves a folder alone that holds no cluster, and who works in it', async () => {
  // As `farthing cluster files` makes one: there are secrets, and no cluster.
  writeFileSync(`${dir}/secrets.json`, JSON.stringify(newSecrets()))
  copyFileSync('/bin/sleep', `${dir}/postgres`)
  const sleeper = spawn(`${dir}/postgres`, ['100'], { cwd: dir, stdio: 'ignore' })
  await once(sleeper, 'spawn')
  try {
    const { code, output } = await run('down')
    assert.equal(code, 1, output)
    assert.match(output, /holds no cluster: nothing in it is touched\. Set CLUSTER_DIR/)
    assert(existsSync(`${dir}/secrets.json`))
    assert.deepEqual([sleeper.exitCode, sleeper.signalCode], [null, null])
  } finally {
    sleeper.kill('SIGKILL')
  }
})

test('no cluster comes up among the files for hosts, whose secrets it would take', () => {
  writeFileSync(`${dir}/secrets.json`, JSON.stringify(newSecrets()))
  assert.throws(() => claimFolder(dir), /is there, and holds no cluster: set CLUSTER_DIR/)
})

test('down ends nobody who only knows the folder', async () => {
  makeCluster([])
  const wait = 'setInterval(() => undefined, 1_000)'
  const known = { env: { ...process.env, CLUSTER_DIR: dir }, cwd: dir, stdio: 'ignore' } as const
  const stranger = spawn(process.execPath, ['-e', wait, `${dir}/log`], known)
  await once(stranger, 'spawn')
  try {
    const { code, output } = await run('down')
    assert.equal(code, 0, output)
    assert(!existsSync(dir))
    assert.deepEqual([stranger.exitCode, stranger.signalCode], [null, null])
  } finally {
    stranger.kill('SIGKILL')
  }
})

test('stop ends a PostgreSQL whose Patroni hangs, though it is in a session of its own', async () => {
  const place = `${dir}/postgres-1`
  mkdirSync(place)
  copyFileSync('/bin/sleep', `${place}/postgres`)
  const hung = 'trap : TERM; setsid ./postgres 100 & while :; do sleep 1; done'
  makeCluster([
    {
      name: 'postgres-1',
      command: ['/bin/sh', '-c', hung],
      env: { PATH: '/usr/bin:/bin' },
      cwd: place,
      user: null,
      niceness: 0,
      stopWithinMs: 300,
      log: `${dir}/log/postgres-1.log`,
    },
  ])
  // Its supervisor is none of the plan: `start` needs one.
  const supervisor = new URL('../../src/bin/cluster/processes/supervisor.ts', import.meta.url)
  const kept = spawn(process.execPath, [fileURLToPath(supervisor), dir], { stdio: 'ignore' })
  try {
    await until('it is started', async () => (await run('start', 'postgres-1')).code === 0)
    await until('PostgreSQL runs', async () => allRunningIn(place).length === 1)
    const { code, output } = await run('stop', 'postgres-1')
    assert.equal(code, 0, output)
    assert.deepEqual(allRunningIn(place), [])
  } finally {
    for (const { pid } of allRunningIn(place)) signalProcess(pid, 'SIGKILL')
    kept.kill('SIGKILL')
  }
})

test('what runs for a cluster has its mark: a back-up, and what hides its environment', async () => {
  const programs = ['pgbackrest', 'postgres']
  for (const name of programs) copyFileSync('/bin/sleep', `${dir}/${name}`)
  const marked = { env: { CLUSTER_MEMBER_OF: dir }, cwd: '/', stdio: 'ignore' } as const
  const inside = { env: {}, cwd: dir, stdio: 'ignore' } as const
  const begun = programs.flatMap((name) =>
    [marked, inside].map((how) => spawn(`${dir}/${name}`, ['100'], how)),
  )
  await Promise.all(begun.map(async (child) => await once(child, 'spawn')))
  try {
    const known = allRunningIn(dir).map(({ pid }) => pid)
    const all = begun.map(({ pid }) => pid)
    assert.deepEqual(new Set(known), new Set(all))
  } finally {
    for (const child of begun) child.kill('SIGKILL')
  }
})

function makeCluster(plan: readonly object[]): void {
  for (const name of ['run', 'log']) mkdirSync(`${dir}/${name}`)
  writeFileSync(`${dir}/secrets.json`, JSON.stringify(newSecrets()))
  writeFileSync(`${dir}/run/plan.json`, JSON.stringify(plan))
}

async function run(...words: readonly string[]): Promise<{ code: number; output: string }> {
  const env = { PATH: process.env['PATH'], CLUSTER_DIR: dir }
  return await new Promise((resolve) => {
    const all = [program, 'cluster', ...words]
    execFile('/bin/sh', all, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, output: `${stdout}${stderr}` })
    })
  })
}
