import os from 'node:os'
import { writeFile } from 'node:fs/promises'
import { describeMachine } from './report.ts'
import { median } from './samples.ts'
import { measureSignIns } from './sign-ins.ts'
import type { SignInRound } from './sign-ins.ts'
import { measureTokens } from './token.ts'
import type { TokenCost } from './token.ts'

// What the auth layer costs: `npm run bench:auth` writes bench/auth-results.md.
const HIT_MAX_NS = 5_000
const RATIO_MIN = 0.8

const loadBefore = os.loadavg()[0] ?? Number.NaN
const tokens = await measureTokens()
const rounds = await measureSignIns(console.log)
const ratio = median(rounds.map(({ alone, beside }) => beside / alone))
const text = [
  '# What the auth layer costs',
  await describeMachine('npm run bench:auth', loadBefore),
  describeTokens(tokens),
  describeSignIns(rounds),
  [
    verdict(`a valid token that comes again < ${HIT_MAX_NS / 1_000} µs`, tokens.hit < HIT_MAX_NS),
    verdict(`payments beside 200 sign-ins >= ${RATIO_MIN} x those alone`, ratio >= RATIO_MIN),
  ].join('\n'),
].join('\n\n')
console.log(text)
await writeFile(new URL('auth-results.md', import.meta.url), `${text}\n`)
if (tokens.hit >= HIT_MAX_NS || ratio < RATIO_MIN) process.exitCode = 1

function describeTokens({ hit, miss }: TokenCost): string {
  const costs = `${hit.toFixed(0)} ns for one seen before, ${miss.toFixed(0)} ns for a new one`
  return `**Whose token is it?** ${costs}: 1 : ${(miss / hit).toFixed(0)}.`
}

function describeSignIns(rounds: readonly SignInRound[]): string {
  const rows = rounds.map((round) => {
    const { alone, beside, p99Alone, p99Beside, signIns, toldToWait } = round
    const cells = [alone.toFixed(0), beside.toFixed(0), (beside / alone).toFixed(2)]
    const late = [p99Alone.toFixed(1), p99Beside.toFixed(1)]
    return `| ${[...cells, ...late, String(signIns), String(toldToWait)].join(' | ')} |`
  })
  return [
    `**200 people sign in again and again** while others pay over 32 connections; rounds of five`,
    `seconds without and with them take turns. The median of the ratios is ${ratio.toFixed(2)}.`,
    '',
    '| payments/s alone | beside | ratio | p99 ms alone | beside | sign-ins | told to wait |',
    '| ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n')
}

function verdict(bar: string, holds: boolean): string {
  return `- ${holds ? 'PASS' : 'FAIL'}: ${bar}`
}
