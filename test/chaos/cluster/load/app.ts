import { decodeJwt } from 'jose'
import { isAgain } from '../../kit/insist.ts'
import type { Again } from '../../kit/insist.ts'
import { tryAsk, trySignIn } from '../../kit/caller.ts'
import type { Answer, Ask, Member } from '../../kit/caller.ts'
import { moment } from './history.ts'
import type { Line, Timed } from './history.ts'
import { ATTEMPT_MS, askInTurn } from './insistent.ts'
import type { Addresses, Answered } from './insistent.ts'

/** Why an attempt brought nothing: a token was refused whose time was not over. */
export const TOKEN_REFUSED = 'token_refused'

/** A customer's app: it knows two balancers, and signs in anew when its token is refused. */
export type App = Readonly<{
  /** Null when nothing was heard, or what nobody should hear: then that is noted already. */
  ask: <T>(who: Member, asked: Omit<Ask, 'token'>) => Promise<Heard<Answer<T>> | null>
  signIn: (who: Member) => Promise<Heard<string> | null>
}>

export type Heard<T> = Readonly<{ timed: Timed; answer: T }>

export function createApp(apis: Addresses, note: (line: Line) => void): App {
  const tokens = new Map<string, string>()
  let turns = 0

  /** By turns from one balancer and from the other one. */
  async function inTurn<T>(
    asked: string,
    key: string | null,
    attempt: (api: string) => Promise<T | Again>,
  ): Promise<Heard<T> | null> {
    turns += 1
    const [one, two] = apis
    let heard: Answered<T>
    const began = moment()
    try {
      heard = await askInTurn(turns % 2 === 0 ? [one, two] : [two, one], attempt)
    } catch (error) {
      const timed = { began, ended: moment(), attempts: [] }
      note({ what: 'odd', asked, key, answer: String(error), ...timed })
      return null
    }
    const { answer, ...timed } = heard
    if (answer !== null) return { timed, answer }
    note({ what: 'silence', asked, key, ...timed })
    return null
  }

  async function attemptSignIn(api: string, who: Member): Promise<string | Again> {
    const token = await trySignIn(api, who.login, ATTEMPT_MS)
    if (token === null) throw new Error('a right password was refused')
    if (!isAgain(token)) tokens.set(who.name, token)
    return token
  }

  return {
    ask: async <T>(who: Member, asked: Omit<Ask, 'token'>) =>
      await inTurn(`${asked.method} ${asked.path}`, asked.key ?? null, async (api) => {
        const token = tokens.get(who.name) ?? who.token
        const answer = await tryAsk<T>(api, { ...asked, token, patienceMs: ATTEMPT_MS })
        if (isAgain(answer) || answer.status !== 401) return answer
        const isOver = (decodeJwt(token).exp ?? 0) * 1_000 <= Date.now()
        const again = await attemptSignIn(api, who)
        return isAgain(again) ? again : { again: isOver ? 'token_over' : TOKEN_REFUSED }
      }),
    signIn: async (who) =>
      await inTurn('sign-in', null, async (api) => await attemptSignIn(api, who)),
  }
}
