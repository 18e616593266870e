/** Stops waiting after a while. What it waited for may still come, and is not heard any more. */
export async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no answer in time')), ms)
    work.then(resolve, reject).finally(() => clearTimeout(late))
  })
}
