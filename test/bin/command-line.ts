import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '../kit/until.ts'
import { signInOn } from '../provider/kit/app.ts'
import type { Customer } from '../provider/kit/provider.ts'
import { openVisitor } from '../provider/kit/visitor.ts'
import type { Page, Visitor } from '../provider/kit/visitor.ts'

const program = fileURLToPath(new URL('../../src/bin/farthing.ts', import.meta.url))

/** How a command ended, and all that it printed. */
export type Ended = Readonly<{ code: number | null; output: string }>

type Session = Readonly<Record<string, unknown>>

/** `farthing` as one person has it, with what it keeps between two commands. */
export type CommandLine = Readonly<{
  run: (...words: readonly string[]) => Promise<Ended>
  /** `farthing sign-in`, up to where it waits for a browser. */
  signIn: () => Promise<Readonly<{ code: string; ended: Promise<Ended> }>>
  file: string
  /** What is kept, and what to keep instead of some of it. */
  kept: () => Promise<Session>
  rewrite: (changes: Session) => Promise<void>
  close: () => Promise<void>
}>

export async function openCommandLine(
  settings: Readonly<Record<string, string>>,
): Promise<CommandLine> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-person-'))
  const file = join(dir, 'farthing', 'session.json')
  const ways = { PATH: process.env['PATH'], HOME: process.env['HOME'], XDG_CONFIG_HOME: dir }
  const begun = new Set<ReturnType<typeof spawn>>()

  function begin(words: readonly string[]) {
    const child = spawn(process.execPath, [program, ...words], {
      env: { ...ways, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    begun.add(child)
    let output = ''
    const collect = (chunk: Buffer): void => {
      output += chunk.toString()
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    const ended = once(child, 'close').then(([code]): Ended => {
      begun.delete(child)
      return { code: code as number | null, output }
    })
    return { output: () => output, ended, runs: () => child.exitCode === null }
  }

  const kept = async (): Promise<Session> => JSON.parse(await readFile(file, 'utf8')) as Session

  return {
    run: async (...words) => await begin(words).ended,
    signIn: async () => {
      const { output, ended, runs } = begin(['sign-in'])
      const code = await until('a code is printed', () => {
        return /^ {2}([A-Z]{4}-[A-Z]{4})$/m.exec(output())?.[1] ?? !runs()
      })
      return { code: typeof code === 'string' ? code : assert.fail(output()), ended }
    },
    file,
    kept,
    rewrite: async (changes) =>
      await writeFile(file, JSON.stringify({ ...(await kept()), ...changes })),
    close: async () => {
      for (const child of begun) child.kill('SIGKILL')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Types a code into a browser and signs in if asked: up to where it is allowed, or not. */
export async function typeCode(
  visitor: Visitor,
  issuer: string,
  ask: Readonly<{ code: string; customer: Customer }>,
): Promise<Page> {
  const page = await visitor.open(`${issuer}/device`)
  const confirm = await visitor.submit(page, { user_code: ask.code }, '/device')
  assert(confirm.html.includes(ask.code), confirm.html)
  const next = await visitor.submit(confirm, {}, '/device')
  const asked = next.html.includes('/password') ? await signInOn(visitor, next, ask.customer) : next
  assert.match(asked.html, /<h1>Allow Farthing on the command line\?<\/h1>/)
  return asked
}

/** Signs a command line in, from a browser of its own. */
export async function signInThrough(
  line: CommandLine,
  issuer: string,
  customer: Customer,
): Promise<Ended> {
  const { code, ended } = await line.signIn()
  const visitor = openVisitor(issuer)
  const asked = await typeCode(visitor, issuer, { code, customer })
  const done = await visitor.submit(asked, {}, '/consent')
  assert.match(done.html, /<h1>Connected<\/h1>/)
  return await ended
}
