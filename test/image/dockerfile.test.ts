import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { validate, ValidationSeverity } from 'dockerfile-utils'
import { dockerfile, environment, image, only, programOf, repository } from './kit/dockerfile.ts'
import { stagesOf } from './kit/dockerfile.ts'

/** The linter of editors, with each of its rules an error. */
function findingsOf(text: string): readonly string[] {
  const severity = ValidationSeverity.ERROR
  const found = validate(text, {
    deprecatedMaintainer: severity,
    directiveCasing: severity,
    emptyContinuationLine: severity,
    instructionCasing: severity,
    instructionCmdMultiple: severity,
    instructionEntrypointMultiple: severity,
    instructionHealthcheckMultiple: severity,
    instructionJSONInSingleQuotes: severity,
    instructionWorkdirRelative: severity,
  })
  return found.map(
    ({ message, range }) => `line ${range.start.line + 1}: ${JSON.stringify(message)}`,
  )
}

test('the linter of Dockerfiles finds nothing', () => {
  assert.deepEqual(findingsOf(dockerfile), [])
  const parts = readFileSync(`${repository}deploy/compose/parts/Dockerfile`, 'utf8')
  assert.deepEqual(findingsOf(parts), [])
})

const broken: Readonly<Record<string, readonly [was: string, is: string]>> = {
  'an instruction that there is none of': ['EXPOSE', 'EXPOSED'],
  'two commands': ['CMD ["serve"]', 'CMD ["serve"]\nCMD ["work"]'],
  'a folder that depends on where one is': ['WORKDIR /app', 'WORKDIR app'],
  'a stage that is not there': ['COPY --from=build', 'COPY --from='],
  'words in single quotes': ['["farthing"]', "['farthing']"],
}
for (const [what, [was, is]] of Object.entries(broken)) {
  test(`the linter of Dockerfiles would find ${what}`, () => {
    assert(dockerfile.includes(was))
    assert.notDeepEqual(findingsOf(dockerfile.replace(was, is)), [])
  })
}

test('every base is a stage or the Node of package.json, by its exact version', () => {
  const { devDependencies } = JSON.parse(readFileSync(`${repository}package.json`, 'utf8')) as {
    devDependencies: Readonly<Record<string, string>>
  }
  const stages = stagesOf(dockerfile).map(([from]) => from?.words ?? [])
  const names = stages.map((words) => words[2])
  const bases = stages.map(([base = '']) => base).filter((base) => !names.includes(base))
  assert.deepEqual(bases, [`node:${devDependencies['node']}-bookworm-slim`, 'scratch'])
})

test('the image runs as somebody else than root, tells its health, and keeps no secret', () => {
  assert.match(only('USER').text, /^[1-9]\d+:[1-9]\d+$/)
  assert.deepEqual(programOf(only('HEALTHCHECK')), ['farthing', 'health', 'serve'])
  assert.deepEqual(Object.keys(environment).sort(), [
    'DATA_DIR',
    'FARTHING_ENV',
    'NODE_ENV',
    'PATH',
  ])
  assert.equal(environment['FARTHING_ENV'], 'production')
  const names = new Set(image.map(({ name }) => name))
  assert(!names.has('ADD') && !names.has('ARG') && !names.has('VOLUME'))
})
