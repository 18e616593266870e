import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freshDatabase } from '../../kit/database.ts'
import { ownPort } from '../../kit/port.ts'
import { until } from '../../kit/until.ts'
import { only, programOf } from './dockerfile.ts'
import { inside } from './sandbox.ts'
import type { Inside } from './sandbox.ts'
import type { Tree } from './tree.ts'

/** SIGTERM ends a process in five seconds; an engine kills it after eight. */
const STOP_MS = 8_000

export type Settings = Readonly<Record<string, string>>
export type Ended = Readonly<{ code: number | null; said: string }>

/** An image's files, with all that it needs to be told. */
export type Place = Readonly<{
  tree: Tree
  settings: Settings
  /** Runs a command in it, to its end. */
  run: (command: readonly string[], env?: Settings) => Promise<Ended>
  /** The same of what the image's ENTRYPOINT makes of these words. */
  farthing: (words: readonly string[], env?: Settings) => Promise<Ended>
  /** Starts a process that stays, until it has said that it is ready. Gives what stops it. */
  begin: (words: readonly string[], ready: RegExp, env?: Settings) => Promise<() => Promise<void>>
  close: () => Promise<void>
}>

export async function openPlace(open: () => Promise<Tree>): Promise<Place> {
  const database = await freshDatabase()
  const tree = await open()
  await writeFile(join(tree.root.secrets, 'keys.json'), JSON.stringify(newKeys()), { mode: 0o644 })
  const settings = await settingsFor(database.url)
  const begun = new Set<Inside>()
  const entrance = programOf(only('ENTRYPOINT'))

  async function run(command: readonly string[], env = settings): Promise<Ended> {
    const { ended, output } = inside(tree.root, { command, env })
    return { code: await ended, said: output() }
  }

  async function begin(
    words: readonly string[],
    ready: RegExp,
    env = settings,
  ): Promise<() => Promise<void>> {
    const process = inside(tree.root, { command: [...entrance, ...words], env })
    begun.add(process)
    await until(`${words.join(' ')} is ready`, () => {
      assert(process.child.exitCode === null, process.output())
      return ready.test(process.output())
    })
    return async () => await stop(process)
  }

  return {
    tree,
    settings,
    run,
    farthing: async (words, env) => await run([...entrance, ...words], env),
    begin,
    close: async () => {
      for (const { child } of begun) child.kill('SIGKILL')
      await tree.close()
      await database.drop()
    },
  }
}

async function stop({ child, ended, output }: Inside): Promise<void> {
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  child.kill('SIGTERM')
  assert.equal(await ended, 0, output())
  clearTimeout(late)
}

/** What production asks for, and this machine can give. */
async function settingsFor(databaseUrl: string): Promise<Settings> {
  const [port, authPort, opsPort] = [await ownPort(), await ownPort(), await ownPort()]
  return {
    HOST: '127.0.0.1',
    PORT: String(port),
    AUTH_PORT: String(authPort),
    OPS_PORT: String(opsPort),
    PUBLIC_URL: 'https://api.example.com',
    AUTH_URL: 'https://sign-in.example.com',
    AUTH_BACK_URL: `http://127.0.0.1:${authPort}`,
    DATABASE_URL: databaseUrl,
    KEYS_FILE: '/run/secrets/keys.json',
    SMTP_URL: 'smtp://127.0.0.1:9',
    MAIL_FROM: 'Farthing <no-reply@example.com>',
  }
}

const secret = (): string => randomBytes(32).toString('base64')

function newKeys() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tokenKeys = [{ ...privateKey.export({ format: 'jwk' }), kid: 'first' }]
  return { tokenKeys, sealKeys: { 'seal-1': secret() }, digestKey: secret() }
}
