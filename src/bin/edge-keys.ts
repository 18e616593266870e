import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createPublicKey } from 'node:crypto'
import { readIssuersFile } from '../access/issuers-file.ts'
import { readConfig } from '../config.ts'
import type { Config } from '../config.ts'
import { StartRefused } from '../errors.ts'
import { loadKeys } from '../keys.ts'
import { readVerifyingKeys, type VerifyingKeys } from '../token-keys.ts'

/** What haproxy.cfg has room for: the key that signs, the next one, and the last one. */
const SLOTS = 3

/**
 * Writes what balancers check the signatures of tokens with: public keys alone. Run it again when
 * `tokenKeys` or `ISSUERS_FILE` has changed, before any other process hears of it, and reload them.
 */
export async function edgeKeys(folder: string): Promise<number> {
  const config = readConfig(process.env)
  const keys = await loadKeys(config)
  const kids = await writeEdgeKeys(folder, readVerifyingKeys(keys.tokenKeys), outsideOf(config))
  console.log(`Balancers know ${kids.join(', ')}, once they are reloaded.`)
  return 0
}

function outsideOf({ auth, environment }: Config): readonly string[] {
  if (auth.issuersFile === null) return []
  const development = environment === 'development'
  const issuers = readIssuersFile({ path: auth.issuersFile, development, own: auth.url })
  return issuers.map(({ issuer }) => issuer)
}

/** @returns the ids of the keys, in their order. */
export async function writeEdgeKeys(
  folder: string,
  { publicJwks }: VerifyingKeys,
  outsideIssuers: readonly string[],
): Promise<readonly string[]> {
  const { keys } = publicJwks
  if (keys.length > SLOTS) {
    throw new StartRefused(
      `There are ${keys.length} token keys, and balancers have room for ${SLOTS}: take out those ` +
        'whose last token has ended.',
    )
  }
  await mkdir(folder, { recursive: true })
  // Each slot must have a file. One that is not in the list is never looked into.
  for (let slot = 1; slot <= SLOTS; slot += 1) {
    const { kty, crv, x, y } = keys[slot - 1] ?? keys[0] ?? missing()
    const key = createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' })
    await replace(join(folder, `${slot}.pem`), String(key.export({ type: 'spki', format: 'pem' })))
  }
  const kids = keys.map(({ kid }) => kid)
  await replace(join(folder, 'kids.map'), linesOf(kids.map((kid, place) => `${kid} ${place + 1}`)))
  await replace(join(folder, 'outside-issuers.lst'), linesOf(outsideIssuers))
  return kids
}

function missing(): never {
  throw new Error('There is no token key')
}

function linesOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

/** A balancer that is reloaded at this moment reads the old one or the new one. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o644 })
  await rename(`${path}.new`, path)
}
