import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { component } from '../kit/components.ts'

/**
 * Goal: whoever must be told is told.
 * Method: Prometheus' own tool reads the files of deploy/prometheus, and plays series to the rules.
 */
const { program, missing } = component('prometheus')
const skip = missing ?? false
const folder = fileURLToPath(new URL('../../deploy/prometheus/', import.meta.url))
const ruleFiles = ['alerts.yml', 'hosts-alerts.yml'].map((name) => join(folder, name))

const DAY_MIN = 1_440

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'farthing-alerts-'))
})
after(async () => await rm(dir, { recursive: true, force: true }))

async function promtool(...words: readonly string[]): Promise<void> {
  await promisify(execFile)(program ?? '', words, { timeout: 60_000 }).catch((error: unknown) => {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    assert.fail(`promtool ${words.join(' ')}: ${stdout ?? ''}${stderr ?? ''}${String(error)}`)
  })
}

test('Prometheus takes the files as they are', { skip }, async () => {
  for (const name of ['prometheus.yml', 'hosts.yml']) {
    // Certificates are on hosts alone.
    await promtool('check', 'config', '--syntax-only', join(folder, name))
  }
  await promtool('check', 'rules', ...ruleFiles)
})

type Series = Readonly<Record<string, string>>

/** Whether it is told after so many minutes. A value is of a minute; in long ones, of five. */
async function fires(alert: string, series: Series, minutes: number): Promise<boolean> {
  const step = minutes > DAY_MIN ? 5 : 1
  const file = join(dir, `${alert}.json`)
  const input = Object.entries(series).map(([one, values]) => ({ series: one, values }))
  const firing = `count(ALERTS{alertname="${alert}",alertstate="firing"}) > bool 0 or vector(0)`
  const expected = {
    expr: firing,
    eval_time: `${minutes}m`,
    exp_samples: [{ labels: '{}', value: 1 }],
  }
  const one = { interval: `${step}m`, input_series: input, promql_expr_test: [expected] }
  // YAML reads JSON.
  const all = { rule_files: ruleFiles, evaluation_interval: `${step}m`, tests: [one] }
  await writeFile(file, JSON.stringify(all))
  try {
    await promtool('test', 'rules', file)
    return true
  } catch (error) {
    if (String(error).includes('got: {} 0E+00')) return false
    throw error
  }
}

const audits = (outcome: string): string =>
  `farthing_jobs_total{job="workers",instance="w",name="audit",outcome="${outcome}"}`
const workers = 'up{job="workers",instance="w"}'
const authLayers = 'haproxy_backend_active_servers{proxy="auth",instance="b"}'
const archive = 'pg_stat_archiver_failed_count{instance="p"}'
const certificate = 'probe_ssl_earliest_cert_expiry{instance="p"}'
const unfinished = 'farthing_commits_unfinished{instance="s"}'
const citusAway = 'farthing_citus_workers_away{instance="s"}'
const standbys = (one: string, other: string): Series => ({
  'patroni_sync_standby{instance="a"}': one,
  'patroni_sync_standby{instance="b"}': other,
})
const offs = 'farthing_cache_reads_total{instance="s",outcome="off"}'
const hits = 'farthing_cache_reads_total{instance="s",outcome="hit"}'
const on = 'farthing_cache_state{instance="s",state="on"}'

