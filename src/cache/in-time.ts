/**
 * Stops waiting after a while. What it waited for may still come, and is not heard any more. A
 * process that was itself late finds its timer due beside answers that have long arrived: it hears
 * those first, or it would blame Redis for a lack of processors.
 */
export async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const giveUp = (): void => reject(new Error('no answer in time'))
    const late = setTimeout(() => setImmediate(giveUp), ms)
    work.then(resolve, reject).finally(() => clearTimeout(late))
  })
}
