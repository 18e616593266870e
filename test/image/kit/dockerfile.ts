import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DockerfileParser } from 'dockerfile-ast'

export const repository = fileURLToPath(new URL('../../..', import.meta.url))
export const dockerfile = readFileSync(`${repository}deploy/Dockerfile`, 'utf8')

export type Step = Readonly<{ name: string; words: readonly string[]; text: string }>
/** What stands between one FROM and the next; the FROM comes first. */
export type Stage = readonly Step[]

/** A Dockerfile in its stages. */
export function stagesOf(text: string): readonly Stage[] {
  const stages: Step[][] = []
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const name = instruction.getKeyword()
    if (name === 'FROM') stages.push([])
    const raw = instruction.getRawArgumentsContent() ?? ''
    const words = instruction.getArguments().map((argument) => argument.getValue())
    stages.at(-1)?.push({ name, words, text: raw })
  }
  return stages
}

export function stageNamed(name: string): Stage {
  const found = stagesOf(dockerfile).find((stage) => stage[0]?.words.at(-1) === name)
  return found ?? assert.fail(`deploy/Dockerfile has no stage ${name}`)
}

/** The last stage, which is the image. */
export const image: Stage = stagesOf(dockerfile).at(-1) ?? assert.fail('no stage')

export function only(name: string): Step {
  const [step, ...more] = image.filter((one) => one.name === name)
  assert(step !== undefined && more.length === 0, `one ${name} in the image`)
  return step
}

/** The image's environment. */
export const environment: Readonly<Record<string, string>> = Object.fromEntries(
  only('ENV').words.map((word) => {
    const equals = word.indexOf('=')
    return [word.slice(0, equals), word.slice(equals + 1)]
  }),
)

/** What an instruction in its exec form runs. */
export function programOf({ text }: Step): readonly string[] {
  return JSON.parse(text.slice(text.indexOf('['))) as string[]
}
