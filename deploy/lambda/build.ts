import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { packFunction } from './pack.ts'

// `npm run -s build:lambda` writes dist/farthing-lambda.zip, and prints its hash as AWS shows it.
const zip = await packFunction()
const folder = new URL('../../dist/', import.meta.url)
await mkdir(folder, { recursive: true })
const file = new URL('farthing-lambda.zip', folder)
await writeFile(file, zip)
const hash = createHash('sha256').update(zip).digest('base64')
const size = `${(zip.length / 1_048_576).toFixed(2)} MiB`
console.log(`${fileURLToPath(file)}\n${size}, CodeSha256 ${hash}, handler function.handler`)
