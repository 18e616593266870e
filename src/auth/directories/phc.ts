/** How dear one hash is. OWASP's least for argon2id: 19456 KiB, 2 passes, 1 lane. */
export type Argon2Cost = Readonly<{ memoryKiB: number; passes: number; parallelism: number }>

export type Argon2Hash = Argon2Cost & Readonly<{ salt: Buffer; tag: Buffer }>

/** No more than the fields can hold, so that a broken text is refused before it is computed. */
const costText = /^m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})$/
const base64 = /^[A-Za-z0-9+/]{11,86}$/

/** `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>`, in base64 without padding. @see PHC strings */
export function printPhc(hash: Argon2Hash): string {
  const cost = `m=${hash.memoryKiB},t=${hash.passes},p=${hash.parallelism}`
  return `$argon2id$v=19$${cost}$${unpadded(hash.salt)}$${unpadded(hash.tag)}`
}

/** Reads what `printPhc` writes; `null` for anything else. */
export function parsePhc(text: string): Argon2Hash | null {
  const [start, algorithm, version, costs = '', salt = '', tag = '', ...more] = text.split('$')
  const known = start === '' && algorithm === 'argon2id' && version === 'v=19' && more.length === 0
  const parts = costText.exec(costs)
  if (!known || !parts || !base64.test(salt) || !base64.test(tag)) return null
  const [, memory, passes, parallelism] = parts
  return {
    memoryKiB: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  }
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
