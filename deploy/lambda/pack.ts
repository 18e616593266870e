import { glob, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { zipSync } from 'fflate'

const root = fileURLToPath(new URL('../../', import.meta.url))
const entry = 'src/bin/work/lambda.ts'
/** Lambda's handler is `function.handler`: this file, and what it exports. */
const bundle = 'function.mjs'

/** What the code reads beside itself, by the folder in which it then lies beside the bundle. */
const readAtRunTime = {
  audit: 'src/ops/audit/*.sql',
  'audit/shards': 'src/ops/audit/shards/*.sql',
  migrations: 'src/db/migrations/*.sql',
} as const

/** Some packages are CommonJS, and ask for modules of Node by `require`. */
const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

/** ZIP keeps local time from 1980 on, without a zone: one that is the same everywhere. */
const EPOCH = new Date(1980, 0, 1)

/** The function and all that it needs, as a zip for AWS Lambda. The same input, the same bytes. */
export async function packFunction(): Promise<Uint8Array> {
  const files = { [bundle]: await bundleFunction(), ...(await filesBeside()) }
  const sorted = Object.entries(files).toSorted(([a], [b]) => (a < b ? -1 : 1))
  // Mode 0644 in the upper half: Lambda runs as a user who does not own the files.
  const options = { mtime: EPOCH, level: 9, os: 3, attrs: 0o100644 << 16 } as const
  return zipSync(Object.fromEntries(sorted.map(([name, bytes]) => [name, [bytes, options]])))
}

async function bundleFunction(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: bundle,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: banner },
    // The driver tries these two, and goes on without.
    external: ['pg-native', 'pg-cloudflare'],
    legalComments: 'inline',
    logLevel: 'warning',
  })
  const [file] = outputFiles
  if (!file) throw new Error('esbuild made nothing')
  return file.contents
}

async function filesBeside(): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {}
  for (const [folder, pattern] of Object.entries(readAtRunTime)) {
    for await (const path of glob(pattern, { cwd: root })) {
      files[`${folder}/${basename(path)}`] = await readFile(`${root}${path}`)
    }
  }
  return files
}
