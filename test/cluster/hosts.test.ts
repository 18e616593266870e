import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseEnvironment } from '../../src/bin/cluster/files/environment.ts'
import { writeHostFiles } from '../../src/bin/cluster/hosts.ts'
import { readConfig } from '../../src/config.ts'

const example = fileURLToPath(new URL('../../deploy/hosts.example.json', import.meta.url))
const program = fileURLToPath(new URL('../../bin/farthing', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'farthing-hosts-'))
after(() => rmSync(folder, { recursive: true, force: true }))

writeHostFiles(example, folder)
const settingsOf = (place: string, file: string) =>
  parseEnvironment(readFileSync(join(folder, place, 'etc/farthing', file), 'utf8'))

test('each server knows both ways to the auth layer, and half of them begin with each', () => {
  const [one, two] = ['https://10.0.1.11:8082', 'https://10.0.1.12:8082']
  const first = readConfig(settingsOf('server-1-10.0.2.21', 'serve.env'))
  const second = readConfig(settingsOf('server-2-10.0.2.22', 'serve.env'))
  assert.deepEqual(first.auth.backUrls, [one, two])
  assert.deepEqual(second.auth.backUrls, [two, one])
})

test('paths are those of whoever types them, wherever the checkout is', async () => {
  const from = mkdtempSync(join(folder, 'from-'))
  copyFileSync(example, join(from, 'hosts.json'))
  const words = [program, 'cluster', 'files', 'hosts.json', 'filled']
  await promisify(execFile)('sh', words, { cwd: from })
  assert(existsSync(join(from, 'filled/secrets.json')))
})

test('a worker may share a host with a server', () => {
  const server = readConfig(settingsOf('server-1-10.0.2.21', 'serve.env'))
  const worker = readConfig(settingsOf('worker-1-10.0.2.31', 'work.env'))
  assert.equal(server.opsPort, 9090)
  assert.equal(worker.opsPort, 9091)
})
