/** One thing that may happen next. `kind` groups what is equally likely. */
export type Step = Readonly<{
  name: string
  kind: 'go' | 'time' | 'fault'
  run: () => void
}>

/** What may happen next, of one kind. */
export type Offers = (kind: Step['kind']) => readonly Step[]

/** Chooses what happens next; null when nothing can. */
export type Choose = (offers: Offers) => Step | null

export type Scheduler = Readonly<{
  /** Adds a step that may happen from now on. @returns what takes it back. */
  add: (step: Step) => () => void
  /** Asked before a choice: steps of this kind that may happen as things stand. */
  source: (kind: Step['kind'], steps: () => readonly Step[]) => void
  /** Runs until `done`, or nothing may happen any more. @returns the names of what happened. */
  run: (choose: Choose, done: () => boolean) => Promise<readonly string[]>
}>

/** Longer than any chain of promises between two calls of the protocol: a test holds that. */
export const TURNS = 16
const STEPS_MAX = 600
const aTurn = Promise.resolve()

/** All that is asynchronous happens here, one step at a time, in the order that is chosen. */
export function createScheduler(turns: number = TURNS): Scheduler {
  const pending = { go: new Set<Step>(), time: new Set<Step>(), fault: new Set<Step>() }
  const sources: { kind: Step['kind']; steps: () => readonly Step[] }[] = []

  const offers: Offers = (kind) => {
    const offered = [...pending[kind]]
    for (const source of sources) if (source.kind === kind) offered.push(...source.steps())
    return offered
  }

  async function drain(): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await aTurn
  }

  return {
    add: (step) => {
      pending[step.kind].add(step)
      return () => {
        pending[step.kind].delete(step)
      }
    },
    source: (kind, steps) => {
      sources.push({ kind, steps })
    },
    run: async (choose, done) => {
      const trace: string[] = []
      await drain()
      while (!done() && trace.length < STEPS_MAX) {
        const step = choose(offers)
        if (!step) break
        pending[step.kind].delete(step)
        trace.push(step.name)
        step.run()
        await drain()
      }
      return trace
    },
  }
}
