import { mayAskTheTime, mayHoldSql, mayNameStatuses } from './map.ts'
import { codeOf, roomOf } from './source.ts'
import type { Rule } from './source.ts'

/** Each line outside of where it belongs that looks like it, with the cure. */
const only =
  (looks: RegExp, belongs: (path: string) => boolean, cure: string): Rule =>
  (sources) =>
    sources
      .filter(({ path }) => roomOf(path) !== null && !belongs(path))
      .flatMap((source) =>
        codeOf(source)
          .filter(({ line }) => looks.test(line))
          .map(({ number, line }) => `${source.path}:${number}: ${cure}: ${line.trim()}`),
      )

const statements = [
  String.raw`select\s`,
  String.raw`insert\s+into\s`,
  String.raw`update\s+\w+(?:\s+\w+)?(?:\s+set\s|$)`,
  String.raw`delete\s+from\s`,
  String.raw`with\s+(?:recursive\s|\w+\s+as)`,
  String.raw`(?:create|alter|drop)\s+(?:table|index|database|role|schema|function)`,
  String.raw`truncate\s`,
]
const sql = new RegExp(String.raw`['"\x60(]\s*(?:${statements.join('|')})`, 'i')

export const sqlStandsInStores: Rule = only(
  sql,
  (path) => path.endsWith('/store.ts') || /^src\/(?:db|queue)\//.test(path) || path in mayHoldSql,
  "SQL stands in a room's store.ts, in db/ or in queue/. Give the statement a function there",
)

const statuses = '400|401|403|404|405|409|413|415|422|429|503'
const http = new RegExp(String.raw`(?<![\w.$'])(?:${statuses})(?![\w.])|\bstatusCode\b|\breply\.`)

export const onlyHttpKnowsStatusCodes: Rule = only(
  http,
  (path) => /^src\/(?:http|provider)\//.test(path) || path in mayNameStatuses,
  'only doors know status codes. Throw an AppError, and give its code a status in problems.ts',
)

export const onlyTimeAsksTheTime: Rule = only(
  /\bDate\.now\b|\bnew Date\(|\bTemporal\.Now\b/,
  (path) => path in mayAskTheTime,
  'only time.ts asks the time. Take `now`, or a Clock',
)

/** A connection prepares a statement under its name: a second one of that name fails, some day. */
export const statementsHaveTheirOwnNames: Rule = (sources) => {
  const first = new Map<string, string>()
  return sources.flatMap(({ path, text }) =>
    [...text.matchAll(/\bname: '(\w+)',\s*text:/g)].flatMap(([, name = '']) => {
      const other = first.get(name)
      if (other === undefined) first.set(name, path)
      return other === undefined
        ? []
        : `${path}: ${other} has a statement ${name}, too. Call one of them otherwise`
    }),
  )
}
