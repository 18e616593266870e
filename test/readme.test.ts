import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const START_WITHIN_MS = 60_000
const STOP_WITHIN_MS = 5_000

/**
 * Goal: whoever pastes README.md into a shell sees what it promises.
 * Method: its `npm start`, on ports and a directory of its own, and its blocks in a fresh bash.
 * Only the address is another one.
 */
test('README.md works as pasted', { timeout: 180_000 }, async (t) => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const dir = await mkdtemp(join(tmpdir(), 'farthing-readme-'))
  const home = { PATH: process.env['PATH'], HOME: process.env['HOME'], DATA_DIR: dir }
  const service = spawn('npm', ['start'], {
    cwd: root,
    env: { ...home, PORT: '0', OPS_PORT: '0', AUTH_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(service, 'close') as Promise<[number | null]>
  t.after(async () => {
    service.kill('SIGTERM')
    service.stdout.resume()
    await ended
    await rm(dir, { recursive: true, force: true })
  })

  const promised = blocks(readme, '').find((block) => block.startsWith('Farthing is ready')) ?? ''
  const printed = await linesFrom(service.stdout, promised.split('\n').length)
  assert.equal(masked(printed.join('\n')), masked(promised))

  const api = /API +(\S+)/.exec(printed.join('\n'))?.[1] ?? ''
  const walk = blocks(readme, 'bash').join('\n')
  assert(
    walk.includes('API=http://localhost:8080\n'),
    'the walk names the address once, at its start',
  )
  const script = walk.replace('http://localhost:8080', api)
  const strict = ['-eu', '-o', 'pipefail', '-c', script]
  const { stdout } = await promisify(execFile)('bash', strict, { cwd: root, env: home })
  t.diagnostic(stdout)
  assert.match(stdout, /^Ada is user_[0-9a-f]{32}, Bob is user_[0-9a-f]{32}\ntrue\ntrue\n/)
  assert.match(stdout, /status: 'verified'[^]*\naccepted\n[^]*amount: 1234,[^]*status: 'accepted'/)
  assert.match(stdout, /\nidempotent-replayed: true\r?\naccepted\n8766\nok /)
  const lastLine = blocks(readme, '').at(-1)?.split('\n').at(-1)
  assert.equal(stdout.trimEnd().split('\n').at(-1), lastLine)

  service.stdout.resume()
  const asked = performance.now()
  service.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null], 'npm passes the signal on, and hears of a clean end')
  assert(performance.now() - asked < STOP_WITHIN_MS, 'it stops within five seconds')
})

/** The fenced blocks of a language, `''` for those without one. */
function blocks(markdown: string, language: string): readonly string[] {
  const fences = markdown.matchAll(/^```(\w*)\n([^]*?)\n```$/gm)
  return [...fences].flatMap(([, name, text = '']) => (name === language ? text : []))
}

/** So many lines, from the one on that says that it is ready. What npm prints comes before. */
async function linesFrom(output: NodeJS.ReadableStream, count: number): Promise<readonly string[]> {
  const lines: string[] = []
  const signal = AbortSignal.timeout(START_WITHIN_MS)
  for await (const line of createInterface({ input: output, signal })) {
    if (lines.length > 0 || line.startsWith('Farthing is ready')) lines.push(line)
    if (lines.length === count) return lines
  }
  throw new Error(`the service ended, or said too little in time:\n${lines.join('\n')}`)
}

/** Without what differs from one machine and start to the next. */
function masked(text: string): string {
  return text
    .replaceAll(/localhost:\d+/g, 'localhost:PORT')
    .replaceAll(/user_[0-9a-f]{32}/g, 'user_ID')
    .replaceAll(/embedded, in \S+/g, 'embedded, in DIRECTORY')
}
