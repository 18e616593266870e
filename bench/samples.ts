/** What a closed loop of callers saw: each had one request under way at any time. */
export type Sample = Readonly<{
  count: number
  seconds: number
  /** Of each request, ascending. */
  latenciesMs: Float64Array
}>

/** Runs as many callers as asked, side by side, until the time is over and each has its answer. */
export async function closedLoop(
  { callers, ms }: Readonly<{ callers: number; ms: number }>,
  once: (caller: number) => Promise<void>,
): Promise<Sample> {
  const latencies: number[] = []
  const start = performance.now()
  const end = start + ms
  const call = async (caller: number): Promise<void> => {
    for (let begun = performance.now(); begun < end;) {
      await once(caller)
      const ended = performance.now()
      latencies.push(ended - begun)
      begun = ended
    }
  }
  await Promise.all(Array.from({ length: callers }, async (_, caller) => await call(caller)))
  const seconds = (performance.now() - start) / 1_000
  return { count: latencies.length, seconds, latenciesMs: Float64Array.from(latencies).sort() }
}

/** @param sorted ascending @param share 0.5 for the median, 0.99 for all but the slowest of 100 */
export function quantile(sorted: Float64Array | readonly number[], share: number): number {
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share))
  return sorted[at] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  )
}
