import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from './config.ts'
import { StartRefused } from './errors.ts'

/**
 * A key for ES256, private where it has `d`: processes that only verify tokens need not be given
 * it. @see RFC 7517, RFC 7518 section 6.2
 */
export type TokenJwk = Readonly<{
  kty: string
  crv: string
  x: string
  y: string
  d?: string
  kid: string
}>

export type Keys = Readonly<{
  /** The first signs, all verify. The second is the next to sign: whoever keeps a copy has it. */
  tokenKeys: readonly TokenJwk[]
  /** 32 bytes each, by id. The first seals, all open. */
  sealKeys: ReadonlyMap<string, Uint8Array>
  /** 32 bytes. It keys the hashes by which equal secrets are found, and cannot be changed. */
  digestKey: Uint8Array
}>

const KEY_BYTES = 32
const DEVELOPMENT_FILE = 'keys.json'

/** The JSON of a key set. */
type KeyFile = Readonly<{
  /** Made by a development start, on a machine where many may have read it. */
  development?: boolean
  tokenKeys: readonly TokenJwk[]
  sealKeys: Readonly<Record<string, string>>
  digestKey: string
}>

/**
 * Reads the keys from where the configuration says. In development they are made at the first
 * start, and kept in the data directory for the next.
 *
 * @throws StartRefused when a key is missing or cannot be one, or when production is given keys of
 * a development start. No message repeats a key.
 */
export async function loadKeys(
  config: Pick<Config, 'environment' | 'keys' | 'dataDir'>,
): Promise<Keys> {
  const source = config.keys ?? { file: await ensureDevelopmentKeys(config.dataDir) }
  const name = 'file' in source ? source.file : 'FARTHING_KEYS'
  const file = parse(name, 'file' in source ? await readText(source.file) : source.json)
  if (config.environment === 'production' && file.development) {
    throw new StartRefused(
      `The keys in ${name} were made for development. Make new ones for production, and keep ` +
        'them where only the service reads them.',
    )
  }
  return {
    tokenKeys: readTokenKeys(name, file),
    sealKeys: readSealKeys(name, file),
    digestKey: readKey(name, 'digestKey', file.digestKey),
  }
}

async function ensureDevelopmentKeys(dataDir: string): Promise<string> {
  const path = join(dataDir, DEVELOPMENT_FILE)
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.${randomUUID()}`
  const text = `${JSON.stringify(newDevelopmentKeys(), null, 2)}\n`
  await writeFile(draft, text, { mode: 0o600, flush: true })
  try {
    // Only the first of two starters can create it, and both then read the same keys.
    await link(draft, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await unlink(draft)
  }
  // What they seal is on disk once it is committed: they must be there first, under their name.
  await flushDirectory(dirname(path))
  return path
}

async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function newDevelopmentKeys(): KeyFile {
  return {
    development: true,
    tokenKeys: [newTokenKey(), newTokenKey()],
    sealKeys: { 'development-1': newKey() },
    digestKey: newKey(),
  }
}

function newTokenKey(): TokenJwk {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = privateKey.export({ format: 'jwk' })
  return { ...(jwk as Omit<TokenJwk, 'kid'>), kid: randomUUID() }
}

function newKey(): string {
  return randomBytes(KEY_BYTES).toString('base64')
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new StartRefused(`The keys in ${path} cannot be read: check the path and its owner.`, {
      cause,
    })
  }
}

function parse(name: string, text: string): KeyFile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own message quotes what it read.
    throw new StartRefused(`The keys in ${name} are not JSON.`)
  }
  if (typeof value === 'object' && value !== null) return value as KeyFile
  throw new StartRefused(`The keys in ${name} are not a JSON object.`)
}

function readTokenKeys(name: string, { tokenKeys }: KeyFile): readonly TokenJwk[] {
  const right = Array.isArray(tokenKeys) && tokenKeys.length > 0
  const whole = ['kty', 'crv', 'x', 'y', 'kid'] as const
  const isWhole = (key: TokenJwk) =>
    whole.every((part) => typeof key?.[part] === 'string') &&
    (!('d' in key) || typeof key.d === 'string')
  if (!right || !tokenKeys.every(isWhole)) {
    throw new StartRefused(`"tokenKeys" in ${name} must list EC keys as JWKs with a kid.`)
  }
  return tokenKeys
}

function readSealKeys(name: string, { sealKeys }: KeyFile): ReadonlyMap<string, Uint8Array> {
  const entries = typeof sealKeys === 'object' && sealKeys !== null ? Object.entries(sealKeys) : []
  if (entries.length === 0) {
    throw new StartRefused(`"sealKeys" in ${name} must hold at least one key by its id.`)
  }
  // A JSON object lists numbers first whatever their order in the file, and order says which seals.
  const numeric = entries.find(([id]) => /^\d+$/.test(id))
  if (numeric) {
    throw new StartRefused(`The seal key "${numeric[0]}" in ${name} needs an id with a letter.`)
  }
  return new Map(entries.map(([id, text]) => [id, readKey(name, `seal key "${id}"`, text)]))
}

function readKey(name: string, what: string, text: unknown): Uint8Array {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : Buffer.alloc(0)
  if (bytes.length === KEY_BYTES) return bytes
  throw new StartRefused(`The ${what} in ${name} must be ${KEY_BYTES} bytes in base64.`)
}
