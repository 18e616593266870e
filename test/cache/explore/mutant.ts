import assert from 'node:assert/strict'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** One place of a module's text, and what it is made to say. */
export type Change = Readonly<{ file: string; from: string; to: string }>

/** A module of src/cache with one change, which its text must hold exactly once. */
export async function mutant<M>({ file, from, to }: Change): Promise<M> {
  const source = new URL(`../../../src/cache/${file}`, import.meta.url)
  const text = await readFile(source, 'utf8')
  assert.equal(text.split(from).length, 2, `${file} does not say this once: ${from}`)
  const absolute = text
    .replace(from, to)
    .replaceAll(/from '(\.[^']+)'/g, (_, path: string) => `from '${new URL(path, source).href}'`)
  const place = join(await mkdtemp(join(tmpdir(), 'farthing-mutant-')), basename(file))
  await writeFile(place, absolute)
  return (await import(pathToFileURL(place).href)) as M
}