/** What is told after so many minutes, and the same with one thing otherwise, when nothing is. */
const cases: readonly (readonly [alert: string, minutes: number, bad: Series, good: Series])[] = [
  ['BooksAreWrong', 30, { [audits('failed')]: '0x9 1x50' }, { [audits('failed')]: '0x60' }],
  ['BooksAreWrong', 30, { [audits('parked')]: '0x9 1x50' }, { [audits('done')]: '0x9 1x50' }],
  [
    'BooksNotAudited',
    1_700,
    { [workers]: '1x400', [audits('done')]: '0x400' },
    { [workers]: '1x400', [audits('done')]: '0x120 1x280' },
  ],
  [
    'BooksNotAudited',
    1_700,
    { [workers]: '1x400', [audits('failed')]: '0x400' },
    { [workers]: '_x200 1x200' },
  ],
  ['WritesStopped', 10, standbys('0x20', '0x20'), standbys('1x20', '0x20')],
  ['CommitsUnfinished', 10, { [unfinished]: '1x20' }, { [unfinished]: '0x20' }],
  ['CitusWorkerAway', 10, { [citusAway]: '1x20' }, { [citusAway]: '0x20' }],
  ['NoWorker', 10, { [workers]: '0x20' }, { [workers]: '1x20' }],
  ['NoWorker', 10, {}, { [workers]: '1x20', 'up{job="workers",instance="v"}': '0x20' }],
  ['NodeIsAway', 10, { [workers]: '0x20' }, { [workers]: '1x20' }],
  [
    'JobsParked',
    10,
    { 'farthing_jobs{state="parked"}': '1x20' },
    { 'farthing_jobs{state="parked"}': '0x20' },
  ],
  ['AuthLayerAway', 10, { [authLayers]: '1x20' }, { [authLayers]: '2x20' }],
  ['NobodySignsIn', 10, { [authLayers]: '0x20' }, { [authLayers]: '1x20' }],
  ['CacheIsOff', 20, { [on]: '0x30' }, { [on]: '1x30' }],
  ['CacheIsOff', 20, { [on]: '1x5 0x30' }, {}],
  ['CacheIsSilent', 40, { [on]: '1x60', [offs]: '0+9x60', [hits]: '0+8x60' }, { [on]: '1x60' }],
  ['CacheIsSilent', 40, { [on]: '1x60', [offs]: '0+9x60' }, { [on]: '0x60', [offs]: '0+9x60' }],
  [
    'CacheIsSilent',
    40,
    { [on]: '1x60', [offs]: '0+9x60', [hits]: '99x60' },
    { [on]: '1x60', [offs]: '0+1x60', [hits]: '0+9x60' },
  ],
  [
    'CacheFencesFail',
    20,
    { 'farthing_cache_fences_total{outcome="failed"}': '0x5 0+1x30' },
    { 'farthing_cache_fences_total{outcome="failed"}': '0x5 1x30' },
  ],
  ['ArchiveFails', 40, { [archive]: '0+1x60' }, { [archive]: '7x60' }],
  [
    'CertificateEnds',
    10,
    { [certificate]: `${13 * DAY_MIN * 60}x20` },
    { [certificate]: `${15 * DAY_MIN * 60}x20` },
  ],
  ['NobodyLooks', 90, { [archive]: '0x120' }, { [archive]: '0x120', [certificate]: '9999999x120' }],
]

for (const [alert, minutes, bad, good] of cases) {
  test(`${alert} is told of ${JSON.stringify(bad)}`, { skip }, async () => {
    assert.equal(await fires(alert, bad, minutes), true)
    assert.equal(await fires(alert, good, minutes), false, 'and of nothing else')
  })
}

type Rules = Readonly<{
  groups: readonly {
    rules: readonly { alert: string; expr: string; annotations: { runbook: string } }[]
  }[]
}>

async function allRules() {
  const texts = await Promise.all(ruleFiles.map(async (file) => await readFile(file, 'utf8')))
  return texts.flatMap((text) => (parse(text) as Rules).groups).flatMap(({ rules }) => rules)
}

test('each alert names a paragraph that is there', async () => {
  const page = await readFile(new URL('../../docs/operate.md', import.meta.url), 'utf8')
  const told = [...page.matchAll(/^\*\*(.+?)\.?\*\*/gm)].map(([, title]) => title)
  for (const { alert, annotations } of await allRules()) {
    const [, title] = /^docs\/operate\.md, "(.*)"$/.exec(annotations.runbook) ?? []
    assert(told.includes(title), `${alert}: ${annotations.runbook}`)
  }
})

test('each alert asks for figures of ours that there are', async () => {
  const rooms = new URL('../../src/ops/', import.meta.url)
  const files = (await readdir(rooms)).filter((name) => name.endsWith('telemetry.ts'))
  const texts = await Promise.all(
    files.map(async (name) => await readFile(new URL(name, rooms), 'utf8')),
  )
  const known = new Set(texts.join().match(/(?<=name: ')farthing_\w+|(?<=counted\(')farthing_\w+/g))
  for (const { alert, expr } of await allRules()) {
    for (const name of expr.match(/farthing_\w+/g) ?? []) {
      const plain = name.replace(/_(bucket|count|sum)$/, '')
      assert(known.has(plain), `${alert} asks for ${name}, which nobody counts`)
    }
  }
})
