import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventKinds } from '../../../src/auth/guard/record.ts'
import { codeOf, readSources } from '../../tidy/source.ts'

/** The list itself, which is no place that writes one. */
const list = eventKinds.map((kind) => `  '${kind}',`)

test('every kind of event that there is is written somewhere', () => {
  const writers = readSources('src/**/*.ts').filter(({ text }) => /record\(|announce\(/.test(text))
  const lines = writers.flatMap(codeOf)
  const code = lines.map(({ line }) => line).filter((line) => !list.includes(line))
  const silent = eventKinds.filter((kind) => !code.some((line) => line.includes(`'${kind}'`)))
  assert.deepEqual(silent, [])
})
