import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { mutantsOf } from './properties/mutate.ts'
import type { Mutant } from './properties/mutate.ts'

const run = promisify(execFile)
const runner = fileURLToPath(new URL('properties/mutants.ts', import.meta.url))

/** Mutants that do the same as the original, each with the reason. */
const equivalent: Readonly<Record<string, string>> = {
  'sum += line.change.amount ?? 0n  =>  sum -= line.change.amount ?? 0n':
    'a sum is zero when its negative is',
  "if (refusal?.outcome === 'void') return { ...refusal, outcome: 'void', account: null }  =>  if (refusal?.outcome === 'void') return { ...refusal, account: null }":
    'the refusal says void itself; it is written out for the compiler',
}

test('every mutant of post.ts and hold.ts is killed', { timeout: 90_000 }, async (t) => {
  const mutants = [...(await mutantsIn('post.ts')), ...(await mutantsIn('hold.ts'))]
  const [control, ...killers] = await killersOf(['', ...mutants.map(({ source }) => source)])
  assert.equal(control, '', 'the rules as they stand fail')
  const named = mutants.map(({ before, after }) => `${before}  =>  ${after}`)
  const alive = named.filter((_, index) => killers[index] === '')
  t.diagnostic(`${mutants.length} mutants, ${alive.length} equivalent`)
  assert(mutants.length >= 40, `only ${mutants.length} mutants were made`)
  assert.deepEqual(alive.toSorted(), Object.keys(equivalent).toSorted())
})

async function mutantsIn(file: string): Promise<readonly Mutant[]> {
  const directory = new URL('../../src/ledger/', import.meta.url)
  const source = await readFile(new URL(file, directory), 'utf8')
  // They run from another directory: what they import must be found from there.
  const absolute = source.replaceAll(/ from '(\..*)'/g, (_, path: string) => {
    return ` from '${new URL(path, directory).href}'`
  })
  return mutantsOf(absolute)
}

/** In one process for all, so that a mutant that never ends cannot stop the tests. */
async function killersOf(sources: readonly string[]): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'farthing-mutants-'))
  try {
    const paths = sources.map((_, index) => join(directory, `${index}.mjs`))
    for (const [index, path] of paths.entries()) {
      await writeFile(path, sources[index] ?? '')
    }
    const list = join(directory, 'list')
    await writeFile(list, paths.join('\n'))
    const { stdout } = await run(process.execPath, [runner, list], { timeout: 80_000 })
    return stdout.trimEnd().split('\n')
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
