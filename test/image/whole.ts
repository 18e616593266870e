import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { component } from '../kit/components.ts'
import { whyNot } from './kit/able.ts'
import { buildImage } from './kit/buildah.ts'
import { checkImage } from './kit/checks.ts'

// `npm run image`: the whole Dockerfile. It takes minutes, so the run of all tests leaves it out.
const { program, missing } = component('buildah')
const skip = missing ?? whyNot()
let system = ''
checkImage(async () => {
  assert(program !== null)
  const built = await buildImage(program)
  system = built.root.system
  return built
}, skip)

test('no program in it changes who runs it, and npm is gone', { skip }, (t) => {
  const places = '"$1/usr/local/bin" "$1/usr/local/lib"'
  const find = ['-c', `find "$1" -xdev -type f -perm /6000; find ${places} -name 'npm*'`]
  assert.equal(execFileSync('sh', [...find, 'find', system], { encoding: 'utf8' }), '')
  const megabytes = execFileSync('du', ['-sm', system], { encoding: 'utf8' }).split('\t')[0]
  t.diagnostic(`the image takes ${megabytes} MB, on the stand-in for its base`)
})
